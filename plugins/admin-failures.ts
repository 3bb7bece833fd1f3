/** Counts wrong tokens per address, so that nobody can guess on. Right ones are not counted, and other addresses do not matter. */
import type { FastifyRequest } from 'fastify';
import { addressKey } from '../src/limits/address-key.ts';
import { FailedTries, type Turn } from '../src/limits/failed-tries.ts';
import { addressOf } from './request-address.ts';

/** IPv6 counts by /64. */
const prefixBits = 64;

/** The address, as a name: who comes by a Unix socket has none. */
export function callerOf(request: FastifyRequest): string {
  return addressOf(request) || 'local';
}

export interface FailureLimit {
  /** @returns the turn of this caller; or seconds that it has to wait, since it failed too often. */
  begin(request: FastifyRequest): Promise<Turn | number>;
}

/** @param max failures within windowMs; 0 = no limit. The address is that of `addressOf`, so trustProxy counts. */
export function createFailureLimit(max: number, windowMs: number): FailureLimit {
  if (max === 0) return { begin: async () => ({ end: () => {} }) };
  const tries = new FailedTries(max, windowMs);
  return {
    begin: async (request) => {
      const caller = callerOf(request);
      const turn = await tries.begin(addressKey(caller, prefixBits) || caller);
      return typeof turn === 'number' ? Math.max(1, Math.ceil(turn / 1000)) : turn;
    },
  };
}
