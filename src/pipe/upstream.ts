/**
 * The direction toBackend of one pipe: takes what the client sends into the journal, writes it to the present backend link in
 * order, and finds out with barriers what has arrived there.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { Link } from '../link/link.ts';
import type { Block } from '../wire/byte-blocks.ts';
import { Barrier } from './barrier.ts';
import { Journal } from './journal.ts';

export interface UpstreamOwner {
  /** Messages were acknowledged, or (at-most-once) handed over: the journal holds less. */
  journalShrank(): void;
}

export class Upstream implements TimerOwner {
  readonly journal = new Journal();
  readonly #owner: UpstreamOwner;
  readonly #barrier = new Barrier();
  readonly #atMostOnce: boolean;
  readonly #wheel: TimerWheel;
  /** Made with the first message. */
  #timer: WheelTimer | null = null;
  #link: Link | null = null;
  #held = false;
  /** From then on a message has a barrier with it, `wheel.now()`. */
  #restedAt = 0;
  /** The present link acknowledges nothing: what it was given is given up. */
  #unacknowledging = false;

  constructor(owner: UpstreamOwner, options: { wheel: TimerWheel; atMostOnce: boolean }) {
    this.#owner = owner;
    this.#atMostOnce = options.atMostOnce;
    this.#wheel = options.wheel;
  }

  /** All that was taken in has arrived, as far as this delivery mode can know. */
  get delivered(): boolean {
    return this.journal.empty;
  }

  /**
   * Takes in what the client sent, and passes it on at once where nothing is in the way.
   * @returns true where nothing refers to `frames` any more, but who holds `block`.
   */
  push(frames: Buffer, messages: number, block: Block | null = null): boolean {
    const { journal } = this;
    const link = this.#link;
    if (link !== null && (journal.cut || (!this.#held && !journal.hasUnsent && link.writable))) {
      journal.pushSent(frames, messages, block);
      // In one write: a system call fewer here, and often one fewer for the backend and for its answer.
      const carriesBarrier = messages > 0 && this.#barrierDue;
      const free = link.write(frames, messages === 0 || carriesBarrier, block);
      if (carriesBarrier) return this.#sendBarrier(link) || block !== null;
      if (messages > 0) this.#written();
      return free;
    }
    journal.push(frames, messages, block);
    return true;
  }

  /**
   * A link to the next backend: what is kept goes there first, then what is new.
   * @returns how many messages are sent again.
   */
  attach(link: Link): number {
    const replayed = this.journal.replayable;
    this.#link = link;
    this.#held = false;
    this.#unacknowledging = false;
    this.flush();
    // A replay is acknowledged as soon as can be: until then its messages may be sent a third time.
    if (replayed > 0 && this.journal.unacknowledgedBytes > 0) this.sendBarrier();
    return replayed;
  }

  /** The link is lost or left: what it did not acknowledge counts as not sent. */
  detach(): void {
    this.#link = null;
    this.#barrier.reset();
    this.#timer?.stop();
    this.journal.rewind();
  }

  /** Nothing more goes to the present link; what the client sends waits. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.flush();
  }

  /** Number in the stream of the oldest message given to the present link and not acknowledged; null = there is none. */
  get oldestUnacknowledged(): number | null {
    return this.journal.unacknowledgedBytes > 0 ? this.journal.acknowledged : null;
  }

  /** Writes what waits, as far as the link takes it. */
  flush(): void {
    const link = this.#link;
    const { journal } = this;
    if (link === null || this.#held || !journal.hasUnsent) return;
    link.cork();
    while (link.writable || journal.cut) {
      const next = journal.next();
      if (next === null) break;
      link.write(next.run, next.messages === 0, next.block);
    }
    link.uncork();
    this.#written();
  }

  /** This link never answers pings: from now on what it is given counts as arrived. */
  stopAcknowledging(): void {
    this.#unacknowledging = true;
    this.#barrier.reset();
    this.#timer?.stop();
    this.journal.forgetSent();
    this.#owner.journalShrank();
  }

  /** A pong on the present link; true if it was that of the latest barrier. */
  pong(payload: Buffer): boolean {
    const mark = this.#barrier.answered(payload);
    if (mark === null) return false;
    const latest = !this.#barrier.outstanding;
    this.#timer?.stop();
    this.journal.acknowledge(mark);
    if (this.#barrier.outstanding) this.#startTimer(this.#barrier.patienceMs);
    else if (this.journal.unacknowledgedBytes > 0) this.#scheduleBarrier();
    this.#owner.journalShrank();
    return latest;
  }

  /** A ping sent after the barrier was answered, the barrier's own not (yet): ask again. */
  heartbeatAnswered(): void {
    if (this.#barrier.outstanding) this.sendBarrier();
  }

  /** A barrier is out, and not answered. */
  get awaitsPong(): boolean {
    return this.#barrier.outstanding;
  }

  /** The backend answered our Close: all that was before it has arrived. */
  closeAnswered(): void {
    this.journal.forgetSent();
    this.#owner.journalShrank();
  }

  /** Brings out what there is, also what was held, and asks at once whether it arrived: somebody waits for it. */
  hurry(): void {
    this.release();
    if (this.journal.unacknowledgedBytes > 0) this.sendBarrier();
  }

  /** Sends a barrier behind all that was written, in place of one that may be out. */
  sendBarrier(): void {
    if (this.#link !== null) this.#sendBarrier(this.#link);
  }

  /** @returns true where nothing refers to what was written before it. */
  #sendBarrier(link: Link): boolean {
    // Behind our Close no ping goes out, and none must be waited for.
    if (!link.open) return true;
    const free = link.ping(this.#barrier.send(this.journal.mark));
    this.#restedAt = this.#wheel.now() + Barrier.delayMs;
    // Some limit how often they are pinged, and leave a ping unanswered.
    this.#startTimer(this.#barrier.patienceMs);
    return free;
  }

  timerFired(): void {
    // One that a move waits for may have nothing before it that is not acknowledged.
    if (this.#barrier.outstanding || this.journal.unacknowledgedBytes > 0) this.sendBarrier();
  }

  dispose(): void {
    this.#timer?.stop();
    this.#link = null;
    this.journal.abandon();
  }

  get #barrierDue(): boolean {
    if (this.#atMostOnce || this.#unacknowledging || this.#barrier.outstanding) return false;
    return this.journal.unacknowledgedBytes >= Barrier.bytes || this.#wheel.now() >= this.#restedAt;
  }

  #written(): void {
    if (this.#atMostOnce || this.#unacknowledging) {
      this.journal.forgetSent();
      this.#owner.journalShrank();
    } else {
      this.#scheduleBarrier();
    }
  }

  #scheduleBarrier(): void {
    if (this.#barrier.outstanding) return;
    if (this.journal.unacknowledgedBytes >= Barrier.bytes) this.sendBarrier();
    else if (this.#timer === null || !this.#timer.active) this.#startTimer(Barrier.delayMs);
  }

  #startTimer(ms: number): void {
    this.#timer ??= this.#wheel.timer(this, 'barrier');
    this.#timer.start(ms);
  }
}
