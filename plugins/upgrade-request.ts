/** What is read of an upgrade request, and what ws is shown of it. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HandshakeInvalid, UpgradeRequired } from '../src/errors.ts';
import { hasHiddenHeaders } from '../src/link/plain-requests.ts';
import { type ClientRequest, forwardedHeaders } from '../src/pipe/client-request.ts';
import { checkRequest } from '../src/wire/handshake.ts';
import { addressOf } from './request-address.ts';

/** The raw socket of an upgrade; with injectWS a plain Duplex. @throws HOLDFAST_ERR_UPGRADE_REQUIRED */
export function upgradingSocket(request: FastifyRequest, reply: FastifyReply): Duplex {
  if (!request.ws || reply.raw.socket === null) throw new UpgradeRequired();
  return reply.raw.socket;
}

/** A reset, or a FIN: the client cannot want the answer any more. */
export function isGone(socket: Duplex): boolean {
  return socket.destroyed || socket.readableEnded;
}

/** @returns the offered subprotocols. @throws HOLDFAST_ERR_HANDSHAKE */
export function checkHandshake(request: FastifyRequest, reply: FastifyReply): readonly string[] {
  // As node does from version 24 on.
  if (hasHiddenHeaders(request.raw, request.server.server))
    throw refusal(431, 'it has as many headers as are read, or more (maxHeadersCount of the server)');
  const checked = checkRequest(request.raw);
  if (!('statusCode' in checked)) return checked;
  if (checked.statusCode === 426) reply.header('sec-websocket-version', '13');
  throw refusal(checked.statusCode, checked.detail);
}

function refusal(statusCode: number, detail: string): Error {
  return Object.assign(new HandshakeInvalid(detail), { statusCode });
}

/** ws answers what is left: no compression, whatever the host set, and the one subprotocol that was agreed. */
export function narrowHandshake(request: IncomingMessage, protocol: string): void {
  delete request.headers['sec-websocket-extensions'];
  if (protocol === '') delete request.headers['sec-websocket-protocol'];
  else request.headers['sec-websocket-protocol'] = protocol;
}

/** What was found out of a client before its request is described. */
export interface KnownOfClient {
  readonly decided: Pick<ClientRequest, 'clientId' | 'clientIdGiven' | 'principal'>;
  readonly target: Pick<ClientRequest, 'suffix' | 'query'>;
  readonly protocols: readonly string[];
}

/** Client and forwarding headers. What X-Forwarded-* says already counts only where the host trusts the proxy that said it. */
export function describe(request: FastifyRequest, known: KnownOfClient): ClientRequest {
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
  const { clientId, clientIdGiven, principal } = known.decided;
  const { suffix, query } = known.target;
  // No spread: objects made by one have a hidden class each, which takes more memory than they do.
  return { clientId, clientIdGiven, clientIp, principal, origin, suffix, query, protocols: known.protocols, headers };
}
