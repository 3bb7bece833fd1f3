/** Token buckets, each of which keeps one number: when it will be full again. Pure: time comes in as an argument, milliseconds. */

/** `perSecond` on average, `burst` at once. */
export interface Rate {
  /** 0 = no limit. */
  readonly perSecond: number;
  readonly burst: number;
}

/** Rounding errors of sums of milliseconds. */
const epsilonMs = 1e-6;

/** @returns when the bucket is full again with so many more tokens taken; see `waitMs` for whether they were there. */
export function spend(fullAt: number, now: number, { perSecond }: Rate, tokens = 1): number {
  return Math.max(fullAt, now) + (tokens * 1000) / perSecond;
}

/** @returns 0 where the token that made `fullAt` was there, else milliseconds until it will be. */
export function waitMs(fullAt: number, now: number, { perSecond, burst }: Rate): number {
  const ms = fullAt - now - (burst * 1000) / perSecond;
  return ms > epsilonMs ? ms : 0;
}

export class TokenBucket {
  readonly #rate: Rate;
  #fullAt = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /**
   * Takes a token if there is one.
   * @param now any monotonic clock, milliseconds.
   * @returns 0 = taken, else milliseconds until there will be one.
   */
  take(now: number): number {
    if (this.#rate.perSecond === 0) return 0;
    const fullAt = spend(this.#fullAt, now, this.#rate);
    const wait = waitMs(fullAt, now, this.#rate);
    if (wait === 0) this.#fullAt = fullAt;
    return wait;
  }

  /**
   * Takes tokens that were used already, whether they were there or not.
   * @returns milliseconds until none is owed, 0 = none is.
   */
  draw(tokens: number, now: number): number {
    if (this.#rate.perSecond === 0) return 0;
    this.#fullAt = spend(this.#fullAt, now, this.#rate, tokens);
    return waitMs(this.#fullAt, now, this.#rate);
  }
}
