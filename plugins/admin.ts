/** The admin REST API: an encapsulated scope with its own prefix, auth, validator, body parser, headers and error shape. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AdminTarget } from '../routes/admin-target.ts';
import { auditRoutes } from '../routes/audit.ts';
import { backendRoutes } from '../routes/backends.ts';
import { configRoutes } from '../routes/config.ts';
import { BodyUnexpected, handleError, RouteNotFound } from '../routes/error-answer.ts';
import { gatewayRoutes } from '../routes/gateways.ts';
import { healthRoutes } from '../routes/health.ts';
import { type MetricsPage, metricsRoutes } from '../routes/metrics.ts';
import { pipeRoutes } from '../routes/pipes.ts';
import { secure } from '../routes/security-headers.ts';
import { statsRoutes } from '../routes/stats.ts';
import { strictValidator } from '../routes/strict-validator.ts';
import { resolveAdminSettings } from '../src/admin/settings.ts';
import type { AdminOptions } from '../src/options.ts';
import { audit } from './admin-audit.ts';
import { checkAuth, guard } from './admin-auth.ts';
import { createFailureLimit } from './admin-failures.ts';
import { logSerializers } from './log-serializers.ts';
import { refuseUpgrades } from './no-upgrade.ts';
import openapi from './openapi.ts';
import { type AnswerBounds, dropUntaken } from './untaken-answers.ts';

export interface AdminPluginOptions {
  readonly target: AdminTarget;
  /** `listen` is none of this plugin: it serves where it is registered. */
  readonly admin: AdminOptions;
  /** Route of the clients in this app, for the OpenAPI page; null = they connect elsewhere. Default '/ws'. */
  readonly path?: string | null;
  /** What GET /metrics answers. Default: an empty page. */
  readonly metrics?: MetricsPage;
  /** Left out = an answer waits for as long as its connection lives. */
  readonly answers?: AnswerBounds;
}

const bodyLimit = 65_536;
const noMetrics: MetricsPage = { text: async () => ({ contentType: 'text/plain', body: '' }) };

/**
 * Register it without fastify-plugin: all it sets stays inside.
 * @throws HOLDFAST_ERR_NO_ADMIN_AUTH, HOLDFAST_ERR_OPTIONS
 */
export default async function admin(app: FastifyInstance, options: AdminPluginOptions): Promise<void> {
  const { target, path = '/ws', metrics = noMetrics } = options;
  const auth = checkAuth(options.admin.auth);
  const { prefix, publicMetrics: open, maxFailures, failureWindowMs } = resolveAdminSettings({ ...options.admin });
  const clientPath = path === null ? null : `${app.prefix}${path}`;
  const failures = createFailureLimit(maxFailures, failureWindowMs);

  await app.register(
    async (scope) => {
      setUp(scope, options);
      refuseUpgrades(scope);
      await scope.register(openapi, { path: clientPath });
      await scope.register(healthRoutes, { target });
      if (open) await scope.register(metricsRoutes, { metrics, open });
      await scope.register(async (guarded) => {
        audit(guarded, target.events);
        await guard(guarded, auth, failures);
        // Without a prefix the whole app would be ours to answer.
        if (guarded.prefix !== '') {
          guarded.setNotFoundHandler((request, reply) => handleError(new RouteNotFound(), request, reply));
        }
        await guarded.register(backendRoutes, { target });
        await guarded.register(gatewayRoutes, { target });
        await guarded.register(pipeRoutes, { target });
        await guarded.register(configRoutes, { target });
        await guarded.register(statsRoutes, { target });
        await guarded.register(auditRoutes, { target });
        if (!open) await guarded.register(metricsRoutes, { metrics, open });
      });
    },
    { prefix: prefix.replace(/\/$/, ''), ...withoutQuery(app) },
  );
}

/** Nothing but /livez and /readyz: where the clients connect, when the rest has a port of its own. */
export async function probes(
  app: FastifyInstance,
  options: { target: AdminTarget; admin: AdminOptions },
): Promise<void> {
  const { prefix } = resolveAdminSettings({ ...options.admin });
  await app.register(
    async (scope) => {
      setUp(scope, options);
      await scope.register(healthRoutes, { target: options.target });
    },
    { prefix: prefix.replace(/\/$/, ''), ...withoutQuery(app) },
  );
}

/** DELETE /backends?url= has an address in its query. Fastify's type wants text; an object is what its own serializer gives. */
function withoutQuery(app: FastifyInstance): { logSerializers: Record<string, (value: unknown) => string> } {
  return { logSerializers: logSerializers(app) as unknown as Record<string, (value: unknown) => string> };
}

/** What the host app has set of these would change the contract of the API, so each is set anew. */
function setUp(scope: FastifyInstance, { answers }: AdminPluginOptions): void {
  scope.setValidatorCompiler(strictValidator);
  scope.setSerializerCompiler(() => JSON.stringify);
  scope.setErrorHandler(handleError);
  scope.addHook('onRequest', async (_request, reply) => {
    secure(reply).header('cache-control', 'no-store');
  });
  if (answers !== undefined) scope.addHook('onSend', dropUntaken(answers));
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser<string>('application/json', { parseAs: 'string', bodyLimit }, (request, text, done) => {
    if (takesBody(request)) return parse(request, text, done);
    // Many HTTP clients send the header, or {}, with every request.
    const empty = text.trim() === '' || text.trim() === '{}';
    return empty ? done(null) : done(new BodyUnexpected());
  });
}

function takesBody(request: FastifyRequest): boolean {
  return request.routeOptions.schema?.body !== undefined;
}
