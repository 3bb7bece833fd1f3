/**
 * Pipes that found no backend, first come first served. They are woken in the call that made room, one after another, for as long
 * as there is room. One that is woken and queues again (none of the free backends suits it) goes to the end and the next one is asked,
 * so that it hides no room from those behind it.
 */

export interface PoolWaiter {
  /** There may be a backend now: call lease() again, and wait() again if it answers null. Called after leaving the queue. */
  backendAvailable(): void;
}

export interface WaiterQueueSettings {
  /** True while more than `promised` leases could be given. */
  readonly hasRoomBeyond: (promised: number) => boolean;
  /** How many leases were ever given. */
  readonly leasesGiven: () => number;
  /** A waiter threw. */
  readonly onError: (error: unknown) => void;
}

/**
 * Waiters that queue again before one wake ends and the rest is left to the next resume(). It bounds the work of one call, and ends
 * what would be endless: lease, fail at once, queue again.
 */
const maxReturnsPerWake = 64;

export class WaiterQueue {
  readonly #settings: WaiterQueueSettings;
  readonly #queue = new Set<PoolWaiter>();
  /**
   * Always at the head, since what it passes is deleted; a new iterator per wake would step over thousands of deleted entries.
   * Dropped when a waiter leaves otherwise: V8 keeps every table the set has outgrown alive for an iterator that stands still.
   */
  #cursor: IterableIterator<PoolWaiter> | null = null;
  /** How many at the head have not been asked since room last appeared. */
  #unasked = 0;
  #waking = false;

  constructor(settings: WaiterQueueSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#queue.size;
  }

  /** At the end; one that is there keeps its place. */
  add(waiter: PoolWaiter): void {
    this.#queue.add(waiter);
  }

  delete(waiter: PoolWaiter): void {
    if (!this.#queue.delete(waiter)) return;
    this.#cursor = null;
    this.#unasked = Math.min(this.#unasked, this.#queue.size);
  }

  /** All are asked again, as far as the room goes; the first of them at once. */
  roomAppeared(): void {
    this.roomNoted();
    this.resume();
  }

  /** As roomAppeared, but the first are asked at the next resume(): for callers that must not be called back now. */
  roomNoted(): void {
    this.#unasked = this.#queue.size;
  }

  /** Goes on with those not asked yet. Cheap when there are none. A call from within a waiter leaves the work to the outer one. */
  resume(): void {
    if (this.#waking) return;
    this.#waking = true;
    let wakes = this.#queue.size;
    let returns = maxReturnsPerWake;
    let promised = 0;
    while (this.#unasked > 0 && wakes > 0 && returns > 0 && this.#settings.hasRoomBeyond(promised)) {
      const waiter = this.#takeFirst();
      if (waiter === undefined) break;
      wakes -= 1;
      this.#unasked -= 1;
      const given = this.#settings.leasesGiven();
      try {
        waiter.backendAvailable();
      } catch (error) {
        this.#settings.onError(error);
        continue;
      }
      if (this.#queue.has(waiter)) returns -= 1;
      // Neither took nor came back: it will take later, so this room is spoken for.
      else if (this.#settings.leasesGiven() === given) promised += 1;
    }
    this.#waking = false;
  }

  #takeFirst(): PoolWaiter | undefined {
    this.#cursor ??= this.#queue.values();
    const next = this.#cursor.next();
    if (next.done === true) {
      this.#cursor = null;
      return undefined;
    }
    this.#queue.delete(next.value);
    return next.value;
  }
}
