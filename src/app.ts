/** The app of the `holdfast` command: Fastify, its log, and the plugin. */
import { createServer, type Server, type ServerOptions } from 'node:https';
import { hostname } from 'node:os';
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import { serverErrors } from '../plugins/server-errors.ts';
import { handleError, RouteNotFound } from '../routes/error-answer.ts';
import type { AdminTokens } from './admin/admin-tokens.ts';
import type { AdminSettings, AdminToken } from './admin/settings.ts';
import type { ClusterStore } from './cluster/store.ts';
import type { CommandSettings } from './config.ts';
import holdfast from './index.ts';
import type { ListenerTls } from './link/listener-tls.ts';
import type { MetricsOptions } from './options.ts';

/** Most time between two looks for slow requests, milliseconds. */
const maxCheckMs = 2000;

export interface AppSettings
  extends Pick<CommandSettings, 'options' | 'logLevel'>,
    Partial<Pick<CommandSettings, 'trustProxy' | 'http'>> {
  readonly admin: Partial<AdminSettings> & { readonly tokens: AdminTokens | readonly (string | AdminToken)[] };
  /** Of the port; left out = plain HTTP. */
  readonly tls?: ListenerTls | undefined;
  /** What several gateways share; left out = this one is alone. */
  readonly store?: ClusterStore | undefined;
  readonly metrics?: MetricsOptions | undefined;
  /** Number of this worker process, for its lines in the log; left out = it is the only process. */
  readonly worker?: number | undefined;
  /** Where the log goes. Default: stdout. */
  readonly logStream?: { write(line: string): void };
}

export type App = FastifyInstance;

/** @throws HOLDFAST_ERR_...; FST_ERR_DUPLICATED_ROUTE where the clients' path is also one of the admin API. */
export async function buildApp(settings: AppSettings): Promise<App> {
  const { options, logLevel, admin, logStream, tls, store, metrics, worker, trustProxy = false, http } = settings;
  let app: App | undefined;
  const server: FastifyServerOptions = {
    logger: {
      level: logLevel,
      serializers: { req: describeRequest },
      ...(worker === undefined ? {} : { base: { pid: process.pid, hostname: hostname(), worker } }),
      ...(logStream === undefined ? {} : { stream: logStream }),
    },
    trustProxy: typeof trustProxy === 'boolean' ? trustProxy : [...trustProxy],
    ...(http === undefined ? {} : { requestTimeout: http.requestTimeoutMs, http: headTimes(http) }),
    ...(tls === undefined ? {} : { serverFactory: secureServers(tls, http === undefined ? {} : headTimes(http)) }),
    ...serverErrors({
      log: () => app?.log,
      tooSlow: (clientIp) => app?.pipeManager.tally.hit('request-time', clientIp === undefined ? {} : { clientIp }),
    }),
  };
  app = Fastify(server);
  app.setNotFoundHandler((request, reply) => handleError(new RouteNotFound(), request, reply));
  const { tokens, ...adminSettings } = admin;
  const cluster = { ...options.cluster, store };
  await app.register(holdfast, {
    ...options,
    cluster,
    admin: { ...adminSettings, auth: { tokens } },
    ...(metrics === undefined ? {} : { metrics }),
  });
  if (tls !== undefined) app.pipeManager.tls.add(tls);
  await app.ready();
  return app;
}

/** Node looks for those who are too slow at an interval, by default of 30 s. */
function headTimes({ headersTimeoutMs }: CommandSettings['http']) {
  return {
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: Math.min(maxCheckMs, Math.ceil(headersTimeoutMs / 4)),
  };
}

/** As Fastify makes its own, and known to `tls`: for the host localhost there are two. */
function secureServers(
  tls: ListenerTls,
  head: ServerOptions,
): NonNullable<FastifyServerOptions<Server>['serverFactory']> {
  return (handler, options) => {
    const { keepAliveTimeout, requestTimeout, connectionTimeout = 0 } = options as FastifyServerOptions;
    const server = createServer({ ...head, ...tls.options }, handler);
    if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout;
    if (requestTimeout !== undefined) server.requestTimeout = requestTimeout;
    server.setTimeout(connectionTimeout);
    tls.attach(server);
    return server;
  };
}

/** What the log says of a request: never its query string, headers or body. */
function describeRequest({ method, url, ip }: FastifyRequest): { method: string; path: string; ip: string } {
  return { method, path: url.replace(/[?;#].*$/s, ''), ip };
}
