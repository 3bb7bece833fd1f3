/** An upgrade that waits for the first backend of its pipe: it is told once, and not for ever. */
import type { TimerOwner, TimerWheel } from '../heartbeat/wheel.ts';

export type FirstAnswer =
  | { readonly kind: 'attached'; readonly protocol: string }
  | { readonly kind: 'refused'; readonly statusCode: number }
  /** No backend in time; the pipe goes on looking. */
  | { readonly kind: 'waiting' }
  /** The pipe was closed meanwhile, with this for its client. */
  | { readonly kind: 'gone'; readonly code: number; readonly text: string };

export class UpgradeWait implements TimerOwner {
  readonly answered: Promise<FirstAnswer>;
  readonly #timer;
  #resolve: ((answer: FirstAnswer) => void) | null = null;

  constructor(wheel: TimerWheel, waitMs: number) {
    this.answered = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timer = wheel.timer(this, 'first-answer');
    this.#timer.start(waitMs);
  }

  /** @returns false where it was answered before: the first answer counts. */
  answer(answer: FirstAnswer): boolean {
    const resolve = this.#resolve;
    if (resolve === null) return false;
    this.#resolve = null;
    this.#timer.stop();
    resolve(answer);
    return true;
  }

  timerFired(): void {
    this.answer({ kind: 'waiting' });
  }
}
