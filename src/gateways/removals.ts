/**
 * Takes backends out of the shared pool whose pipes have moved away everywhere. The gateway that was asked for the removal sees to it; where
 * it is gone, any other does when the time is long over.
 */
import { StoreFailure } from '../cluster/store.ts';
import type { PoolEntry, Removal } from './pool-record.ts';

export interface RemovalsSettings {
  /** This gateway. */
  readonly gateway: string;
  /** No gateway has a pipe at this backend, or gives it one. */
  readonly idle: (backendId: string) => Promise<boolean>;
  /** Takes it out, if it is still this removal. */
  readonly drop: (backendId: string, removal: Removal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

interface Watched {
  readonly removal: Removal;
  /** Monotonic ms. */
  readonly deadline: number;
  timer: NodeJS.Timeout | null;
}

const lookMs = 250;
/** After the time of the removal: for its fail-overs, and for another gateway, which waits longer. */
const graceMs = { own: 1000, others: 5000 } as const;

export class Removals {
  readonly #settings: RemovalsSettings;
  readonly #watched = new Map<string, Watched>();

  constructor(settings: RemovalsSettings) {
    this.#settings = settings;
  }

  /** The pool as it is now: what is to be removed is seen to, and nothing else. */
  watch(entries: readonly PoolEntry[]): void {
    const now = performance.now();
    const due = new Map(entries.flatMap(({ id, removal }) => (removal === null ? [] : [[id, removal] as const])));
    for (const [id, { removal }] of this.#watched) if (!same(due.get(id), removal)) this.#forget(id);
    for (const [id, removal] of due) {
      if (this.#watched.has(id)) continue;
      const own = removal.gateway === this.#settings.gateway;
      // From when it was seen here: the clocks of two machines may differ.
      const deadline = now + removal.timeoutMs + (own ? graceMs.own : graceMs.others);
      const watched: Watched = { removal, deadline, timer: null };
      this.#watched.set(id, watched);
      this.#plan(id, watched, own ? lookMs : deadline - now);
    }
  }

  stop(): void {
    for (const id of [...this.#watched.keys()]) this.#forget(id);
  }

  #forget(id: string): void {
    const timer = this.#watched.get(id)?.timer;
    if (timer) clearTimeout(timer);
    this.#watched.delete(id);
  }

  #plan(id: string, watched: Watched, ms: number): void {
    if (this.#watched.get(id) !== watched) return;
    watched.timer = setTimeout(() => void this.#look(id, watched), ms).unref();
  }

  async #look(id: string, watched: Watched): Promise<void> {
    const { idle, drop, onError } = this.#settings;
    try {
      if (performance.now() >= watched.deadline || (await idle(id))) await drop(id, watched.removal);
    } catch (error) {
      // The store is away: it is tried again.
      if (!(error instanceof StoreFailure)) onError(error);
    }
    this.#plan(id, watched, lookMs);
  }
}

export function same(one: Removal | undefined | null, other: Removal): boolean {
  return one?.startedAt === other.startedAt && one.gateway === other.gateway;
}
