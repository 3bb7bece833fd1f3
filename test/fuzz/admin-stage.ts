/** A gateway with its own OpenAPI document: what it answers to a request of the admin API, and whether the document has that answer. */
import type { TestContext } from 'node:test';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { serverErrors } from '../../plugins/server-errors.ts';
import { type BackendProcess, startBackend } from '../support/backend-process.ts';
import { adminToken, startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { type AdminRequest, livePipe, type Route, routesOf } from './admin-requests.ts';
import type { JsonSchema } from './schema-arbitrary.ts';

export const prefix = '/admin';
export const readToken = 'reader-token-0123456789';
/** What no operation answers: its path was not matched, or could not be read. */
const ofNoRoute: ReadonlySet<string> = new Set(['HOLDFAST_ERR_ROUTE_NOT_FOUND', 'HOLDFAST_ERR_URL']);

export interface AdminStage {
  readonly gateway: TestGateway;
  readonly backend: BackendProcess;
  readonly routes: readonly Route[];
  /** Asks, and judges the answer. `from` = address of the caller. */
  ask(request: AdminRequest, from: string): Promise<AdminAnswer>;
}

export interface AdminAnswer {
  readonly status: number;
  readonly code: string | undefined;
  /** What is wrong with the answer; undefined = nothing. */
  readonly problem: string | undefined;
}

export async function startAdminStage(t: TestContext, options: TestGatewayOptions): Promise<AdminStage> {
  const backend = await startBackend(t, { record: false });
  const gateway = await startGateway(t, {
    // With a prefix all below it is ours to answer.
    admin: { prefix, auth: { tokens: [adminToken, { name: 'reader', role: 'read', token: readToken }] } },
    client: { serve: false },
    // As the command has it.
    fastify: serverErrors({ log: () => undefined }),
    ...options,
  });
  const { body } = await gateway.admin('GET', `${prefix}/docs/json`);
  const document = body as Parameters<typeof routesOf>[0] & { components: { schemas: Record<string, JsonSchema> } };
  const errorSchema = document.components.schemas['Error']!;
  const ask: AdminStage['ask'] = async ({ route, method, url, headers, payload }, from) => {
    const pipe = [...gateway.manager][0]?.id ?? 'none';
    const answer = await gateway.app.inject({
      method: method as 'GET',
      url: prefix + url.replace(livePipe, pipe),
      headers: { ...headers, host: '127.0.0.1' },
      remoteAddress: from,
      ...(payload === undefined ? {} : { payload }),
    });
    const { statusCode: status, body: text } = answer;
    const type = String(answer.headers['content-type']).split(';')[0]!;
    const { code } = (type === 'application/json' && text !== '' ? JSON.parse(text) : {}) as { code?: string };
    return { status, code, problem: judge({ route, errorSchema }, { status, code, type, text }) };
  };
  return { gateway, backend, routes: routesOf(document), ask };
}

interface Given {
  readonly status: number;
  readonly code: string | undefined;
  readonly type: string;
  readonly text: string;
}

function judge(
  { route, errorSchema }: { readonly route: Route; readonly errorSchema: JsonSchema },
  { status, code, type, text }: Given,
): string | undefined {
  const documented = route.operation.responses[String(status)];
  if (status >= 500 && !(status === 503 && documented !== undefined)) return `${status} ${text}`;
  if (documented === undefined && !ofNoRoute.has(code ?? '')) return `the status ${status} is not documented: ${text}`;
  const media = documented?.content;
  if (documented !== undefined && media === undefined) return text === '' ? undefined : `a body with ${status}`;
  const schema = media === undefined ? errorSchema : media[type]?.schema;
  if (schema === undefined) return `${status} with the content type ${type}`;
  const value: unknown = type === 'application/json' ? JSON.parse(text) : text;
  if (Value.Check(schema as TSchema, value)) return undefined;
  return `${status} does not fit its schema: ${text.slice(0, 600)} (${JSON.stringify(Value.Errors(schema as TSchema, value)[0])})`;
}
