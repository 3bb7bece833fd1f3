/**
 * A pipe on its way from one working backend to another: the migration until its barrier is back, then the old link that is still read
 * out. One at a time.
 */
import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import type { BackendEnd } from './backend-end.ts';
import type { Failover, FailoverContext, FailoverPipe } from './failover.ts';
import type { Intake } from './intake.ts';
import type { Lifecycle } from './lifecycle.ts';
import { Migration, type MigrationOrder, type MigrationOutcome, type MigrationOwner } from './migration.ts';
import type { PipeParts } from './pipe-parts.ts';
import { Tail, type TailOwner } from './tail.ts';
import type { Upstream } from './upstream.ts';

export interface RelocationOwner extends FailoverPipe {
  readonly present: BackendEnd | null;
  /** The pipe sends to this backend from here. */
  goOver(next: BackendEnd): void;
  readingChanged(): void;
  /** The old link is read out, and has ended. */
  tailGone(): void;
}

export class Relocation implements MigrationOwner, TailOwner {
  readonly #owner: RelocationOwner;
  readonly #context: FailoverContext;
  readonly #lifecycle: Lifecycle;
  readonly #upstream: Upstream;
  readonly #intake: Intake;
  #migration: Migration | null = null;
  #tail: Tail | null = null;

  constructor(owner: RelocationOwner, context: FailoverContext, parts: PipeParts) {
    this.#owner = owner;
    this.#context = context;
    this.#lifecycle = parts.lifecycle;
    this.#upstream = parts.upstream;
    this.#intake = parts.intake;
  }

  get active(): boolean {
    return this.#migration !== null || this.#tail !== null;
  }
  /** The old backend's link, while it is read out. */
  get tail(): Tail | null {
    return this.#tail;
  }
  /** The link dialled ahead. */
  get next(): BackendEnd | null {
    return this.#migration?.next ?? null;
  }
  /** The search for it. */
  get failover(): Failover | null {
    return this.#migration?.failover ?? null;
  }

  /** `done` is told when the pipe has moved, or stays. */
  begin(order: MigrationOrder, done: (outcome: MigrationOutcome) => void): void {
    const from = this.#owner.present;
    // What is being replayed may be known to a dead backend: the next is told so only after a failure.
    const fit = this.#lifecycle.state === 'open' && !this.active && !this.#upstream.journal.replaying;
    if (from === null || !fit) {
      done('stayed');
      return;
    }
    this.#migration = new Migration(this.#context, this.#owner, this, order, done);
    this.#migration.start(from);
  }

  /** Gives the migration up, for whoever has decided where the pipe goes instead. The tail is read on. */
  stop(outcome?: 'stayed' | 'failed'): void {
    const migration = this.#migration;
    this.#migration = null;
    migration?.stop(outcome);
  }

  /** All that the old backend was given has arrived, or never can be known to have. */
  barrierReturned(): void {
    this.#migration?.barrierReturned();
  }

  /** The link dialled ahead failed. */
  nextFailed(): void {
    if (this.#migration !== null) this.migrationFailed(this.#migration, 'failed');
  }

  retune({ backend }: HeartbeatSettings): void {
    this.#tail?.end.retune(backend);
    this.next?.retune(backend);
    this.failover?.introduction?.end.retune(backend);
  }

  migrationHeld(): void {
    this.#lifecycle.migrate();
    this.#upstream.hold();
    if (this.#owner.present?.acknowledging === false) this.barrierReturned();
    else this.#upstream.sendBarrier();
  }

  migrationReady(migration: Migration, next: BackendEnd): void {
    const old = this.#owner.present!;
    this.#migration = null;
    this.#upstream.detach();
    this.#lifecycle.open();
    this.#tail = new Tail(this, old, this.#context);
    this.#owner.goOver(next);
    this.#context.events.emit('pipe.migrated', {
      fromBackendId: old.backend.id,
      generation: next.generation,
      durationMs: this.#context.wheel.now() - migration.startedAt,
      cause: migration.cause,
      ...next.fields,
    });
    this.#owner.readingChanged();
    this.#intake.update();
    migration.done('moved');
  }

  migrationFailed(migration: Migration, outcome: 'stayed' | 'failed'): void {
    if (this.#migration !== migration) return;
    this.stop(outcome);
    if (this.#lifecycle.state !== 'migrating') return;
    this.#lifecycle.open();
    this.#upstream.release();
  }

  tailEnded(): void {
    this.#tail = null;
    this.#owner.readingChanged();
    this.#owner.tailGone();
  }
}
