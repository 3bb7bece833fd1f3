export interface BackoffSettings {
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly maxAttempts: number;
  readonly minUptimeMs: number;
}

/** Full jitter: a random wait up to a bound that doubles, so that the clients of a gateway never come back together. */
export class Backoff {
  readonly #settings: BackoffSettings;
  readonly #random: () => number;
  #attempt = 0;
  #openedAt = Number.POSITIVE_INFINITY;

  constructor(settings: BackoffSettings, random: () => number = Math.random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** The number of the last attempt that `next` gave. */
  get attempt(): number {
    return this.#attempt;
  }

  /** How long to wait before the next attempt, null when there is none left. A `free` one is not counted. */
  next(free: boolean): number | null {
    const { minBackoffMs, maxBackoffMs, maxAttempts } = this.#settings;
    if (!free && this.#attempt >= maxAttempts) return null;
    const bound = Math.min(maxBackoffMs, minBackoffMs * 2 ** this.#attempt);
    if (!free) this.#attempt += 1;
    return this.#random() * bound;
  }

  /** The attempt that `next` gave is made earlier than planned, and is not to count. */
  refund(): void {
    if (this.#attempt > 0) this.#attempt -= 1;
  }

  opened(now: number): void {
    this.#openedAt = now;
  }

  /** A connection that opens and soon fails is no success, or accept-then-crash would be tried for ever. */
  lost(now: number): void {
    if (now - this.#openedAt >= this.#settings.minUptimeMs) this.reset();
    this.#openedAt = Number.POSITIVE_INFINITY;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
