/**
 * Routes that serve no WebSocket refuse an upgrade. @fastify/websocket would accept it, close, and wait half a minute for the answer:
 * no limit counts such a connection, and what it sends meanwhile lies in memory, up to 100 MiB, without any token.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HandshakeInvalid } from '../src/errors.ts';

/** For the option `onRequest` of one route. @throws HOLDFAST_ERR_HANDSHAKE */
export async function refuseUpgrade(request: FastifyRequest): Promise<void> {
  if (request.ws === true) throw new HandshakeInvalid('there is no WebSocket at this address');
}

/** For all routes that this scope, and those inside it, get from now on. */
export function refuseUpgrades(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    if (route.wsHandler !== undefined || route.websocket === true) return;
    route.onRequest = [...[route.onRequest ?? []].flat(), refuseUpgrade];
  });
}
