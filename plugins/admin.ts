/** The admin REST API: an encapsulated scope with its own prefix, auth, validator, body parser and error shape. */
import bearerAuth from '@fastify/bearer-auth';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AdminTarget } from '../routes/admin-target.ts';
import { backendRoutes } from '../routes/backends.ts';
import { configRoutes } from '../routes/config.ts';
import { BodyUnexpected, handleError, RouteNotFound } from '../routes/error-answer.ts';
import { healthRoutes } from '../routes/health.ts';
import { type MetricsPage, metricsRoutes } from '../routes/metrics.ts';
import { pipeRoutes } from '../routes/pipes.ts';
import { statsRoutes } from '../routes/stats.ts';
import { strictValidator } from '../routes/strict-validator.ts';
import { NoAdminAuth, OptionsInvalid, Unauthorized } from '../src/errors.ts';
import type { EventStream } from '../src/observe/events.ts';
import type { AdminOptions } from '../src/options.ts';
import { logSerializers } from './log-serializers.ts';
import openapi from './openapi.ts';

export interface AdminPluginOptions {
  readonly target: AdminTarget;
  readonly admin: AdminOptions;
  /** Route of the clients, for the OpenAPI page. Default '/ws'. */
  readonly path?: string;
  /** What GET /metrics answers. Default: an empty page. */
  readonly metrics?: MetricsPage;
}

type Auth = NonNullable<AdminOptions['auth']>;
type Hook = Extract<Auth, (...args: never[]) => unknown>;

const minTokenLength = 8;
const bodyLimit = 65_536;
const noMetrics: MetricsPage = { text: async () => ({ contentType: 'text/plain', body: '' }) };

/**
 * Register it without fastify-plugin: all it sets stays inside.
 * @throws HOLDFAST_ERR_NO_ADMIN_AUTH, HOLDFAST_ERR_OPTIONS
 */
export default async function admin(app: FastifyInstance, options: AdminPluginOptions): Promise<void> {
  const { target, path = '/ws', metrics = noMetrics } = options;
  const open = options.admin.publicMetrics === true;
  const auth = checkAuth(options.admin.auth);
  const prefix = checkPrefix(options.admin.prefix ?? '');
  const clientPath = `${app.prefix}${path}`;

  await app.register(
    async (scope) => {
      setUp(scope);
      await scope.register(openapi, { path: clientPath });
      await scope.register(healthRoutes, { target });
      if (open) await scope.register(metricsRoutes, { metrics, open });
      await scope.register(async (guarded) => {
        await guard(guarded, auth, target.events);
        // Without a prefix the whole app would be ours to answer.
        if (guarded.prefix !== '') {
          guarded.setNotFoundHandler((request, reply) => handleError(new RouteNotFound(), request, reply));
        }
        await guarded.register(backendRoutes, { target });
        await guarded.register(pipeRoutes, { target });
        await guarded.register(configRoutes, { target });
        await guarded.register(statsRoutes, { target });
        if (!open) await guarded.register(metricsRoutes, { metrics, open });
      });
    },
    // DELETE /backends?url= has an address in its query. Fastify's type wants text; an object is what its own serializer gives.
    { prefix, logSerializers: logSerializers(app) as unknown as Record<string, (value: unknown) => string> },
  );
}

/** What the host app has set of these would change the contract of the API, so each is set anew. */
function setUp(scope: FastifyInstance): void {
  scope.setValidatorCompiler(strictValidator);
  scope.setSerializerCompiler(() => JSON.stringify);
  scope.setErrorHandler(handleError);
  scope.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser<string>('application/json', { parseAs: 'string', bodyLimit }, (request, text, done) => {
    if (request.routeOptions.schema?.body !== undefined) return parse(request, text, done);
    // Many HTTP clients send the header, or {}, with every request.
    const empty = text.trim() === '' || text.trim() === '{}';
    return empty ? done(null) : done(new BodyUnexpected());
  });
}

async function guard(scope: FastifyInstance, auth: Auth, events: EventStream): Promise<void> {
  const refused = (request: FastifyRequest, reply: FastifyReply) => {
    const { method, ip, routeOptions } = request;
    if (!reply.hasHeader('www-authenticate')) {
      const wrong = request.headers.authorization === undefined ? '' : ', error="invalid_token"';
      reply.header('www-authenticate', `Bearer realm="holdfast"${wrong}`);
    }
    events.emit('admin.refused', { clientIp: ip, method, route: routeOptions.url ?? 'unknown' });
  };
  if (typeof auth === 'function') {
    scope.addHook('onRequest', hostGuard(auth, refused));
    return;
  }
  // rfc6749: the scheme is matched without regard to case, as RFC 9110 section 11.1 says.
  await scope.register(bearerAuth, {
    keys: [...auth.tokens],
    addHook: false,
    specCompliance: 'rfc6749',
    verifyErrorLogLevel: 'debug',
  });
  scope.addHook('onRequest', (request, reply, done) => {
    scope.verifyBearerAuth?.(request, reply, (error) => {
      if (error === undefined) return done();
      refused(request, reply);
      done(new Unauthorized());
    });
  });
}

/** The host's own hook: it may throw (a status of its own is kept), answer by itself, or return false. */
function hostGuard(hook: Hook, refused: (request: FastifyRequest, reply: FastifyReply) => void) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    let passed: unknown;
    try {
      passed = await hook(request, reply);
    } catch (thrown) {
      const { statusCode } = (thrown ?? {}) as { statusCode?: unknown };
      if (typeof statusCode === 'number' && statusCode >= 400 && statusCode !== 401) {
        if (statusCode === 403) refused(request, reply);
        throw thrown;
      }
      request.log.info({ err: thrown }, 'the admin auth hook refused a request');
      refused(request, reply);
      throw new Unauthorized();
    }
    if (reply.sent) {
      if (reply.statusCode === 401 || reply.statusCode === 403) refused(request, reply);
      return reply;
    }
    if (passed !== false) return undefined;
    refused(request, reply);
    throw new Unauthorized();
  };
}

function checkAuth(auth: AdminOptions['auth']): Auth {
  if (typeof auth === 'function') {
    if (auth.length > 2) {
      throw new OptionsInvalid('admin.auth must be an async function of (request, reply); done is not supported.');
    }
    return auth;
  }
  const tokens: unknown = auth?.tokens;
  if (!Array.isArray(tokens)) throw new NoAdminAuth();
  if (tokens.length === 0) throw noAdminAuth('admin.auth.tokens is empty.');
  for (const [index, token] of tokens.entries()) {
    const name = `admin.auth.tokens[${index}]`;
    if (typeof token !== 'string') throw noAdminAuth(`${name} is not a string.`);
    if (token.length < minTokenLength) {
      throw noAdminAuth(`${name} has ${token.length} characters; at least ${minTokenLength} are needed.`);
    }
    if (!/^[\x21-\x7e]+$/.test(token)) throw noAdminAuth(`${name} has a space or a character that is not ASCII.`);
  }
  return { tokens };
}

function noAdminAuth(detail: string): Error {
  const error = new NoAdminAuth();
  error.message = `${detail} ${error.message}`;
  Error.captureStackTrace(error, noAdminAuth);
  return error;
}

function checkPrefix(prefix: unknown): string {
  if (prefix === '' || prefix === '/') return '';
  if (typeof prefix === 'string' && /^(\/[\w.~-]+)+\/?$/.test(prefix)) return prefix.replace(/\/$/, '');
  throw new OptionsInvalid('admin.prefix must be empty or a path such as /admin.');
}
