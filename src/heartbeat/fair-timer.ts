/**
 * A time limit for somebody else, on a wheel: he is not charged with what our own event loop stood still. His answer may be there, unread;
 * it is read before the rest of his time is over.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from './wheel.ts';

export class FairTimer implements WheelTimer, TimerOwner {
  readonly #wheel: Pick<TimerWheel, 'fairNow' | 'timer'>;
  readonly #owner: TimerOwner;
  readonly #timer: WheelTimer;
  /** On the fair clock. */
  #dueAt = 0;

  constructor(wheel: Pick<TimerWheel, 'fairNow' | 'timer'>, owner: TimerOwner, name: string) {
    this.#wheel = wheel;
    this.#owner = owner;
    this.#timer = wheel.timer(this, name);
  }

  get active(): boolean {
    return this.#timer.active;
  }

  start(delayMs: number): void {
    this.#dueAt = this.#wheel.fairNow() + delayMs;
    this.#timer.start(delayMs);
  }

  stop(): void {
    this.#timer.stop();
  }

  timerFired(name: string): void {
    const leftMs = this.#dueAt - this.#wheel.fairNow();
    if (leftMs > 0) this.#timer.start(leftMs);
    else this.#owner.timerFired(name);
  }
}
