/** Where a request came from. */
import type { FastifyRequest } from 'fastify';
import { addressIn } from '../src/limits/address-key.ts';

/**
 * By trustProxy, without a port. Whom a trusted proxy names by anything else than an address counts as the proxy itself.
 * @returns '' where nobody knows: a Unix socket, or a request that the host made up.
 */
export function addressOf(request: FastifyRequest): string {
  const socket = request.raw.socket as typeof request.raw.socket | undefined;
  // With injectWS there is none, and Fastify cannot say where it comes from.
  if (socket === undefined) return '';
  return addressIn((request.ip as string | undefined) ?? '') || (socket.remoteAddress ?? '');
}
