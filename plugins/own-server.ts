/** The HTTP servers that are ours: how long a request may take, TLS whose certificate can be renewed, and an end that nobody can put off. */
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { handleError, RouteNotFound } from '../routes/error-answer.ts';
import type { ListenerTls } from '../src/link/listener-tls.ts';

export interface ServerTimes {
  /** For the head of a request, milliseconds; 0 = no limit. */
  readonly headersTimeoutMs: number;
  /** For the whole of it, milliseconds; 0 = no limit. */
  readonly requestTimeoutMs: number;
}

/** Most time between two looks for slow requests, milliseconds: node's own is 30 s. */
const maxCheckMs = 2000;

/** @param times undefined = those of Fastify. @param tls undefined = plain HTTP. */
export function ownServer(times: ServerTimes | undefined, tls: ListenerTls | undefined): FastifyServerOptions {
  const limits = times === undefined ? {} : nodeTimes(times);
  return {
    ...(times === undefined ? {} : { requestTimeout: times.requestTimeoutMs, http: limits }),
    // `https` only for the address that Fastify tells: the factory goes first.
    ...(tls === undefined ? {} : ({ serverFactory: secureServers(tls, limits), https: true } as FastifyServerOptions)),
  };
}

/** Whatever there is no route for is told so before its body is looked at: anybody may send one. What fails has the one error shape. */
export function refuseUnknownRoutes(app: FastifyInstance): void {
  app.setErrorHandler(handleError);
  app.setNotFoundHandler((request, reply) => handleError(new RouteNotFound(), request, reply));
  // Not earlier: below a prefix of the admin API a token is asked for first.
  app.addHook('preParsing', async ({ is404 }) => {
    if (is404) throw new RouteNotFound();
  });
}

/**
 * Once a server closes, node looks after slow requests no more, and waits for all connections but those between two requests: one that says
 * nothing would keep `app.close()` waiting for ever. Call it after all that has clients of its own in `preClose`.
 * @param afterMs how long the requests there are may still take, milliseconds.
 */
export function dropAtEnd(app: FastifyInstance, afterMs: number): void {
  const { server } = app;
  // HTTP does not know a connection before its TLS handshake is done.
  const secure = new Set<Socket>();
  function forget(this: Socket): void {
    secure.delete(this);
  }
  if (server instanceof TlsServer)
    server.on('connection', (socket: Socket) => secure.add(socket.once('close', forget)));
  const drop = (): void => {
    server.closeAllConnections();
    for (const socket of secure) socket.destroy();
  };
  let timer: NodeJS.Timeout | undefined;
  app.addHook('preClose', async () => {
    timer = setTimeout(drop, afterMs);
  });
  app.addHook('onClose', async () => clearTimeout(timer));
}

function nodeTimes({ headersTimeoutMs, requestTimeoutMs }: ServerTimes) {
  // A host that set requestTimeout alone has more for the head; node refuses to make a server of the two. 0 stays 0.
  const headersTimeout = requestTimeoutMs === 0 ? headersTimeoutMs : Math.min(headersTimeoutMs, requestTimeoutMs);
  const checkMs = headersTimeout === 0 ? maxCheckMs : Math.ceil(headersTimeout / 4);
  return {
    headersTimeout,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(maxCheckMs, checkMs),
  };
}

/** As Fastify makes its own, and known to `tls`. */
function secureServers(
  tls: ListenerTls,
  limits: ServerOptions,
): NonNullable<FastifyServerOptions<Server>['serverFactory']> {
  return (handler, options) => {
    const { keepAliveTimeout, requestTimeout, connectionTimeout = 0 } = options as FastifyServerOptions;
    // HTTP's time-outs begin after the handshake, for which node gives 120 s; where there is no limit it stays at that.
    const handshakeTimeout = limits.headersTimeout ?? 0;
    const server = createServer({ ...limits, handshakeTimeout, ...tls.options }, handler);
    if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout;
    if (requestTimeout !== undefined) server.requestTimeout = requestTimeout;
    server.setTimeout(connectionTimeout);
    tls.attach(server);
    return server;
  };
}
