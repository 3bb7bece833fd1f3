/** Which of the candidates gets the next pipe. Policies allocate nothing per pick and see only backends that may be chosen. */
import type { ResolvedOptions } from '../options.ts';
import { type Backend, hash32, mix32 } from './backend.ts';

export interface BalancingContext {
  readonly clientId: string;
  /** Monotonic ms. */
  readonly now: number;
  /** See Backend.effectiveWeight. */
  readonly slowStartMs: number;
}

export interface Balancer {
  /** One of `candidates`, which is not empty and only valid during the call. */
  pick(candidates: readonly Backend[], context: BalancingContext): Backend;
}

export type BalancerName = ResolvedOptions['pool']['balancing'];

/** @param random uniform in [0, 1). */
export function createBalancer(name: BalancerName, random: () => number): Balancer {
  switch (name) {
    case 'least-connections':
      return leastConnections(random);
    case 'round-robin':
      return roundRobin;
    case 'random-two':
      return randomTwo(random);
    case 'hash':
      return rendezvousHash;
  }
}

/** Load per weight with one pipe more; so that of idle backends the heavier is first, and one in slow start is not flooded. */
function loadOf(backend: Backend, context: BalancingContext): number {
  return (backend.connections + 1) / backend.effectiveWeight(context.now, context.slowStartMs);
}

function leastConnections(random: () => number): Balancer {
  return {
    pick(candidates, context) {
      let best = candidates[0]!;
      let least = loadOf(best, context);
      let tied = 1;
      for (let at = 1; at < candidates.length; at += 1) {
        const candidate = candidates[at]!;
        const load = loadOf(candidate, context);
        if (load > least) continue;
        tied = load < least ? 1 : tied + 1;
        // The k-th of those tied takes over with probability 1/k, which leaves each with the same chance.
        if (tied === 1 || random() * tied < 1) best = candidate;
        least = load;
      }
      return best;
    },
  };
}

/** Smooth weighted round-robin as in nginx (ngx_http_upstream_get_peer): 5:1:1 gives a a b a c a a, not a a a a a b c. */
const roundRobin: Balancer = {
  pick(candidates, { now, slowStartMs }) {
    let best = candidates[0]!;
    let total = 0;
    for (let at = 0; at < candidates.length; at += 1) {
      const candidate = candidates[at]!;
      const weight = candidate.effectiveWeight(now, slowStartMs);
      total += weight;
      candidate.rotation += weight;
      if (candidate.rotation > best.rotation) best = candidate;
    }
    best.rotation -= total;
    return best;
  },
};

/** Two different candidates drawn by weight; the one with the lower load per weight is taken. */
function randomTwo(random: () => number): Balancer {
  return {
    pick(candidates, context) {
      let total = 0;
      for (let at = 0; at < candidates.length; at += 1) {
        total += candidates[at]!.effectiveWeight(context.now, context.slowStartMs);
      }
      const first = draw(candidates, random() * total, null, context);
      if (candidates.length === 1) return first;
      const rest = total - first.effectiveWeight(context.now, context.slowStartMs);
      const second = draw(candidates, random() * rest, first, context);
      return loadOf(second, context) < loadOf(first, context) ? second : first;
    },
  };
}

/** The candidate, other than `skipped`, in whose stretch of the weights laid end to end `point` lies. */
function draw(
  candidates: readonly Backend[],
  point: number,
  skipped: Backend | null,
  context: BalancingContext,
): Backend {
  let last = candidates[0]!;
  for (let at = 0; at < candidates.length; at += 1) {
    const candidate = candidates[at]!;
    if (candidate === skipped) continue;
    last = candidate;
    point -= candidate.effectiveWeight(context.now, context.slowStartMs);
    if (point < 0) break;
  }
  return last;
}

/**
 * Weighted rendezvous hashing: score = -weight / ln(u) with u in (0, 1) from client and backend; the highest wins. A backend that
 * goes takes only its own clients along, one that comes takes only its share
 * (https://en.wikipedia.org/wiki/Rendezvous_hashing#Weighted_rendezvous_hash).
 */
const rendezvousHash: Balancer = {
  pick(candidates, { clientId, now, slowStartMs }) {
    const client = hash32(clientId);
    let best = candidates[0]!;
    let highest = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < candidates.length; at += 1) {
      const candidate = candidates[at]!;
      const uniform = (mix32(client ^ candidate.hashSeed) + 0.5) / 2 ** 32;
      const score = -candidate.effectiveWeight(now, slowStartMs) / Math.log(uniform);
      if (score > highest) {
        highest = score;
        best = candidate;
      }
    }
    return best;
  },
};
