/**
 * Whatever a caller of the admin API sends, right or wrong: no 5xx but the documented 503, and every answer is one that the OpenAPI document has.
 * HOLDFAST_ADMIN_RUNS=20000 npm test admin-property; a failure prints its seed and path: HOLDFAST_ADMIN_SEED, HOLDFAST_ADMIN_PATH.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { type AdminRequest, anyRequest, livePipe, type Route, routesOf } from './admin-requests.ts';
import type { JsonSchema } from './schema-arbitrary.ts';

const { HOLDFAST_ADMIN_RUNS, HOLDFAST_ADMIN_SEED, HOLDFAST_ADMIN_PATH } = process.env;
const runs = Number(HOLDFAST_ADMIN_RUNS ?? 800);
const prefix = '/admin';
/** Errors that no route has chosen: a url that cannot be read, a route that is not there. */
const anywhere: ReadonlySet<number> = new Set([400, 404, 414]);
/** Of a body where none belongs: too large, or no JSON. */
const ofBody: ReadonlySet<number> = new Set([413, 415]);

interface Stage {
  readonly gateway: TestGateway;
  readonly routes: readonly Route[];
  readonly urls: readonly string[];
  readonly errorSchema: JsonSchema;
  /** There is a client, and not more backends than a few. */
  tidy(): Promise<void>;
}

async function start(t: TestContext): Promise<Stage> {
  const backend = await startBackend(t, { record: false });
  const gateway = await startGateway(t, {
    // With a prefix all below it is ours to answer.
    admin: { prefix, auth: { tokens: [adminToken] } },
    client: { serve: false },
    failover: { maxInterruptionMs: 2000, handshakeWaitMs: 50 },
    drain: { timeoutMs: 500, tailMs: 50, quietMs: 20 },
    closing: { handshakeMs: 100, lingerMs: 100 },
  });
  const { body } = await gateway.admin('GET', `${prefix}/docs/json`);
  const document = body as Parameters<typeof routesOf>[0] & { components: { schemas: Record<string, JsonSchema> } };
  let client: Client | undefined;
  let steady = 0;
  const tidy = async (): Promise<void> => {
    for (const { id } of gateway.manager.backends().slice(6)) gateway.manager.removeBackend(id, { mode: 'force' });
    if (gateway.manager.size > 0) return;
    client?.terminate();
    steady += 1;
    const { url } = backend;
    const id = `steady-${steady}`;
    if (!gateway.manager.backends().some((one) => one.usable && one.url.startsWith(url)))
      gateway.manager.registerBackend({ id, url: `${url}/${steady}` });
    client = await connect(t, gateway.url);
  };
  // Nobody listens at port 9 of this machine.
  const urls = [
    backend.url,
    `${backend.url}/other`,
    'ws://127.0.0.1:9',
    'wss://localhost:9/x?y=z',
    'http://127.0.0.1',
    'ws://a b',
  ];
  return { gateway, routes: routesOf(document), urls, errorSchema: document.components.schemas['Error']!, tidy };
}

/** @returns what is wrong with the answer; undefined = nothing. */
async function judge({ gateway, errorSchema }: Stage, request: AdminRequest, at: number): Promise<string | undefined> {
  const { route, method, headers, payload } = request;
  const pipe = [...gateway.manager][0]?.id ?? 'none';
  const answer = await gateway.app.inject({
    method: method as 'GET',
    url: prefix + request.url.replace(livePipe, pipe),
    headers: { ...headers, host: '127.0.0.1' },
    // Callers with a wrong token are held back by their address.
    remoteAddress: `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`,
    ...(payload === undefined ? {} : { payload }),
  });
  const { statusCode, body } = answer;
  const documented = route.operation.responses[String(statusCode)];
  if (statusCode >= 500 && !(statusCode === 503 && documented !== undefined)) return `${statusCode} ${body}`;
  const expected =
    documented !== undefined || anywhere.has(statusCode) || (payload !== undefined && ofBody.has(statusCode));
  if (!expected) return `the status ${statusCode} is not documented: ${body}`;
  const media = documented?.content;
  if (documented !== undefined && media === undefined) return body === '' ? undefined : `a body with ${statusCode}`;
  const type = String(answer.headers['content-type']).split(';')[0]!;
  const schema = media === undefined ? errorSchema : media[type]?.schema;
  if (schema === undefined) return `${statusCode} with the content type ${type}`;
  const value: unknown = type === 'application/json' ? JSON.parse(body) : body;
  if (Value.Check(schema as TSchema, value)) return undefined;
  return `${statusCode} does not fit its schema: ${body.slice(0, 600)} (${JSON.stringify(Value.Errors(schema as TSchema, value)[0])})`;
}

test('every answer to random requests is a documented one', async (t) => {
  const stage = await start(t);
  assert.ok(stage.routes.length >= 20, `${stage.routes.length} routes`);
  const statuses = new Map<string, number>();
  let at = 0;
  const property = fc.asyncProperty(
    anyRequest(stage.routes, { urls: stage.urls, token: adminToken }),
    async (request) => {
      at += 1;
      await stage.tidy();
      const problem = await judge(stage, request, at);
      assert.equal(problem, undefined, `${request.method} ${request.url}: ${problem}`);
      const name = `${request.route.method} ${request.route.path}`;
      statuses.set(name, (statuses.get(name) ?? 0) + 1);
    },
  );
  await fc.assert(property, {
    numRuns: runs,
    interruptAfterTimeLimit: Math.max(100_000, 60 * runs),
    markInterruptAsFailure: true,
    ...(HOLDFAST_ADMIN_SEED === undefined ? {} : { seed: Number(HOLDFAST_ADMIN_SEED) }),
    ...(HOLDFAST_ADMIN_PATH === undefined ? {} : { path: HOLDFAST_ADMIN_PATH }),
  });
  assert.equal(statuses.size, stage.routes.length, 'every route was asked');
  assert.equal((await stage.gateway.admin('GET', `${prefix}/livez`)).status, 200);
});
