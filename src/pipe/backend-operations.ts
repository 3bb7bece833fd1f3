/** What an operator does to a backend that has live pipes: drains, rebalances, removal. At most one of each kind per backend. */
import { BackendDiscovered, BackendDraining } from '../errors.ts';
import type { TimerWheel } from '../heartbeat/wheel.ts';
import type { BackoffFunction } from '../hooks.ts';
import type { EventStream } from '../observe/events.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Backend } from '../pool/backend.ts';
import type { BackendPool, RemovalCause } from '../pool/backend-pool.ts';
import type { AdminState, RemovalMode } from '../pool/settings.ts';
import { Drain, type DrainContext } from './drain.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import { Rebalance, type RebalanceContext } from './rebalance.ts';

export interface BackendChange {
  readonly weight?: number;
  /** Null = no limit. */
  readonly maxConnections?: number | null;
  readonly adminState?: AdminState;
}

export interface BackendRemoval {
  readonly mode: RemovalMode;
  /** When what has not moved fails over. Default drain.timeoutMs. */
  readonly timeoutMs?: number;
  /** Who wants it. Default operator. */
  readonly cause?: Exclude<RemovalCause, 'max-errors'>;
}

interface DrainOrder {
  readonly remove: boolean;
  readonly timeoutMs?: number | undefined;
  readonly cause?: BackendRemoval['cause'];
}

export interface BackendOperationsContext {
  readonly options: ResolvedOptions;
  readonly wheel: TimerWheel;
  readonly events: EventStream;
  readonly pool: BackendPool;
  readonly backoff: BackoffFunction;
  readonly registry: { attached(backend: Backend): PersistentPipe[] };
}

export class BackendOperations {
  readonly #context: BackendOperationsContext;
  readonly #drains = new Map<string, Drain>();
  readonly #rebalances = new Map<string, Rebalance>();

  constructor(context: BackendOperationsContext) {
    this.#context = context;
    // Whoever is still attached fails over now.
    context.pool.onRemoved = (backend) => {
      for (const pipe of context.registry.attached(backend)) pipe.interrupt('removed');
    };
  }

  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  update(id: string, change: BackendChange): Backend {
    const { pool } = this.#context;
    const before = pool.get(id).adminState;
    const backend = pool.update(id, change);
    if (change.adminState !== undefined && change.adminState !== before) {
      this.#endDrain(id);
      if (change.adminState === 'draining') this.#drain(backend, { remove: false });
    }
    return backend;
  }

  /**
   * @returns null = gone at once; the backend = it drains.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING, HOLDFAST_ERR_BACKEND_DISCOVERED
   */
  remove(id: string, { mode, timeoutMs, cause = 'operator' }: BackendRemoval): Backend | null {
    const { pool } = this.#context;
    const backend = pool.get(id);
    const leaving = this.#drains.get(id)?.remove === true;
    if (backend.origin === 'dns' && cause !== 'discovery' && !leaving) throw new BackendDiscovered(id);
    if (mode === 'force' || backend.connections === 0) {
      this.#endDrain(id);
      pool.remove(id, cause);
      return null;
    }
    if (leaving) throw new BackendDraining(id, 'draining already');
    this.#endDrain(id);
    if (backend.adminState !== 'draining') pool.update(id, { adminState: 'draining' });
    this.#drain(backend, { remove: true, timeoutMs, cause });
    return pool.find(id) ?? null;
  }

  /**
   * One under way for this backend is given up.
   * @returns pipes it will move.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING
   */
  rebalance(id: string, options: { pipesPerSecond?: number; timeoutMs?: number }): number {
    const { wheel, events, pool, backoff, registry } = this.#context;
    const backend = pool.get(id);
    if (!backend.enabled) throw new BackendDraining(id, backend.adminState);
    const { quietMs, ...defaults } = this.#context.options.drain;
    this.#rebalances.get(id)?.cancel();
    const context: RebalanceContext = {
      wheel,
      events,
      pool,
      backoff,
      attached: (one) => registry.attached(one),
      rebalanced: () => this.#rebalances.delete(id),
    };
    const rebalance = new Rebalance(context, backend, { ...defaults, ...options, quietMs });
    this.#rebalances.set(id, rebalance);
    rebalance.start();
    return rebalance.planned;
  }

  /** Leaves every pipe where it is. */
  cancel(): void {
    for (const drain of this.#drains.values()) drain.cancel();
    this.#drains.clear();
    for (const rebalance of this.#rebalances.values()) rebalance.cancel();
    this.#rebalances.clear();
  }

  #drain(backend: Backend, how: DrainOrder): void {
    const { wheel, events, pool, backoff, registry } = this.#context;
    const { timeoutMs, pipesPerSecond } = this.#context.options.drain;
    const context: DrainContext = {
      wheel,
      events,
      pool,
      backoff,
      attached: (one) => registry.attached(one),
      drained: (drain) => {
        this.#drains.delete(drain.backend.id);
        if (drain.remove) pool.remove(drain.backend.id, how.cause ?? 'operator');
      },
    };
    const order = { remove: how.remove, timeoutMs: how.timeoutMs ?? timeoutMs, pipesPerSecond };
    const drain = new Drain(context, backend, order);
    this.#drains.set(backend.id, drain);
    drain.start();
  }

  #endDrain(id: string): void {
    this.#drains.get(id)?.cancel();
    this.#drains.delete(id);
  }
}
