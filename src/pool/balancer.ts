/** What every strategy of balancing does: it keeps its candidates in an order of its own, so that a pick need not look at all of them. */
import type { Backend } from './backend.ts';

export interface BalancingContext {
  readonly clientId: string;
  /** Ids of backends not to take this time; few. */
  readonly exclude: Pick<ReadonlySet<string>, 'has'> | undefined;
}

export interface Balancer {
  /** One that was no candidate is one now. @param weight what counts now, see Backend.effectiveWeight. */
  add(backend: Backend, weight: number): void;
  /** A candidate is none any more, for a while. */
  delete(backend: Backend): void;
  /** The load or the weight of a candidate has changed. */
  changed(backend: Backend, weight: number): void;
  /** It has left the pool; it need not be a candidate. */
  forget(backend: Backend): void;
  /** One of the candidates; null = none, or all are excluded. */
  pick(context: BalancingContext): Backend | null;
}
