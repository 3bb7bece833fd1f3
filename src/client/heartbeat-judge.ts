import type { HeartbeatSettings } from './types.ts';

/** The most that an answer may take after a sleep. */
const maxGraceMs = 5_000;
/** So often in a row, with nothing heard between, a grace begins anew. Wakes that come late after that are slow timers, and the connection is dead. */
const maxRenewals = 2;
/** `setTimeout` knows little more. */
const maxTimerMs = 2e9;

/**
 * Is the connection alive? Time is that of the wall clock, which goes on while a machine sleeps. No verdict for our own sleep: a wake that comes
 * late proves that we did not run, so it is followed by a ping and a short grace.
 */
export class HeartbeatJudge {
  #intervalMs = 0;
  #timeoutMs = 0;
  #graceMs = 0;
  #heardAt = 0;
  #pingAt = 0;
  /** The end of a grace; 0 = there is none. */
  #graceEndsAt = 0;
  /** When the wake that was asked for should come. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #renewals = 0;

  constructor(settings: HeartbeatSettings, now: number) {
    this.#heardAt = now;
    this.retune(settings, now);
  }

  /** Other settings, from now on. */
  retune({ intervalMs, timeoutMs = 3 * intervalMs }: HeartbeatSettings, now: number): void {
    this.#intervalMs = intervalMs > 0 ? intervalMs : Number.POSITIVE_INFINITY;
    this.#timeoutMs = intervalMs > 0 ? timeoutMs : Number.POSITIVE_INFINITY;
    this.#graceMs = Math.min(maxGraceMs, this.#timeoutMs / 2);
    this.#pingAt = now + this.#intervalMs;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    // A shorter timeout is no verdict about the past.
    if (now >= this.#heardAt + this.#timeoutMs) this.#heardAt = now;
  }

  /** Something came, or what we sent went out. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#graceEndsAt = 0;
    this.#renewals = 0;
  }

  /**
   * The network or this page was away, or may be: send a ping; without an answer within the grace the connection is dead. `anew`: the whole
   * grace, also where one is running.
   */
  suspect(now: number, anew = false): void {
    this.#pingAt = now + this.#intervalMs;
    const renewed = anew && this.#renewals < maxRenewals;
    if (renewed) this.#renewals += 1;
    if (renewed || !this.#graceEndsAt) this.#graceEndsAt = now + this.#graceMs;
  }

  /** What is to be done now. */
  check(now: number): 'ping' | 'dead' | null {
    // The clock was set back.
    if (now < this.#heardAt) {
      this.heard(now);
      this.#pingAt = now;
    } else if (now - this.#wakeAt > this.#graceMs / 2 && this.#renewals < maxRenewals) {
      this.suspect(now, true);
      return 'ping';
    }
    if (now >= this.#deadAt) return 'dead';
    if (now < this.#pingAt) return null;
    this.#pingAt = now + this.#intervalMs;
    return 'ping';
  }

  /** How long until the next check is due; remembered, to know a late wake. */
  plan(now: number): number {
    const ms = Math.max(0, Math.min(this.#pingAt - now, this.#deadAt - now, maxTimerMs));
    this.#wakeAt = now + ms;
    return ms;
  }

  get #deadAt(): number {
    return this.#graceEndsAt || this.#heardAt + this.#timeoutMs;
  }
}
