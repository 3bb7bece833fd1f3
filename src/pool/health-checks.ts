/**
 * Active health: asks each enabled backend at an interval whether it is well, and tells the pool. Those that begin together are spread over
 * the interval. A backend that is drained or disabled is left alone: its operator is at work on it.
 */
import type { EventName, EventSink, EventStream, HoldfastEvents } from '../observe/events.ts';
import type { Backend } from './backend.ts';
import type { BackendPool } from './backend-pool.ts';
import { BackendWatch, type WatchContext, type WatchOwner } from './backend-watch.ts';
import type { CheckResult } from './check-record.ts';

export interface HealthChecksContext extends WatchContext {
  readonly pool: Pick<BackendPool, 'list' | 'find' | 'checked'>;
  readonly events: EventStream;
  /** Uniform in [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** Most backends that are asked at one time; with more of them due, each waits for its turn. */
export const maxAsking = 256;
/** After them a backend may have to be checked, or left alone. */
const changes: ReadonlySet<EventName> = new Set<EventName>([
  'backend.registered',
  'backend.updated',
  'backend.removed',
]);

export class HealthChecks implements WatchOwner {
  readonly #context: HealthChecksContext;
  readonly #random: () => number;
  readonly #watches = new Map<string, BackendWatch>();
  /** In the order in which they became due. */
  readonly #due = new Set<BackendWatch>();
  #asking = 0;
  #untap: (() => void) | null = null;

  constructor(context: HealthChecksContext) {
    this.#context = context;
    this.#random = context.random ?? Math.random;
  }

  /** Begins with all backends that are there; those that come are checked too. Ends by itself when the gateway closes. */
  start(): void {
    const { events, pool } = this.#context;
    this.#untap = events.tap(this.#sink);
    for (const backend of pool.list()) this.#watch(backend);
  }

  /** Ends all checks, also those under way. Idempotent. */
  dispose(): void {
    this.#untap?.();
    this.#untap = null;
    this.#due.clear();
    for (const id of [...this.#watches.keys()]) this.#unwatch(id);
  }

  watchDue(watch: BackendWatch): void {
    this.#due.add(watch);
    this.#askNext();
  }

  watchAsked(): void {
    this.#asking -= 1;
    this.#askNext();
  }

  watchFound({ backend }: BackendWatch, result: CheckResult): void {
    this.#context.pool.checked(backend, result);
  }

  /** A sink, which hears of each event whatever listeners of the host do: they may throw, or register anew what was just removed. */
  readonly #sink: EventSink = Object.assign(
    <N extends EventName>(name: N, event: HoldfastEvents[N]): void => {
      if (name === 'gateway.closing') this.dispose();
      else if (changes.has(name)) this.#judge((event as HoldfastEvents['backend.registered']).backendId);
    },
    { beat: () => false },
  );

  #judge(id: string): void {
    const backend = this.#context.pool.find(id);
    if (this.#watches.get(id)?.backend !== backend) this.#unwatch(id);
    if (backend?.enabled === true) this.#watch(backend);
    else this.#unwatch(id);
  }

  #watch(backend: Backend): void {
    if (!backend.enabled || this.#watches.has(backend.id)) return;
    const watch = new BackendWatch(backend, this, this.#context);
    this.#watches.set(backend.id, watch);
    watch.start(this.#random() * this.#context.settings.intervalMs);
  }

  #unwatch(id: string): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#watches.delete(id);
    this.#due.delete(watch);
    watch.stop();
  }

  #askNext(): void {
    for (const watch of this.#due) {
      if (this.#asking >= maxAsking) return;
      this.#due.delete(watch);
      this.#asking += 1;
      watch.ask();
    }
  }
}
