/** The app of the `holdfast` command: Fastify, its log, and the plugin. */
import { hostname } from 'node:os';
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import { dropAtEnd, ownServer, refuseUnknownRoutes } from '../plugins/own-server.ts';
import { RequestsAtDebug } from '../plugins/requests-at-debug.ts';
import { serverErrors } from '../plugins/server-errors.ts';
import type { AdminTokens } from './admin/admin-tokens.ts';
import type { AdminSettings, AdminToken } from './admin/settings.ts';
import type { ClusterStore } from './cluster/store.ts';
import type { CommandSettings } from './config.ts';
import holdfast from './index.ts';
import type { ListenerTls } from './link/listener-tls.ts';
import { serveInTurns } from './link/plain-requests.ts';
import type { MetricsOptions } from './options.ts';

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

/** At the end, when the last client has gone: for the requests that are being answered. */
const lastAnswersMs = 1000;

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
    logController: new RequestsAtDebug(),
    trustProxy: typeof trustProxy === 'boolean' ? trustProxy : [...trustProxy],
    ...ownServer(http, tls),
    ...serverErrors({
      log: () => app?.log,
      tooSlow: (clientIp) => app?.pipeManager.tally.hit('request-time', clientIp === undefined ? {} : { clientIp }),
    }),
  };
  app = Fastify(server);
  serveInTurns(app.server);
  refuseUnknownRoutes(app);
  const { tokens, ...adminSettings } = admin;
  const cluster = { ...options.cluster, store };
  await app.register(holdfast, {
    ...options,
    cluster,
    admin: { ...adminSettings, auth: { tokens } },
    ...(metrics === undefined ? {} : { metrics }),
  });
  if (tls !== undefined) app.pipeManager.tls.add(tls);
  // After holdfast: its clients have gone when this begins.
  dropAtEnd(app, lastAnswersMs);
  await app.ready();
  return app;
}

/** What the log says of a request: never its query string, headers or body. */
function describeRequest({ method, url, ip }: FastifyRequest): { method: string; path: string; ip: string } {
  return { method, path: url.replace(/[?;#].*$/s, ''), ip };
}
