/** The strategies by name. */
import type { ResolvedOptions } from '../options.ts';
import type { Balancer } from './balancer.ts';
import { HashRing } from './hash-ring.ts';
import { LeastConnections } from './least-connections.ts';
import { RandomTwo } from './random-two.ts';
import { RoundRobin } from './round-robin.ts';

export type BalancerName = ResolvedOptions['pool']['balancing'];

/** @param random uniform in [0, 1). */
export function createBalancer(name: BalancerName, random: () => number): Balancer {
  switch (name) {
    case 'least-connections':
      return new LeastConnections(random);
    case 'round-robin':
      return new RoundRobin();
    case 'random-two':
      return new RandomTwo(random);
    case 'hash':
      return new HashRing();
  }
}
