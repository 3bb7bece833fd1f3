/**
 * One backend that is checked again and again: never two checks at a time, the next one `intervalMs` after the last began. When it is due it
 * waits for its turn, for how many are asked at one time is limited.
 */
import { FairTimer } from '../heartbeat/fair-timer.ts';
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import { scrubText } from '../observe/scrub.ts';
import type { Backend } from './backend.ts';
import type { CheckResult } from './check-record.ts';
import type { HealthSettings } from './health-settings.ts';

/** A check under way. */
export interface CheckAttempt {
  /** Ends it, and what is left of its connection; nothing is told. */
  abort(): void;
  /** Gives it up for its time: reported as a failure. */
  timeOut(timeoutMs: number): void;
}

export interface CheckOwner {
  checkPassed(detail: string): void;
  checkFailed(detail: string): void;
}

/** Begins a check; its owner is told how it ended once, not before this returns, unless it is aborted. */
export type BackendCheck = (backend: Backend, owner: CheckOwner) => CheckAttempt;

export interface WatchContext {
  readonly settings: Pick<HealthSettings, 'intervalMs' | 'timeoutMs'>;
  readonly wheel: Pick<TimerWheel, 'now' | 'fairNow' | 'timer'>;
  readonly check: BackendCheck;
}

export interface WatchOwner {
  /** It waits for `ask()`. */
  watchDue(watch: BackendWatch): void;
  /** It asks no longer: another one may. */
  watchAsked(watch: BackendWatch): void;
  watchFound(watch: BackendWatch, result: CheckResult): void;
}

export class BackendWatch implements TimerOwner, CheckOwner {
  readonly backend: Backend;
  readonly #owner: WatchOwner;
  readonly #context: WatchContext;
  readonly #next: WheelTimer;
  readonly #limit: WheelTimer;
  #state: 'idle' | 'asking' | 'stopped' = 'idle';
  /** Kept after its answer: its connection may not be closed yet. */
  #attempt: CheckAttempt | null = null;
  #askedAt = 0;

  constructor(backend: Backend, owner: WatchOwner, context: WatchContext) {
    this.backend = backend;
    this.#owner = owner;
    this.#context = context;
    this.#next = context.wheel.timer(this, 'next');
    this.#limit = new FairTimer(context.wheel, this, 'limit');
  }

  /** The first check is due in so many ms. */
  start(delayMs: number): void {
    this.#next.start(delayMs);
  }

  /** Its turn has come. */
  ask(): void {
    const { wheel, settings, check } = this.#context;
    this.#attempt?.abort();
    this.#state = 'asking';
    this.#askedAt = wheel.now();
    this.#limit.start(settings.timeoutMs);
    try {
      this.#attempt = check(this.backend, this);
    } catch (error) {
      this.#attempt = null;
      // Not in this step: whoever gave it its turn is not done.
      process.nextTick(() => {
        if (this.#state === 'asking') this.checkFailed(error instanceof Error ? error.message : String(error));
      });
    }
  }

  /** Ends a check under way, untold. Idempotent. */
  stop(): void {
    const asking = this.#state === 'asking';
    this.#state = 'stopped';
    this.#next.stop();
    this.#limit.stop();
    this.#attempt?.abort();
    this.#attempt = null;
    if (asking) this.#owner.watchAsked(this);
  }

  checkPassed(detail: string): void {
    this.#over(true, detail);
  }

  checkFailed(detail: string): void {
    this.#over(false, scrubText(detail));
  }

  timerFired(name: string): void {
    if (name === 'next') {
      this.#owner.watchDue(this);
      return;
    }
    if (this.#state === 'asking') this.#attempt?.timeOut(this.#context.settings.timeoutMs);
    else this.#attempt?.abort();
  }

  #over(passed: boolean, detail: string): void {
    const { wheel, settings } = this.#context;
    const checkMs = wheel.now() - this.#askedAt;
    this.#state = 'idle';
    this.#next.start(settings.intervalMs - checkMs);
    this.#owner.watchAsked(this);
    // Last: who hears of it may stop us.
    this.#owner.watchFound(this, { passed, detail, checkMs });
  }
}
