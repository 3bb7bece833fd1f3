/**
 * The pipes that a drain or a rebalance moves. One that was refused everywhere stays where it is for a while, longer each time, as a
 * failover would wait; a backend that comes or recovers ends the wait, at most once a second: one that takes everyone but
 * this pipe recovers each time that somebody else connects.
 */
import type { BackoffFunction } from '../hooks.ts';
import type { MigrationOrder } from './migration.ts';
import type { PersistentPipe } from './persistent-pipe.ts';

export interface MovesContext {
  readonly wheel: { now(): number };
  readonly pool: { readonly comeback: number };
  readonly backoff: BackoffFunction;
}

/** Between two times that the rest of one pipe is cut short, milliseconds. */
const cutMs = 1000;

interface Rest {
  readonly failures: number;
  readonly until: number;
  /** When the rest of this pipe was last cut short; -Infinity = never. */
  readonly cutAt: number;
  /** That of the pool when the last try began. */
  readonly comeback: number;
}

export class Moves {
  readonly #context: MovesContext;
  readonly #underWay = new Set<PersistentPipe>();
  readonly #rests = new WeakMap<PersistentPipe, Rest>();

  constructor(context: MovesContext) {
    this.#context = context;
  }

  /** How many are under way. */
  get size(): number {
    return this.#underWay.size;
  }

  has(pipe: PersistentPipe): boolean {
    return this.#underWay.has(pipe);
  }

  mayBegin(pipe: PersistentPipe): boolean {
    if (this.has(pipe) || pipe.state !== 'open' || pipe.migrating) return false;
    const rest = this.#rests.get(pipe);
    if (rest === undefined) return true;
    const { wheel, pool } = this.#context;
    const now = wheel.now();
    return now >= rest.until || (rest.comeback !== pool.comeback && now - rest.cutAt >= cutMs);
  }

  begin(pipe: PersistentPipe, order: MigrationOrder, moved: () => void): void {
    const { wheel, pool, backoff } = this.#context;
    const { comeback } = pool;
    const {
      failures: before = 0,
      until = 0,
      cutAt: cutBefore = Number.NEGATIVE_INFINITY,
    } = this.#rests.get(pipe) ?? {};
    const now = wheel.now();
    const cutAt = now < until ? now : cutBefore;
    this.#underWay.add(pipe);
    pipe.migrate(order, (outcome) => {
      this.#underWay.delete(pipe);
      if (outcome === 'moved') moved();
      if (outcome !== 'failed') return;
      const failures = before + 1;
      this.#rests.set(pipe, { failures, until: wheel.now() + backoff(failures), cutAt, comeback });
    });
  }
}
