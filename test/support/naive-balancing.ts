/** What each strategy promises, by looking at every candidate: slow, and plain enough to be right. The pool's strategies are compared with it. */
import type { Backend } from '../../src/pool/backend.ts';
import { hash32, mix32 } from '../../src/pool/hash.ts';

/** The lowest load per weight, with one connection more. */
export function leastLoaded(candidates: readonly Backend[]): Backend[] {
  const load = ({ connections, weight }: Backend): number => (connections + 1) / weight;
  const least = Math.min(...candidates.map(load));
  return candidates.filter((backend) => load(backend) === least);
}

/** Smooth weighted round-robin as in nginx (ngx_http_upstream_get_peer). `credits` goes from pick to pick. */
export function smoothTurn(candidates: readonly Backend[], credits: Map<Backend, number>): Backend {
  let total = 0;
  let best = candidates[0]!;
  for (const candidate of candidates) {
    total += candidate.weight;
    credits.set(candidate, (credits.get(candidate) ?? 0) + candidate.weight);
    if (credits.get(candidate)! > credits.get(best)!) best = candidate;
  }
  credits.set(best, credits.get(best)! - total);
  return best;
}

/** Each two different ones, drawn by weight without the first put back, and how likely it is that they are these and this one is taken. */
export function twoDrawn(candidates: readonly Backend[]): Map<Backend, number> {
  const chances = new Map<Backend, number>(candidates.map((backend) => [backend, 0]));
  const add = (backend: Backend, chance: number): void => {
    chances.set(backend, chances.get(backend)! + chance);
  };
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const load = ({ connections, weight }: Backend): number => (connections + 1) / weight;
  for (const first of candidates) {
    const chance = first.weight / total;
    if (candidates.length === 1) add(first, chance);
    for (const second of candidates) {
      if (second === first) continue;
      add(load(second) < load(first) ? second : first, (chance * second.weight) / (total - first.weight));
    }
  }
  return chances;
}

/** The backend of the first point on the ring at the client's place or behind it; 256 points for each unit of weight. */
export function nextOnRing(candidates: readonly Backend[], clientId: string): Backend {
  const place = hash32(clientId);
  let nearest = candidates[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const backend of candidates) {
    for (let n = 0; n < 256 * backend.weight; n += 1) {
      const distance = (mix32(backend.hashSeed + Math.imul(n, 0x9e3779b9)) - place + 2 ** 32) % 2 ** 32;
      if (distance >= least) continue;
      least = distance;
      nearest = backend;
    }
  }
  return nearest;
}
