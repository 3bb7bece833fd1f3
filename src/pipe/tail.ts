/**
 * The old backend link after a migration: read until it has been quiet for drain.quietMs, at most drain.tailMs; then Close 1001, and
 * what still comes before its answer goes to the client too. Only then the new link is read.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { ResolvedOptions } from '../options.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { BackendEnd } from './backend-end.ts';

/** More than lies in the sockets of both ends: a backend that sent so much after our Close has had it before the last of it. */
const maxLateBytes = 16_777_216;

export interface TailOwner {
  tailEnded(): void;
}

export class Tail implements TimerOwner {
  readonly end: BackendEnd;
  readonly #owner: TailOwner;
  readonly #quietMs: number;
  readonly #quiet: WheelTimer;
  readonly #limit: WheelTimer;
  #reading = true;
  /** The time is over; the goodbye waits until it is read again. */
  #due = false;
  /** Came after our Close. */
  #lateBytes = 0;
  #stopped = false;

  constructor(owner: TailOwner, end: BackendEnd, context: { options: ResolvedOptions; wheel: TimerWheel }) {
    this.#owner = owner;
    this.end = end;
    this.#quietMs = context.options.drain.quietMs;
    this.#quiet = context.wheel.timer(this, 'quiet');
    this.#limit = context.wheel.timer(this, 'limit');
    this.#quiet.start(this.#quietMs);
    this.#limit.start(context.options.drain.tailMs);
  }

  messageCame(bytes: number): void {
    if (!this.end.link.open) this.#lateBytes += bytes;
    if (this.#quiet.active) this.#quiet.start(this.#quietMs);
  }

  /** While the client is too slow it is not read, and silence means nothing. */
  read(wanted: boolean): void {
    const before = this.#reading;
    this.#reading = wanted;
    if (!wanted) {
      this.#quiet.stop();
      this.end.link.pause();
      return;
    }
    // Each pause gives the backend all the time anew to answer our Close: that must end.
    if (!before && this.#lateBytes > maxLateBytes) this.end.link.terminate();
    else this.end.link.resume();
    if (this.#due) this.leave();
    else if (!before && this.#limit.active) this.#quiet.start(this.#quietMs);
  }

  timerFired(): void {
    this.leave();
  }

  /** Says goodbye, now or when it is read again: what the backend still has on its way would come at once. Idempotent. */
  leave(): void {
    this.#quiet.stop();
    this.#limit.stop();
    this.#due = !this.#reading;
    if (this.#due) return;
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
    this.#owner.tailEnded();
  }
}
