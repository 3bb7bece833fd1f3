/**
 * The WebSocket route of the clients: everything between Fastify and the PipeManager. The handshake is checked and a backend dialled
 * in preValidation, before the upgrade; in the handler the socket is taken over and Fastify has no further part in it.
 */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import websocket from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import fp from 'fastify-plugin';
import { forCaller, handleError } from '../routes/error-answer.ts';
import {
  BackendRefused,
  ClientGone,
  ClientIdInUse,
  ClientIdInvalid,
  GatewayClosing,
  HandshakeInvalid,
  NoBackendInTime,
  UpgradeRequired,
  WebsocketRegisteredTwice,
} from '../src/errors.ts';
import {
  countUpgradeListeners,
  endWhenAnswered,
  releaseUpgrade,
  type TakenWebSocket,
  takeOver,
} from '../src/link/accept.ts';
import { type ClientRequest, forwardedHeaders, suffixOf } from '../src/pipe/client-request.ts';
import type { Greeting } from '../src/pipe/greeting.ts';
import type { PersistentPipe } from '../src/pipe/persistent-pipe.ts';
import type { PipeManager } from '../src/pipe/pipe-manager.ts';
import { closeCode } from '../src/wire/close-codes.ts';
import { checkRequest } from '../src/wire/handshake.ts';
import { resumeProtocol } from '../src/wire/resume.ts';
import { logSerializers } from './log-serializers.ts';
import { refuseUpgrades } from './no-upgrade.ts';

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
  readonly abandon: () => void;
}

/** What a client that was turned away for now is told to wait, seconds. */
const retryAfterSeconds = '1';
const otherMethods: HTTPMethods[] = ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

async function gateway(app: FastifyInstance, { manager }: GatewayPluginOptions): Promise<void> {
  const { options } = manager;
  const pending = new WeakMap<IncomingMessage, PendingUpgrade>();

  if (!app.hasDecorator('websocketServer')) await registerWebsocket(app);
  app.server.on('upgrade', endWhenAnswered);
  app.addHook('onReady', async () => {
    if (countUpgradeListeners(app.server) > 1) throw new WebsocketRegisteredTwice();
  });

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
    const { statusCode = 500, code } = forCaller(error);
    manager.events.emit('pipe.refused', {
      ...(clientId === undefined ? {} : { clientId }),
      clientIp: addressOf(request),
      statusCode,
      code,
    });
    if (statusCode === 503) reply.header('retry-after', retryAfterSeconds);
    // RFC 9110 section 15.5.22: a 426 names the protocol.
    if (statusCode === 426) reply.header('upgrade', 'websocket');
    // A refused upgrade is the last thing on its connection.
    const connection = [...(statusCode === 426 ? ['Upgrade'] : []), ...(request.ws ? ['close'] : [])];
    if (connection.length > 0) reply.header('connection', connection.join(', '));
  };

  const preValidation = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    let clientId: string | undefined;
    try {
      const socket = upgradingSocket(request, reply);
      const protocols = checkHandshake(request, reply);
      const target = suffixOf(request.raw.url ?? '/', depth);
      if (target === null) throw new HandshakeInvalid('the path has a dot segment');
      clientId = await clientIdOf(request, options.hooks.clientId);
      const given = options.hooks.clientId !== undefined || 'clientId' in (request.params as object);
      if (!isGone(socket))
        await admit(request, socket, describe(request, { clientId, clientIdGiven: given, ...target, protocols }));
      // ws sees it too, and calls no handler.
      if (isGone(socket)) refused(request, reply, new ClientGone(), clientId);
    } catch (error) {
      refused(request, reply, error, clientId);
      throw error;
    }
  };

  /** Takes a slot and waits for the first backend. @throws what the client is told instead of 101. */
  const admit = async (request: FastifyRequest, socket: Duplex, client: ClientRequest): Promise<void> => {
    if (client.protocols.includes(resumeProtocol)) {
      manager.checkGreeting();
      const protocols = client.protocols.filter((one) => one !== resumeProtocol);
      pending.set(request.raw, {
        pipe: null,
        client: { ...client, protocols },
        protocol: resumeProtocol,
        abandon: () => {},
      });
      narrowHandshake(request.raw, resumeProtocol);
      return;
    }
    const pipe = manager.admit(client);
    const abandon = (): void => pipe.abandon();
    // A reset or FIN in a hook: the handler never runs, and no other hook does.
    socket.once('close', abandon).once('end', abandon);
    const answer = await pipe.connect(options.failover.handshakeWaitMs);
    if (isGone(socket)) {
      pipe.abandon();
      return;
    }
    if (answer.kind === 'attached') {
      pending.set(request.raw, { pipe, client, protocol: answer.protocol, abandon });
    } else if (answer.kind === 'waiting' && client.protocols.length < 2) {
      pending.set(request.raw, { pipe, client, protocol: client.protocols[0] ?? '', abandon });
    } else {
      pipe.abandon();
      if (answer.kind === 'waiting') throw new NoBackendInTime(options.failover.handshakeWaitMs);
      // Closed before it began: by the end of the gateway, or by a newer client that took its place.
      if (answer.kind === 'gone') throw manager.closing ? new GatewayClosing() : new ClientIdInUse(client.clientId);
      const refused = new BackendRefused(answer.statusCode);
      refused.statusCode = answer.statusCode;
      throw refused;
    }
    narrowHandshake(request.raw, pending.get(request.raw)?.protocol ?? '');
  };

  const handler = (ws: unknown, request: FastifyRequest): void => {
    const upgrade = pending.get(request.raw);
    if (upgrade === undefined) throw new Error('a WebSocket without a pipe');
    pending.delete(request.raw);
    const { pipe, client, protocol, abandon } = upgrade;
    let greeting: Greeting | null = null;
    const socket = takeOver(ws as TakenWebSocket, {
      close: (code, text) => {
        const target = pipe ?? greeting?.pipe;
        if (target) target.close({ code, text, reason: 'shutdown', initiator: 'gateway' });
        else greeting?.close(code, text);
      },
      terminate: () => {
        const target = pipe ?? greeting?.pipe;
        if (target) target.terminate({ code: closeCode.abnormal, reason: 'shutdown', initiator: 'gateway' });
        else greeting?.close(closeCode.goingAway, '');
      },
    });
    socket.off('close', abandon).off('end', abandon);
    releaseUpgrade(request.raw, socket);
    if (pipe === null) greeting = manager.greet(socket, client);
    else pipe.attachClient(socket, protocol);
  };

  for (const url of route === '' ? ['/', '/*'] : [route, `${route}/*`]) {
    app.route({
      method: 'GET',
      url,
      // Fastify would add a HEAD route, which makes no sense here.
      exposeHeadRoute: false,
      logSerializers: logSerializers(app),
      preValidation,
      errorHandler: handleError,
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
        const invalid = new HandshakeInvalid(`the method is ${request.method}, not GET`);
        invalid.statusCode = 405;
        reply.header('allow', 'GET');
        refused(request, reply, invalid);
        throw invalid;
      },
      errorHandler: handleError,
      handler: () => {},
    });
  }

  app.addHook('preClose', async () => {
    await manager.close();
    app.websocketServer.close();
  });
}

/** The raw socket of an upgrade; with injectWS a plain Duplex. @throws HOLDFAST_ERR_UPGRADE_REQUIRED */
function upgradingSocket(request: FastifyRequest, reply: FastifyReply): Duplex {
  if (!request.ws || reply.raw.socket === null) throw new UpgradeRequired();
  return reply.raw.socket;
}

/** A reset, or a FIN: the client cannot want the answer any more. */
function isGone(socket: Duplex): boolean {
  return socket.destroyed || socket.readableEnded;
}

/**
 * Our registration leaves closing to the manager, which spreads it; a host's own is used as it is. There may be another one, of
 * a second gateway or of the host, in a scope beside ours: then that one's listener on the server serves both.
 */
async function registerWebsocket(app: FastifyInstance): Promise<void> {
  const served = countUpgradeListeners(app.server) > 0;
  await app.register(websocket, {
    preClose: (done) => done(),
    ...(served ? { options: { server: new EventEmitter() as unknown as Server } } : {}),
  });
  refuseUpgrades(app);
  // A registration after ours would throw where Fastify cannot catch it and end the process: it is let through, and told at the start.
  let twice = false;
  const tolerate = (method: 'decorate' | 'decorateRequest', names: readonly unknown[]): void => {
    const original = app[method] as (...args: unknown[]) => unknown;
    const tolerant = function (this: FastifyInstance, ...args: unknown[]): unknown {
      try {
        return original.apply(this, args);
      } catch (error) {
        if (!names.includes(args[0])) throw error;
        twice = true;
        return this;
      }
    };
    Object.assign(app, { [method]: tolerant });
  };
  tolerate('decorateRequest', ['ws']);
  tolerate('decorate', ['websocketServer', 'injectWS']);
  app.addHook('onReady', async () => {
    if (twice) throw new WebsocketRegisteredTwice();
  });
}

/** @returns the offered subprotocols. @throws HOLDFAST_ERR_HANDSHAKE */
function checkHandshake(request: FastifyRequest, reply: FastifyReply): readonly string[] {
  const checked = checkRequest(request.raw);
  if (!('statusCode' in checked)) return checked;
  if (checked.statusCode === 426) reply.header('sec-websocket-version', '13');
  const invalid = new HandshakeInvalid(checked.detail);
  invalid.statusCode = checked.statusCode;
  throw invalid;
}

/** ws answers what is left: no compression, whatever the host set, and the one subprotocol that was agreed. */
function narrowHandshake(request: IncomingMessage, protocol: string): void {
  delete request.headers['sec-websocket-extensions'];
  if (protocol === '') delete request.headers['sec-websocket-protocol'];
  else request.headers['sec-websocket-protocol'] = protocol;
}

async function clientIdOf(
  request: FastifyRequest,
  own: ((request: FastifyRequest) => string | Promise<string>) | undefined,
): Promise<string> {
  const named = (request.params as { clientId?: string }).clientId;
  const clientId: unknown = own === undefined ? (named ?? randomUUID()) : await own(request);
  if (typeof clientId !== 'string') throw new ClientIdInvalid(`it is ${clientId === null ? 'null' : typeof clientId}`);
  if (!/^[^\p{Cc}\p{Cs}]{1,256}$/u.test(clientId))
    throw new ClientIdInvalid('it is empty, too long, or has control characters');
  return clientId;
}

/** With injectWS there is no address. */
function addressOf(request: FastifyRequest): string {
  return request.raw.socket === undefined ? '' : (request.ip ?? '');
}

/** Client and forwarding headers. What X-Forwarded-* says already counts only where the host trusts the proxy that said it. */
function describe(
  request: FastifyRequest,
  known: Pick<ClientRequest, 'clientId' | 'clientIdGiven' | 'suffix' | 'query' | 'protocols'>,
): ClientRequest {
  const clientIp = addressOf(request);
  const injected = request.raw.socket === undefined;
  // Nearest first: the peer, and whom it names if the host trusts it.
  const chain = injected ? [] : (request.ips ?? []);
  const headers = forwardedHeaders(request.raw.headers, {
    for: chain.length === 0 ? clientIp : [...chain].reverse().join(', '),
    proto: injected ? 'http' : (request.protocol ?? 'http'),
    host: request.host ?? '',
    trusted: chain.length > 1,
  });
  const origin = request.raw.headers.origin ?? '';
  const { clientId, clientIdGiven, suffix, query, protocols } = known;
  // No spread: objects made by one have a hidden class each, which takes more memory than they do.
  return { clientId, clientIdGiven, clientIp, origin, suffix, query, protocols, headers };
}

export default fp(gateway, { fastify: '5.x', name: 'holdfast-gateway' });
