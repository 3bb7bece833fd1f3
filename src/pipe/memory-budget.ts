/** The bytes that all journals together may hold (buffer.maxTotalBytes), and who is dealt with when they reach it. */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';

export interface BudgetTenant {
  /** Bytes held now. */
  readonly heldBytes: number;
  /** Of these, what does not go away by itself although there is a backend: more would have to come of a client that is not read. */
  readonly stuckBytes: number;
  /** Without a backend: its bytes will not go away by themselves. */
  readonly interrupted: boolean;
  /** Deal with it by its policy; true = its bytes are free now or soon. */
  yieldMemory(): boolean;
  /** Its client is given up; what is stuck is free now or soon. */
  giveUp(): void;
  /** There is room again. */
  memoryAvailable(): void;
}

/** Reading goes on below this share of the bound, so that it does not stop and go at the edge. */
const resumeShare = 0.9;
/** So long somebody waits before a client with a backend is given up, milliseconds. */
const graceMs = 1000;
/** Between two looks at all pipes, milliseconds: there may be many, and many who wait. */
const lookMs = 500;

export class MemoryBudget implements TimerOwner {
  maxBytes: number;
  #usedBytes = 0;
  readonly #waiting = new Set<BudgetTenant>();
  readonly #tenants: () => Iterable<BudgetTenant>;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  /** Since when the timer has been running, on the fair clock: the acks that would make room may lie unread behind a stall of ours. */
  #fullSince = 0;

  constructor(maxBytes: number, tenants: () => Iterable<BudgetTenant>, wheel: TimerWheel) {
    this.maxBytes = maxBytes;
    this.#tenants = tenants;
    this.#wheel = wheel;
    this.#timer = wheel.timer(this, 'memory');
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get full(): boolean {
    return this.#usedBytes >= this.maxBytes;
  }

  change(bytes: number): void {
    this.#usedBytes += bytes;
    if (bytes < 0 && this.#timer.active && this.#excess < 0) this.#wake();
  }

  /** At the bound: `tenant` is told when there is room, and room is made where that can be. Idempotent. */
  wait(tenant: BudgetTenant): void {
    this.#waiting.add(tenant);
    this.relieve();
  }

  /** Room is made where that can be, now or at the next look, which come until there is some. */
  relieve(): void {
    if (this.#timer.active) return;
    this.#fullSince = this.#wheel.fairNow();
    this.#look();
  }

  leave(tenant: BudgetTenant): void {
    this.#waiting.delete(tenant);
  }

  timerFired(): void {
    if (this.full) this.#look();
    // Below the bound, and not so far below it that they were told.
    else this.#wake();
  }

  get #excess(): number {
    return this.#usedBytes - this.maxBytes * resumeShare;
  }

  #look(): void {
    // First: who is dealt with may make others wait.
    this.#timer.start(lookMs);
    const left = this.#relieveInterrupted();
    if (left > 0 && this.#wheel.fairNow() - this.#fullSince >= graceMs) this.#relieveStuck(left);
  }

  /** The largest interrupted pipes are dealt with, as many as it takes; their bytes are free when they have been closed. @returns what is still to be freed. */
  #relieveInterrupted(): number {
    let excess = this.#excess;
    const interrupted = [...this.#tenants()].filter((one) => one.interrupted && one.heldBytes > 0);
    for (const one of interrupted.sort((a, b) => b.heldBytes - a.heldBytes)) {
      if (excess <= 0) break;
      const { heldBytes } = one;
      if (one.yieldMemory()) excess -= heldBytes;
    }
    return excess;
  }

  /**
   * Room does not come by itself: what fills the memory waits for clients who are not read, or who could go on and do not. Those with the
   * most of it are given up, as many as it takes, so that they cannot stop all the others.
   */
  #relieveStuck(excess: number): void {
    let left = excess;
    const stuck = [...this.#tenants()].map((one) => ({ one, bytes: one.stuckBytes })).filter(({ bytes }) => bytes > 0);
    for (const { one, bytes } of stuck.sort((a, b) => b.bytes - a.bytes)) {
      if (left <= 0) return;
      one.giveUp();
      left -= bytes;
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#timer.stop();
    for (const tenant of waiting) tenant.memoryAvailable();
  }
}
