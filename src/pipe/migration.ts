/**
 * Moving a live pipe to another backend, make before break: dial the next, hold what is new, a barrier behind what the old one got. When
 * the barrier returns, the pipe goes over (and reads the old link out: see tail.ts). Until then nothing has been given up.
 */

import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import { BackendEnd, type BackendEndOwner } from './backend-end.ts';
import type { SearchContext, SearchOwner, SearchSubject } from './backend-search.ts';
import { BackendSearch, type Found } from './backend-search.ts';

export type MigrationCause = 'drain' | 'rebalance';

export interface MigrationOwner extends BackendEndOwner, SearchSubject {
  /** The next link is there: hold new messages and send the barrier. */
  migrationHeld(): void;
  /** The barrier is back: go over. */
  migrationReady(migration: Migration, next: BackendEnd, found: Found): void;
  /** No other backend now; the pipe stays where it is. */
  migrationFailed(migration: Migration): void;
}

export interface MigrationOrder {
  readonly cause: MigrationCause;
  readonly done: (moved: boolean) => void;
}

export class Migration implements SearchOwner {
  readonly cause: MigrationCause;
  readonly startedAt: number;
  /** The link dialled ahead. */
  next: BackendEnd | null = null;
  readonly #context: SearchContext & { heartbeat(): HeartbeatSettings };
  readonly #owner: MigrationOwner;
  readonly #search: BackendSearch;
  #done: ((moved: boolean) => void) | null;
  #found: Found | null = null;

  constructor(
    context: SearchContext & { heartbeat(): HeartbeatSettings },
    owner: MigrationOwner,
    from: BackendEnd,
    order: MigrationOrder,
  ) {
    this.#context = context;
    this.#owner = owner;
    this.cause = order.cause;
    this.#done = order.done;
    this.startedAt = context.wheel.now();
    this.#search = new BackendSearch(context, owner, this, { reason: 'migrate', exclude: from.backend.id, once: true });
  }

  start(): void {
    this.#search.start();
  }

  /** Throws the link dialled ahead away. Idempotent. */
  stop(): void {
    this.#search.stop();
    this.next?.left(1001);
    this.next?.link.close(1001);
    this.next = null;
    this.done(false);
  }

  done(moved: boolean): void {
    const done = this.#done;
    this.#done = null;
    done?.(moved);
  }

  barrierReturned(): void {
    const { next } = this;
    const found = this.#found;
    if (next === null || found === null) return;
    this.next = null;
    this.#owner.migrationReady(this, next, found);
  }

  searchFound(found: Found): void {
    this.#found = found;
    this.next = new BackendEnd(
      this.#owner,
      this.#context,
      found,
      this.#owner.nextGeneration,
      this.#context.heartbeat().backend,
    );
    this.#owner.migrationHeld();
  }

  searchRefused(): void {
    this.#owner.migrationFailed(this);
  }

  searchFailed(): void {
    this.#owner.migrationFailed(this);
  }
}
