/** What the health checks of one backend have found, and the verdict of `rise` and `fall`. Pure bookkeeping. */
import type { Health } from '../observe/vocabulary.ts';

export interface CheckResult {
  readonly passed: boolean;
  /** What it answered, or why it did not; no secrets. */
  readonly detail: string;
  readonly checkMs: number;
}

export interface LastCheck extends CheckResult {
  /** When it ended; ms since 1970. */
  readonly at: number;
}

/** The verdict is another one. `downMs` = how long it was unhealthy, from the check that made it so. */
export type CheckChange =
  | { readonly health: 'unhealthy'; readonly failedChecks: number }
  | { readonly health: 'healthy'; readonly downMs: number };

export class CheckRecord {
  readonly #rise: number;
  readonly #fall: number;
  #health: Health = 'unknown';
  #last: LastCheck | null = null;
  /** Checks in a row that speak against the verdict. */
  #against = 0;
  /** Monotonic ms. */
  #unhealthySince = 0;

  constructor({ rise, fall }: { readonly rise: number; readonly fall: number }) {
    this.#rise = rise;
    this.#fall = fall;
  }

  get health(): Health {
    return this.#health;
  }
  /** Null = none yet. */
  get last(): LastCheck | null {
    return this.#last;
  }

  /**
   * @param check `at` = wall clock in ms.
   * @param now monotonic ms.
   * @returns null = the verdict stays. The first check that passes makes a backend healthy of which nothing was known: no change.
   */
  add(check: LastCheck, now: number): CheckChange | null {
    this.#last = check;
    const agrees = check.passed === (this.#health !== 'unhealthy');
    this.#against = agrees ? 0 : this.#against + 1;
    if (agrees) {
      if (check.passed) this.#health = 'healthy';
      return null;
    }
    if (this.#against < (check.passed ? this.#rise : this.#fall)) return null;
    const failedChecks = this.#against;
    this.#against = 0;
    if (check.passed) {
      this.#health = 'healthy';
      return { health: 'healthy', downMs: now - this.#unhealthySince };
    }
    this.#health = 'unhealthy';
    this.#unhealthySince = now;
    return { health: 'unhealthy', failedChecks };
  }

  /** As if it had never been checked. */
  reset(): void {
    this.#health = 'unknown';
    this.#last = null;
    this.#against = 0;
  }
}
