/**
 * Whether the client is read: it is not while its journal, or all journals together, are at the bound. With no backend there to
 * empty the journal, `buffer.onFull` decides what becomes of the client.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { Link } from '../link/link.ts';
import type { EventStream, PipeFields } from '../observe/events.ts';
import type { Journal } from './journal.ts';
import type { BudgetTenant, MemoryBudget } from './memory-budget.ts';

export interface IntakeOwner {
  readonly fields: PipeFields;
  /** Milliseconds without a backend; null = there is one. */
  readonly interruptedMs: number | null;
  /** Backends are not read before the client acknowledges: its acks stand behind what is not read of it. */
  readonly waitsForAcks?: boolean;
  /** The bound was reached with no backend there, and the policy is 'close'. */
  bufferFull(): void;
  /** All memory is taken, and this pipe's unfinished message is one that has to go: its client is closed, and what it sent of it dropped. */
  unfinishedGivenUp(): void;
}

/** Live: they can be changed while the gateway runs. */
export interface IntakeLimits {
  readonly maxBytesPerPipe: number;
  readonly onFull: 'close' | 'pause';
}

/** The first round of dials: so long an interruption may last before the policy is applied, milliseconds. */
const graceMs = 1000;
/** Reading goes on below this share of the bound. */
const resumeShare = 0.75;

export class Intake implements BudgetTenant, TimerOwner {
  readonly #owner: IntakeOwner;
  readonly #journal: Journal;
  readonly #budget: MemoryBudget;
  readonly #limits: IntakeLimits;
  readonly #events: EventStream;
  readonly #wheel: TimerWheel;
  #client: Link | null = null;
  #accounted = 0;
  #pausedAt: number | null = null;
  #timer: WheelTimer | null = null;

  constructor(
    owner: IntakeOwner,
    journal: Journal,
    context: { budget: MemoryBudget; limits: IntakeLimits; events: EventStream; wheel: TimerWheel },
  ) {
    this.#owner = owner;
    this.#journal = journal;
    this.#budget = context.budget;
    this.#limits = context.limits;
    this.#events = context.events;
    this.#wheel = context.wheel;
  }

  get heldBytes(): number {
    return this.#accounted;
  }

  get unfinishedBytes(): number {
    return this.#client?.pendingBytes ?? 0;
  }

  get interrupted(): boolean {
    return this.#owner.interruptedMs !== null;
  }

  /** The link to read from; null = there is none. */
  set client(link: Link | null) {
    this.#client = link;
    this.#pausedAt = null;
    this.update();
  }

  /** The journal or the unfinished message grew or shrank. */
  update(): void {
    const held = this.#journal.bytes + (this.#client?.pendingBytes ?? 0);
    if (held !== this.#accounted) {
      const change = held - this.#accounted;
      this.#accounted = held;
      this.#budget.change(change);
    }
    if (this.#pausedAt === null) {
      if (held >= this.#bound || (this.#budget.full && held > 0)) this.#stop();
    } else if (held < this.#bound * (this.#owner.waitsForAcks === true ? 1 : resumeShare)) {
      // Stopped by its own bound, it did not wait for the other one until now.
      if (this.#budget.full) this.#budget.wait(this);
      else this.#go();
    }
  }

  /** The bounds or the policy were changed: one that waits at a bound already is judged anew. */
  limitsChanged(): void {
    this.update();
    if (this.#pausedAt !== null) this.#applyPolicy();
  }

  /** The backend was lost: a journal at its bound will not empty by itself any more. */
  interruptionBegan(): void {
    if (this.#pausedAt !== null || this.#budget.full) this.#applyPolicy();
  }

  yieldMemory(): boolean {
    const ms = this.#owner.interruptedMs;
    if (ms === null || this.#limits.onFull === 'pause') return false;
    if (ms < graceMs) {
      this.#lookAgainIn(graceMs - ms);
      return false;
    }
    this.#owner.bufferFull();
    return true;
  }

  giveUpUnfinished(): void {
    this.#owner.unfinishedGivenUp();
    this.update();
  }

  memoryAvailable(): void {
    this.update();
  }

  timerFired(): void {
    if (this.#pausedAt !== null || this.#budget.full) this.#applyPolicy();
  }

  /** Gives its share of the budget back. Idempotent. */
  dispose(): void {
    this.#timer?.stop();
    this.#budget.leave(this);
    this.#client = null;
    const held = this.#accounted;
    this.#accounted = 0;
    if (held > 0) this.#budget.change(-held);
  }

  /** Twice the usual while the client owes acks: else both ends could be paused, each waiting for what the other has sent. */
  get #bound(): number {
    return this.#limits.maxBytesPerPipe * (this.#owner.waitsForAcks === true ? 2 : 1);
  }

  #stop(): void {
    if (this.#client === null) return;
    this.#pausedAt = this.#wheel.now();
    this.#client.pause();
    this.#events.emit('pipe.paused', { direction: 'toBackend', bufferedBytes: this.#accounted, ...this.#owner.fields });
    if (this.#budget.full) this.#budget.wait(this);
    // The budget may have closed this very pipe.
    if (this.#client !== null) this.#applyPolicy();
  }

  #go(): void {
    const pausedMs = this.#wheel.now() - this.#pausedAt!;
    this.#pausedAt = null;
    this.#timer?.stop();
    this.#budget.leave(this);
    this.#client?.resume();
    this.#events.emit('pipe.resumed', { direction: 'toBackend', pausedMs, ...this.#owner.fields });
  }

  #applyPolicy(): void {
    const ms = this.#owner.interruptedMs;
    if (ms === null) {
      this.#waitForOthers();
      return;
    }
    if (this.#limits.onFull === 'pause') return;
    if (ms < graceMs) this.#lookAgainIn(graceMs - ms);
    else if (this.#accounted >= this.#bound) this.#owner.bufferFull();
    else if (this.#budget.full) this.#budget.relieve();
  }

  /** With a backend there journals empty themselves, the own one and those of others; unfinished messages do not. */
  #waitForOthers(): void {
    if (this.#pausedAt === null || !this.#budget.full) return;
    const leftMs = graceMs - (this.#wheel.now() - this.#pausedAt);
    if (leftMs <= 0) this.#budget.relieveUnfinished();
    // It may be that others fill it again.
    if (this.#pausedAt !== null && this.#client !== null) this.#lookAgainIn(Math.max(leftMs, graceMs / 2));
  }

  #lookAgainIn(ms: number): void {
    this.#timer ??= this.#wheel.timer(this, 'full');
    this.#timer.start(ms);
  }
}
