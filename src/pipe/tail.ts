/**
 * The old backend link after a migration: read until it has been quiet for drain.quietMs, at most drain.tailMs; then Close 1001, and
 * what still comes before its answer goes to the client too. Only then the new link is read.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { ResolvedOptions } from '../options.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { BackendEnd } from './backend-end.ts';

export interface TailOwner {
  /** `left`: messages of the new backend that came before all it will send. */
  tailEnded(left: readonly Buffer[]): void;
}

export class Tail implements TimerOwner {
  readonly end: BackendEnd;
  readonly #owner: TailOwner;
  readonly #quietMs: number;
  readonly #quiet: WheelTimer;
  readonly #limit: WheelTimer;
  readonly #left: readonly Buffer[];
  #stopped = false;

  constructor(
    owner: TailOwner,
    end: BackendEnd,
    context: { options: ResolvedOptions; wheel: TimerWheel; left: readonly Buffer[] },
  ) {
    this.#owner = owner;
    this.end = end;
    this.#left = context.left;
    this.#quietMs = context.options.drain.quietMs;
    this.#quiet = context.wheel.timer(this, 'quiet');
    this.#limit = context.wheel.timer(this, 'limit');
    this.#quiet.start(this.#quietMs);
    this.#limit.start(context.options.drain.tailMs);
  }

  messageCame(): void {
    if (this.#quiet.active) this.#quiet.start(this.#quietMs);
  }

  read(wanted: boolean): void {
    if (wanted) this.end.link.resume();
    else if (this.#quiet.active || this.#limit.active) this.end.link.pause();
  }

  timerFired(): void {
    this.leave();
  }

  /** Says goodbye now. Idempotent. */
  leave(): void {
    this.#quiet.stop();
    this.#limit.stop();
    this.end.heartbeat.stop();
    this.end.link.close(closeCode.goingAway);
    // A link that was closed by the backend meanwhile, or is gone, has nothing more to say.
  }

  /** The link has ended. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#quiet.stop();
    this.#limit.stop();
    this.end.left(closeCode.goingAway);
    this.#owner.tailEnded(this.#left);
  }
}
