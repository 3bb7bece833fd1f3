/**
 * How many pings of a client are answered: 10 per second, 20 in a burst. A client that floods us with pings costs a pong
 * each; RFC 6455 section 5.5.3 allows to answer only the latest. Pure: time comes in as an argument.
 */

/** Milliseconds per token. */
const refillMs = 100;
const burst = 20;

/** A token bucket that keeps one number: when it will be full again. */
export class PingLimiter {
  #fullAt = 0;

  /** Takes a token if there is one. `nowMs`: any monotonic clock, milliseconds. */
  allow(nowMs: number): boolean {
    const fullAt = Math.max(this.#fullAt, nowMs) + refillMs;
    if (fullAt - nowMs > burst * refillMs) return false;
    this.#fullAt = fullAt;
    return true;
  }
}
