/**
 * Moving a live pipe to another backend, make before break: dial the next, hold what is new, a barrier behind what the old one got. When
 * the barrier returns, the pipe goes over (and reads the old link out: see tail.ts). Until then nothing has been given up.
 */
import type { MigrationCause } from '../observe/vocabulary.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { BackendEnd } from './backend-end.ts';
import { Failover, type FailoverContext, type FailoverOwner, type FailoverPipe } from './failover.ts';

export interface MigrationOrder {
  readonly cause: MigrationCause;
  /** Id of the backend to move to. Default: any other. */
  readonly to?: string;
}

/** stayed = it was given up, or there was no other backend to dial; failed = those dialled did not take it. */
export type MigrationOutcome = 'moved' | 'stayed' | 'failed';

export interface MigrationOwner {
  /** The next link is there: hold new messages and send the barrier. */
  migrationHeld(): void;
  /** The barrier is back: go over. */
  migrationReady(migration: Migration, next: BackendEnd): void;
  /** No other backend now; the pipe stays where it is. @param outcome whether one was dialled. */
  migrationFailed(migration: Migration, outcome: 'stayed' | 'failed'): void;
}

export class Migration implements FailoverOwner {
  readonly cause: MigrationOrder['cause'];
  readonly startedAt: number;
  readonly failover: Failover;
  readonly #owner: MigrationOwner;
  readonly #to: string | undefined;
  readonly #pool: FailoverContext['pool'];
  #next: BackendEnd | null = null;
  #done: ((outcome: MigrationOutcome) => void) | null;

  constructor(
    context: FailoverContext,
    pipe: FailoverPipe,
    owner: MigrationOwner,
    order: MigrationOrder,
    done: (outcome: MigrationOutcome) => void,
  ) {
    this.#owner = owner;
    this.cause = order.cause;
    this.#done = done;
    this.#to = order.to;
    this.#pool = context.pool;
    this.startedAt = context.wheel.now();
    this.failover = new Failover(context, pipe, this, { once: true });
  }

  /** The link dialled ahead. */
  get next(): BackendEnd | null {
    return this.#next;
  }

  start(from: BackendEnd): void {
    const exclude = this.#to === undefined ? [from.backend] : this.#pool.list().filter(({ id }) => id !== this.#to);
    // Taken for this reason it is no turn of its own: those after it would pass it over for as many (round-robin).
    this.failover.begin('migrate', { exclude, prefer: this.#to });
  }

  /** Throws the link dialled ahead away. Idempotent. */
  stop(outcome: 'stayed' | 'failed' = 'stayed'): void {
    this.failover.stop();
    const next = this.#next;
    this.#next = null;
    next?.left(closeCode.goingAway);
    next?.link.close(closeCode.goingAway);
    this.done(outcome);
  }

  done(outcome: MigrationOutcome): void {
    const done = this.#done;
    this.#done = null;
    done?.(outcome);
  }

  barrierReturned(): void {
    const next = this.#next;
    if (next === null) return;
    if (next.backend.removed) {
      this.#owner.migrationFailed(this, 'failed');
      return;
    }
    this.#next = null;
    this.#owner.migrationReady(this, next);
  }

  backendFound(end: BackendEnd): void {
    this.#next = end;
    this.#owner.migrationHeld();
  }

  backendRefused(): void {
    this.#owner.migrationFailed(this, 'failed');
  }

  backendMissing(dialled: boolean): void {
    this.#owner.migrationFailed(this, dialled ? 'failed' : 'stayed');
  }
}
