/** Counts wrong tokens per address, so that nobody can guess on. Right ones are not counted, and other addresses do not matter. */
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import Fastify, { type FastifyRequest } from 'fastify';
import { addressOf } from './request-address.ts';

/** The address, as a name: who comes by a Unix socket has none. */
export function callerOf(request: FastifyRequest): string {
  return addressOf(request) || 'local';
}

export interface FailureLimit {
  /** Seconds this caller has to wait; 0 = it may try. */
  waitSeconds(request: FastifyRequest): Promise<number>;
  count(request: FastifyRequest): Promise<void>;
}

/** Addresses remembered; those that failed longest ago are forgotten first. IPv6 counts by /64. */
const maxAddresses = 5000;

/** @param max failures within windowMs; 0 = no limit. The address is that of `addressOf`, so trustProxy counts. */
export async function createFailureLimit(max: number, windowMs: number): Promise<FailureLimit> {
  if (max === 0) return { waitSeconds: async () => 0, count: async () => {} };
  // In an app of its own: in that of the host, its own registration would be taken, with its settings and its store.
  const app = Fastify();
  const keyGenerator = (request: FastifyRequest): string => normalizeIP(callerOf(request));
  await app.register(rateLimit, { global: false, max, timeWindow: windowMs, cache: maxAddresses, keyGenerator });
  await app.ready();
  const limit = app.createRateLimit();
  return {
    waitSeconds: async (request) => {
      const state = await limit(request, { increment: false });
      return state.isAllowed || state.remaining > 0 ? 0 : Math.max(1, state.ttlInSeconds);
    },
    count: async (request) => {
      await limit(request);
    },
  };
}
