/**
 * The WebSocket route of the clients: everything between Fastify and the PipeManager. The handshake is checked and a backend dialled
 * in preValidation, before the upgrade; in the handler the socket is taken over and Fastify has no further part in it.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import fp from 'fastify-plugin';
import { answerAndEnd } from '../routes/broken-request.ts';
import { forCaller, handleError } from '../routes/error-answer.ts';
import {
  BackendRefused,
  ClientGone,
  ClientIdInUse,
  ClientUnauthenticated,
  GatewayClosing,
  HandshakeInvalid,
  NoBackendInTime,
  TooManyHandshakes,
  UpgradeRequired,
  WebsocketRegisteredTwice,
} from '../src/errors.ts';
import { isRefusal } from '../src/limits/refusal.ts';
import { Tarpit } from '../src/limits/tarpit.ts';
import { ownedBy, releaseUpgrade, type TakenWebSocket, takeOver, upgradeListeners } from '../src/link/accept.ts';
import { hasAsked, screenConnections, whenEndedUnasked } from '../src/link/connections.ts';
import { boundKeyUpdates } from '../src/link/key-updates.ts';
import { boundPipelining, readAllHeaders } from '../src/link/plain-requests.ts';
import { turns } from '../src/link/turns.ts';
import { queueUpgrades } from '../src/link/upgrade-queue.ts';
import { type ClientRequest, suffixOf } from '../src/pipe/client-request.ts';
import type { PersistentPipe } from '../src/pipe/persistent-pipe.ts';
import type { PipeManager } from '../src/pipe/pipe-manager.ts';
import { resumeProtocol } from '../src/wire/resume.ts';
import { Arrival } from './arrival.ts';
import { ClientConnection } from './client-connection.ts';
import { ClientDecision } from './client-decision.ts';
import { logSerializers } from './log-serializers.ts';
import { addressOf } from './request-address.ts';
import { checkHandshake, describe, isGone, narrowHandshake, upgradingSocket } from './upgrade-request.ts';
import { registerWebsocket } from './websocket-registration.ts';

export interface GatewayPluginOptions {
  readonly manager: PipeManager;
}

/** An upgrade between preValidation and the handler. */
interface PendingUpgrade {
  /** Null = a client of holdfast.v1, which says what it wants after its upgrade. */
  readonly pipe: PersistentPipe | null;
  readonly client: ClientRequest;
  /** Told to the client; '' = none. */
  protocol: string;
  readonly arrival: Arrival;
}

/** Connections that were dropped and are kept unread, at most, and for how long. */
const tarpitMost = 1000;
const tarpitMs = 1000;

const otherMethods: HTTPMethods[] = ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

async function gateway(app: FastifyInstance, { manager }: GatewayPluginOptions): Promise<void> {
  const { options } = manager;
  const pending = new WeakMap<IncomingMessage, PendingUpgrade>();
  const decision = new ClientDecision(manager);

  if (!app.hasDecorator('websocketServer')) await registerWebsocket(app);
  const answers = queueUpgrades(app.server, {
    most: options.limits.handshakeBurst,
    tooMany: (socket) => turnAway(socket as Socket),
    answerMs: options.closing.handshakeMs,
    notTaken: (socket) => manager.tally.hit('close-time', { clientIp: direct ? (socket.remoteAddress ?? '') : '' }),
  });
  app.addHook('onReady', async () => {
    if (upgradeListeners(app.server).length > 1) throw new WebsocketRegisteredTwice();
  });

  // With trustProxy all connections are those of proxies; nothing but a request says so.
  let direct = false;
  const turnAway = (socket: Socket): void => {
    const error = new TooManyHandshakes();
    const clientIp = direct ? (socket.remoteAddress ?? '') : '';
    manager.tally.hit('handshakes', { clientIp });
    manager.events.emit('pipe.refused', { clientIp, statusCode: 503, code: error.code });
    answerAndEnd(socket, error, ['Retry-After: 1']);
  };
  readAllHeaders(app.server);
  boundPipelining(app.server, {
    most: options.limits.maxPipelinedRequests,
    over: ({ remoteAddress = '' }) => manager.admission.pipelinedTooMuch(direct ? remoteAddress : ''),
  });
  const tarpit = new Tarpit({ most: tarpitMost, holdMs: tarpitMs });
  if (options.limits.dropConnections) {
    app.server.on('request', ({ socket }: IncomingMessage) => hasAsked(socket));
    screenConnections(app.server, (socket) => {
      // Asked for now, it is known when the connection has ended.
      const { remoteAddress = '' } = socket;
      if (direct && manager.admission.dropsConnection(remoteAddress)) {
        tarpit.take(socket);
        return false;
      }
      whenEndedUnasked(socket, () => {
        if (direct) manager.admission.connectionEndedUnasked(remoteAddress);
      });
      return true;
    });
  }

  // The last word on the answer's headers, whatever handleProtocols of the host says.
  app.websocketServer.on('headers', (headers: string[], request: IncomingMessage) => {
    const upgrade = pending.get(request);
    if (upgrade === undefined) return;
    // A backend may have answered after the wait, while a hook of the host was at work.
    upgrade.protocol = upgrade.pipe?.agreedProtocol ?? upgrade.protocol;
    const kept = headers.filter((line) => !/^sec-websocket-(protocol|extensions):/i.test(line));
    headers.splice(0, headers.length, ...kept);
    if (upgrade.protocol !== '') headers.push(`Sec-WebSocket-Protocol: ${upgrade.protocol}`);
  });

  const route = options.path === '/' ? '' : options.path.replace(/\/$/, '');
  const depth = `${app.prefix}${route}`.split('/').length - 1;

  const refused = (request: FastifyRequest, reply: FastifyReply, error: unknown, clientId?: string): void => {
    const { statusCode = 500, code } = forCaller(forClient(error));
    manager.events.emit('pipe.refused', {
      clientIp: addressOf(request),
      statusCode,
      code,
      ...(clientId === undefined ? {} : { clientId }),
    });
    if (isRefusal(error)) reply.header('retry-after', String(Math.ceil(error.retryAfterMs / 1000)));
    else if (statusCode === 503) reply.header('retry-after', '1');
    // RFC 9110 section 15.5.2: a 401 says how to do better. The host's hook may have said so itself.
    if (statusCode === 401 && !reply.hasHeader('www-authenticate'))
      reply.header('www-authenticate', 'Bearer realm="holdfast"');
    // RFC 9113 section 8.2.2: HTTP/2 has neither header, and node throws for them.
    if (request.raw.httpVersionMajor >= 2) return;
    // RFC 9110 section 15.5.22: a 426 names the protocol.
    if (statusCode === 426) reply.header('upgrade', 'websocket');
    // A refused upgrade is the last thing on its connection, as is what asks for it (RFC 9112 section 9.6).
    const last = request.ws || /(^|,)\s*close\s*(,|$)/i.test(request.headers.connection ?? '');
    const connection = [...(statusCode === 426 ? ['Upgrade'] : []), ...(last ? ['close'] : [])];
    if (connection.length > 0) reply.header('connection', connection.join(', '));
  };

  /** Counts it, whatever is in it. @throws a Refusal. */
  const knock = (request: FastifyRequest): void => {
    direct = request.ips === undefined;
    manager.admission.knock(addressOf(request));
  };

  const preValidation = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    let arrival: Arrival | null = null;
    let clientId: string | undefined;
    try {
      const socket = upgradingSocket(request, reply);
      // On a server of the host's nobody has done so before.
      boundKeyUpdates(socket);
      knock(request);
      const protocols = checkHandshake(request, reply);
      const target = suffixOf(request.raw.url ?? '/', depth);
      if (target === null) throw new HandshakeInvalid('the path has a dot segment or a control character');
      const { admission } = manager;
      const slot = admission.enter(addressOf(request), protocols.includes(resumeProtocol));
      arrival = new Arrival(socket, slot, admission.closures.watch());
      const decided = await decision.decide(request, socket);
      clientId = decided.clientId;
      if (arrival.watch.orderFor(decided.principal) !== null) throw new ClientUnauthenticated();
      if (!isGone(socket)) await admit(request, arrival, describe(request, { decided, target, protocols }));
      if (isGone(socket)) throw new ClientGone();
    } catch (error) {
      arrival?.leave();
      refused(request, reply, error, clientId);
      // Of one that is gone ws sees it too, and calls no handler.
      if (!(error instanceof ClientGone)) throw error;
    }
  };

  /** Waits for the first backend. @throws what the client is told instead of 101. */
  const admit = async (request: FastifyRequest, arrival: Arrival, client: ClientRequest): Promise<void> => {
    const settled = (pipe: PersistentPipe | null, protocol: string, one = client): void => {
      pending.set(request.raw, { arrival, pipe, client: one, protocol });
      narrowHandshake(request.raw, protocol);
    };
    if (client.protocols.includes(resumeProtocol)) {
      const protocols = client.protocols.filter((one) => one !== resumeProtocol);
      settled(null, resumeProtocol, { ...client, protocols });
      return;
    }
    const pipe = manager.admission.admit(client, arrival.slot);
    arrival.pipe = pipe;
    const answer = await manager.admission.connect(pipe);
    if (arrival.isGone) return;
    if (answer.kind === 'attached') {
      // Backends' answers come many at once as well, and what is left to do is as much as the beginning was.
      await turns.waitToFinish();
      if (arrival.isGone) return;
      settled(pipe, answer.protocol);
    } else if (answer.kind === 'waiting' && client.protocols.length < 2) {
      settled(pipe, client.protocols[0] ?? '');
    } else {
      if (answer.kind === 'waiting') throw new NoBackendInTime(options.failover.handshakeWaitMs);
      if (arrival.watch.orderFor(client.principal) !== null) throw new ClientUnauthenticated();
      // Closed before it began: by the end of the gateway, or by a newer client that took its place.
      if (answer.kind === 'gone') throw manager.closing ? new GatewayClosing() : new ClientIdInUse(client.clientId);
      const refused = new BackendRefused(answer.statusCode);
      refused.statusCode = answer.statusCode;
      throw refused;
    }
  };

  const handler = (ws: unknown, request: FastifyRequest): void => {
    const upgrade = pending.get(request.raw);
    if (upgrade === undefined) throw new Error('a WebSocket without a pipe');
    pending.delete(request.raw);
    const { pipe, client, protocol, arrival } = upgrade;
    const socket = takeOver(ws as TakenWebSocket);
    arrival.done();
    releaseUpgrade(request.raw, socket);
    const greeting = pipe === null ? manager.admission.greet(socket, client, arrival.slot) : null;
    ownedBy(ws as TakenWebSocket, new ClientConnection(socket, pipe, greeting));
    pipe?.attachClient(socket, protocol);
    const closed = arrival.watch.orderFor(client.principal);
    if (closed !== null) greeting?.close(closed.code, closed.text ?? '');
  };

  for (const url of route === '' ? ['/', '/*'] : [route, `${route}/*`]) {
    app.route({
      method: 'GET',
      url,
      // Fastify would add a HEAD route, which makes no sense here.
      exposeHeadRoute: false,
      logSerializers: logSerializers(app),
      preValidation,
      errorHandler: handleClientError,
      handler: () => {
        throw new UpgradeRequired();
      },
      wsHandler: handler,
    });
    app.route({
      method: otherMethods.filter((method) => !app.hasRoute({ method, url: `${app.prefix}${url}` })),
      url,
      schema: { hide: true },
      logSerializers: logSerializers(app),
      // Before the body, whatever it is, is looked at.
      onRequest: async (request, reply) => {
        try {
          if (request.ws) knock(request);
          const invalid = new HandshakeInvalid(`the method is ${request.method}, not GET`);
          invalid.statusCode = 405;
          reply.header('allow', 'GET');
          throw invalid;
        } catch (error) {
          refused(request, reply, error);
          throw error;
        }
      },
      errorHandler: handleClientError,
      handler: () => {},
    });
  }

  app.addHook('preClose', async () => {
    await manager.close();
    tarpit.dispose();
    app.websocketServer.close();
    answers?.end();
  });
  app.addHook('onClose', async () => answers?.dispose());
}

/** A 401 of the host without a code of its own gets that of the clients: HOLDFAST_ERR_UNAUTHORIZED is about the admin token. */
function forClient(thrown: unknown): unknown {
  const { code, message } = forCaller(thrown);
  return code === 'HOLDFAST_ERR_UNAUTHORIZED' ? Object.assign(new ClientUnauthenticated(), { message }) : thrown;
}

function handleClientError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return handleError(forClient(thrown), request, reply);
}

export default fp(gateway, { fastify: '5.x', name: 'holdfast-gateway' });
