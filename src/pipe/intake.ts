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
  /** What a client that acknowledges was told that it may keep, and send before it has an ack. Default 0. */
  readonly maxKeptBytes?: number;
  /** Backends are not read for want of acks for so long, in milliseconds; null = they are read, or wait for something else. */
  readonly acksOwedMs?: number | null;
  /** The bound was reached with no backend there, and the policy is 'close'. */
  bufferFull(): void;
  /** All memory is taken, and this pipe is one that has to go: its client is closed, and what it sent of an unfinished message dropped. */
  memoryGivenUp(): void;
  /** Neither end is read, each for want of what the other would say, and nothing but the end of the client's link can change that. */
  stoodStill(): void;
}

/** Live: they can be changed while the gateway runs. */
export interface IntakeLimits {
  readonly maxBytesPerPipe: number;
  readonly onFull: 'close' | 'pause';
}

/** The first round of dials: so long an interruption may last before the policy is applied, milliseconds. */
const graceMs = 1000;
/** A client whose acks cannot be read has so long to take what is on its way to it, milliseconds: what it says when it comes back is an ack, too. */
const standstillMs = 5000;
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
  #givenUp = false;
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

  get stuckBytes(): number {
    // One that was given up already delivers what it can: its bytes are on their way.
    if (this.#givenUp) return this.#accounted;
    // Its policy decides, and the next backend frees all it holds.
    if (this.interrupted) return 0;
    return (this.#owner.acksOwedMs ?? 0) >= graceMs ? this.#accounted : (this.#client?.pendingBytes ?? 0);
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
    // An unfinished message alone, which a lowered bound may be below, can only go away if it is read on.
    const mayEmpty = this.#journal.bytes > 0;
    if (this.#pausedAt === null) {
      if ((mayEmpty && held >= this.#bound) || (this.#budget.full && held > 0)) this.#stop();
    } else if (!mayEmpty || held < this.#bound * (this.#owner.waitsForAcks === true ? 1 : resumeShare)) {
      // Stopped by its own bound, it did not wait for the other one until now. One that holds nothing may always send a message.
      if (this.#budget.full && held > 0) this.#budget.wait(this);
      else this.#go();
    } else {
      this.#watchStandstill();
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
    if (ms === null || ms < graceMs || this.#limits.onFull === 'pause') return false;
    this.#owner.bufferFull();
    return true;
  }

  giveUp(): void {
    if (this.#givenUp) return;
    this.#givenUp = true;
    this.#owner.memoryGivenUp();
    this.update();
  }

  memoryAvailable(): void {
    this.update();
  }

  timerFired(): void {
    if (this.#stillForMs >= standstillMs) this.#owner.stoodStill();
    else if (this.#pausedAt !== null || this.#budget.full) this.#applyPolicy();
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
    const { maxBytesPerPipe } = this.#limits;
    if (this.#owner.waitsForAcks !== true) return maxBytesPerPipe;
    return 2 * Math.max(maxBytesPerPipe, this.#owner.maxKeptBytes ?? 0);
  }

  #stop(): void {
    if (this.#client === null) return;
    this.#pausedAt = this.#wheel.fairNow();
    this.#client.pause();
    this.#events.emit('pipe.paused', { direction: 'toBackend', bufferedBytes: this.#accounted, ...this.#owner.fields });
    if (this.#budget.full) this.#budget.wait(this);
    // The budget may have closed this very pipe.
    if (this.#client !== null) this.#applyPolicy();
  }

  #go(): void {
    const pausedMs = this.#wheel.fairNow() - this.#pausedAt!;
    this.#pausedAt = null;
    this.#timer?.stop();
    this.#budget.leave(this);
    this.#client?.resume();
    this.#events.emit('pipe.resumed', { direction: 'toBackend', pausedMs, ...this.#owner.fields });
  }

  #applyPolicy(): void {
    const ms = this.#owner.interruptedMs;
    if (ms === null) {
      this.#watchStandstill();
      return;
    }
    if (this.#limits.onFull === 'pause') return;
    if (this.#budget.full) this.#budget.relieve();
    if (this.#accounted < this.#bound) return;
    if (ms < graceMs) this.#lookAgainIn(graceMs - ms);
    else this.#owner.bufferFull();
  }

  /** Milliseconds; -1 = it does not: one of the two is read, or there is no backend. */
  get #stillForMs(): number {
    const owedMs = this.#owner.acksOwedMs ?? null;
    if (this.interrupted || this.#pausedAt === null || owedMs === null || this.#accounted < this.#bound) return -1;
    return Math.min(owedMs, this.#wheel.fairNow() - this.#pausedAt);
  }

  /** With a backend there journals empty themselves, unless it is not read: its pongs lie behind what it says. */
  #watchStandstill(): void {
    const ms = this.#stillForMs;
    if (ms >= 0) this.#lookAgainIn(standstillMs - ms);
  }

  #lookAgainIn(ms: number): void {
    this.#timer ??= this.#wheel.timer(this, 'full');
    this.#timer.start(ms);
  }
}
