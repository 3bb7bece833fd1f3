/** The admin API on a port, or a Unix socket, of its own: where the clients connect there is none of it but the probes. */
import { lstatSync } from 'node:fs';
import { chmod, unlink } from 'node:fs/promises';
import { createConnection, type Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import Fastify, { type FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { type AdminListen, resolveAdminSettings } from '../src/admin/settings.ts';
import { AdminListenFailed } from '../src/errors.ts';
import { AddressList } from '../src/limits/address-list.ts';
import { ListenerTls } from '../src/link/listener-tls.ts';
import { boundPipelining, readAllHeaders, serveInTurns } from '../src/link/plain-requests.ts';
import type { TlsReload } from '../src/link/tls-reload.ts';
import admin, { type AdminPluginOptions, probes } from './admin.ts';
import { logSerializers } from './log-serializers.ts';
import { dropAtEnd, ownServer, refuseUnknownRoutes, type ServerTimes } from './own-server.ts';
import { RequestsAtDebug } from './requests-at-debug.ts';
import { serverErrors } from './server-errors.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** With `admin.listen`: the server of the admin API. It listens when the app is ready, and closes with it. */
    adminServer?: FastifyInstance;
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken',
  EACCES: 'this user may not open it',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
  ENOENT: 'its folder does not exist',
};

/** Who may open the socket may try tokens; the owner can let others in. */
const socketMode = 0o600;

export interface AdminListenerOptions extends AdminPluginOptions {
  /** Told of the certificate of this port, to read it anew when asked to. */
  readonly tls: TlsReload;
}

async function adminListener(app: FastifyInstance, options: AdminListenerOptions): Promise<void> {
  const { listen = {} } = resolveAdminSettings({ ...options.admin });
  const server = await createServer(app, listen, options);
  app.decorate('adminServer', server);
  await app.register(probes, options);
  app.addHook('onReady', async () => {
    const address = await start(server, listen);
    app.log.info({ address }, `the admin API listens on ${address}`);
  });
  // Not before: while the clients are being closed an operator may want to look.
  app.addHook('onClose', async () => {
    await server.close();
  });
}

async function createServer(
  app: FastifyInstance,
  listen: AdminListen,
  { tls: reload, ...options }: AdminListenerOptions,
): Promise<FastifyInstance> {
  const tls = listen.tls === undefined ? undefined : new ListenerTls(listen.tls, 'admin', 'admin.listen.tls');
  const { trustProxy = false } = listen;
  if (typeof trustProxy !== 'boolean') new AddressList(trustProxy, 'admin.listen.trustProxy');
  const server: FastifyInstance = Fastify({
    loggerInstance: app.log.child({ listener: 'admin' }, { serializers: logSerializers(app) as never }),
    logController: new RequestsAtDebug(),
    trustProxy,
    // That of localhost's other address too.
    forceCloseConnections: true,
    ...serverErrors({
      log: () => app.log,
      tooSlow: (clientIp) => app.pipeManager.tally.hit('request-time', clientIp === undefined ? {} : { clientIp }),
    }),
    ...ownServer(timesOf(app), tls),
  });
  if (tls !== undefined) reload.add(tls);
  readAllHeaders(server.server);
  serveInTurns(server.server);
  boundPipelining(server.server, {
    most: app.pipeManager.options.limits.maxPipelinedRequests,
    over: ({ remoteAddress: clientIp }) =>
      app.pipeManager.tally.hit('pipelined-requests', clientIp === undefined ? {} : { clientIp }),
  });
  dropAtEnd(server, 0);
  refuseUnknownRoutes(server);
  await server.register(admin, { ...options, path: null });
  return server;
}

/** Those of the port of the clients; a server of HTTP/2 has none. */
function timesOf({ server }: FastifyInstance): ServerTimes | undefined {
  const { headersTimeout, requestTimeout } = server as Partial<typeof server>;
  if (headersTimeout === undefined || requestTimeout === undefined) return undefined;
  return { headersTimeoutMs: headersTimeout, requestTimeoutMs: requestTimeout };
}

/** @returns where it listens. @throws HOLDFAST_ERR_ADMIN_LISTEN */
async function start(server: FastifyInstance, listen: AdminListen): Promise<string> {
  const { host = '127.0.0.1', port = 0, path } = listen;
  try {
    if (path === undefined) return await server.listen({ host, port });
    await removeLeftOver(path);
    bindPrivately(server.server);
    const address = await server.listen({ path });
    await chmod(path, socketMode);
    return address;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new AdminListenFailed(path ?? `${host}:${port}`, reasons[code] ?? message);
  }
}

/** What it binds is the owner's alone from its first moment on. Workers do not bind: their primary process has a umask for it. */
function bindPrivately(http: Server): void {
  // Threads cannot set it: theirs is the owner's alone a moment later.
  if (!isMainThread) return;
  const { listen } = http;
  http.listen = (...args: unknown[]) => {
    const umask = process.umask(0o777 - socketMode);
    try {
      return Reflect.apply(listen, http, args);
    } finally {
      process.umask(umask);
    }
  };
}

/** A Unix socket that a process left behind when it was killed: nobody accepts on it. @throws where there is something else. */
async function removeLeftOver(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  // Nobody accepts on a file either: a path that was mistyped must not delete one.
  if (!there.isSocket()) throw new Error('what is there is no socket');
  if (await refuses(path)) await unlink(path);
}

function refuses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

export default fp(adminListener, { fastify: '5.x', name: 'holdfast-admin-listener' });
