/** When a worker that died is started anew, and when that is hopeless. Pure. */

/** Who lived for so long has not died of its start, milliseconds. */
const calmMs = 10_000;
const firstDelayMs = 100;
const longestDelayMs = 10_000;
/** Short lives in a row, after which a restart alone does not help. */
const hopelessAfter = 8;

export class Restarts {
  #shortLives = 0;

  /** Many short lives in a row: where no other worker serves either, the command gives up. */
  get hopeless(): boolean {
    return this.#shortLives >= hopelessAfter;
  }

  /**
   * A worker has died.
   * @param livedMs since it was started.
   * @returns milliseconds until the next may start: none after a long life, then more and more.
   */
  next(livedMs: number): number {
    if (livedMs >= calmMs) this.#shortLives = 0;
    const delayMs = this.#shortLives === 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#shortLives - 1));
    this.#shortLives += 1;
    return delayMs;
  }
}
