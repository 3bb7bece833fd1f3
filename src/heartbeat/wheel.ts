/**
 * One node timer for all heartbeats and deadlines of a manager, and a clock that forgives our own stalls. Timers run on
 * real time; who judges a peer asks `fairNow`, which stands still while nobody could have read what the peer sent.
 */
import { SlotNode, WheelSlots } from './wheel-slots.ts';

/** Where time comes from; all in milliseconds. `setTimeout` must not keep the process alive. */
export interface Clock {
  /** Monotonic. */
  now(): number;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

export interface TimerOwner {
  timerFired(name: string): void;
}

/** Made by TimerWheel.timer. Costs about 80 bytes; may be started and stopped as often as wanted, also when it fires. */
export interface WheelTimer {
  readonly active: boolean;
  /** Fires once, `delayMs` from now or up to one step later, never earlier. Arms anew if it is active. */
  start(delayMs: number): void;
  /** Does nothing if it is not active. */
  stop(): void;
}

export interface TimerWheelOptions {
  readonly clock?: Clock;
  /** Milliseconds between two ticks: how late a timer may be. Default 10. */
  readonly stepMs?: number;
  /** Milliseconds a tick may come late before the rest counts as a stall. Default 50. */
  readonly stallMs?: number;
  /** Told of each stall, before timers fire: by how many milliseconds `fairNow` was held back. */
  readonly onStall?: (stalledMs: number) => void;
  /** What an owner or `onStall` threw. Default: throws it in a microtask, an uncaught exception. */
  readonly onError?: (error: unknown) => void;
}

export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  setTimeout: (fn: () => void, ms: number) => setTimeout(fn, ms).unref(),
  clearTimeout: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout),
});

/** While a timer is armed a tick comes at least so often, milliseconds: a stall is seen at most so late. */
const longestSleepMs = 100;
/** `lag().maxMs` covers the last one to two of these, milliseconds. */
const lagWindowMs = 15_000;

let arm: (wheel: TimerWheel, entry: Entry, delayMs: number) => void;
let disarm: (wheel: TimerWheel, entry: Entry) => void;

class Entry extends SlotNode implements WheelTimer {
  readonly wheel: TimerWheel;
  readonly owner: TimerOwner;
  readonly name: string;

  constructor(wheel: TimerWheel, owner: TimerOwner, name: string) {
    super();
    this.wheel = wheel;
    this.owner = owner;
    this.name = name;
  }

  get active(): boolean {
    return this.next !== null;
  }

  start(delayMs: number): void {
    arm(this.wheel, this, delayMs);
  }

  stop(): void {
    if (this.next !== null) disarm(this.wheel, this);
  }
}

export class TimerWheel {
  // Entry lives in this file and is the only caller of the two.
  static {
    arm = (wheel, entry, delayMs) => wheel.#arm(entry, delayMs);
    disarm = (wheel, entry) => wheel.#disarm(entry);
  }

  readonly #clock: Clock;
  readonly #stepMs: number;
  readonly #stallMs: number;
  readonly #onStall: (stalledMs: number) => void;
  readonly #onError: (error: unknown) => void;
  readonly #slots = new WheelSlots<Entry>();
  /** Real time of tick 0. */
  readonly #origin: number;
  /** The last tick whose timers have fired. */
  #tick = 0;
  #phase: 'waiting' | 'firing' | 'disposed' = 'waiting';
  #handle: unknown = null;
  /** Tick of the node timer; Infinity without one. */
  #wakeTick = Infinity;
  /** Real time by which our loop should have come back to us; Infinity while nothing is armed. */
  #wakeAt = Infinity;
  /** Sum of all stalls, milliseconds. */
  #stalledMs = 0;

  #lastLagMs = 0;
  #lagMaxMs = 0;
  #lagMaxBeforeMs = 0;
  #lagWindowAt: number;

  constructor(options: TimerWheelOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#stepMs = options.stepMs ?? 10;
    this.#stallMs = options.stallMs ?? 50;
    this.#onStall = options.onStall ?? ignore;
    this.#onError = options.onError ?? throwLater;
    this.#origin = this.#clock.now();
    this.#lagWindowAt = this.#origin;
  }

  /** Armed timers. */
  get size(): number {
    return this.#slots.size;
  }

  /** Monotonic milliseconds, real. A machine asleep does not count on Linux (CLOCK_MONOTONIC). */
  now(): number {
    return this.#clock.now();
  }

  /**
   * Monotonic milliseconds that do not run on while our own event loop stands still, the process is stopped (SIGSTOP) or
   * the machine sleeps: `now()` less all stalls. It halts by itself once a tick is `stallMs` overdue, so what is recorded
   * after a stall and before its tick is not in the future. Without an armed timer it cannot see stalls.
   */
  fairNow(): number {
    return Math.min(this.#clock.now(), this.#wakeAt + this.#stallMs) - this.#stalledMs;
  }

  /** Makes a timer, not armed. `name` tells the owner which of its timers fired. */
  timer(owner: TimerOwner, name: string): WheelTimer {
    return new Entry(this, owner, name);
  }

  /**
   * How late the event loop came back to us, milliseconds: at the last tick, and at worst in the last 15 to 30 s.
   * Reading changes nothing, so several readers do not take it from each other. Ticks come only while a timer is armed.
   */
  lag(): { readonly maxMs: number; readonly lastMs: number } {
    this.#turnLagWindow(this.#clock.now());
    return { maxMs: Math.max(this.#lagMaxMs, this.#lagMaxBeforeMs), lastMs: this.#lastLagMs };
  }

  /** Stops all timers for good: starting one does nothing afterwards. Idempotent. */
  dispose(): void {
    this.#phase = 'disposed';
    this.#slots.clear();
    this.#cancel();
  }

  #arm(entry: Entry, delayMs: number): void {
    if (this.#phase === 'disposed') return;
    const now = this.#clock.now();
    if (entry.active) this.#slots.remove(entry);
    // Nothing was armed, so no tick was kept up.
    else if (this.#wakeAt === Infinity) this.#tick = Math.max(this.#tick, this.#tickBefore(now));
    const wanted = Math.ceil((now + (delayMs > 0 ? delayMs : 0) - this.#origin) / this.#stepMs);
    const due = Math.max(wanted, this.#tick + 1);
    this.#slots.add(entry, due);
    if (this.#phase === 'waiting' && due < this.#wakeTick) this.#sleep(now);
  }

  #disarm(entry: Entry): void {
    this.#slots.remove(entry);
    if (this.#slots.size > 0 || this.#phase !== 'waiting') return;
    this.#countStall(this.#clock.now());
    // Who heard of the stall may have armed a timer.
    if (this.#slots.size === 0) this.#cancel();
  }

  readonly #wake = (): void => {
    if (this.#phase === 'disposed') return;
    this.#handle = null;
    this.#phase = 'firing';
    const now = this.#clock.now();
    this.#noteLag(now);
    this.#countStall(now);
    try {
      this.#fire(this.#tickBefore(now));
    } finally {
      this.#rest();
    }
  };

  #fire(to: number): void {
    const from = this.#tick;
    // First, so that what is armed meanwhile lies ahead.
    this.#tick = Math.max(from, to);
    this.#slots.expire(from, to);
    for (let entry = this.#slots.takeExpired(); entry !== null; entry = this.#slots.takeExpired()) {
      try {
        entry.owner.timerFired(entry.name);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  #rest(): void {
    if (this.#isDisposed()) return;
    this.#phase = 'waiting';
    const now = this.#clock.now();
    // Thousands of callbacks in a row are a stall too.
    this.#countStall(now);
    if (this.#isDisposed()) return;
    if (this.#slots.size === 0) this.#cancel();
    else this.#sleep(now);
  }

  /** Sets the node timer to the next slot that is not empty. */
  #sleep(now: number): void {
    if (this.#handle !== null) this.#clock.clearTimeout(this.#handle);
    const most = Math.max(1, Math.floor(longestSleepMs / this.#stepMs));
    this.#wakeTick = this.#slots.nextBusy(this.#tick, most);
    const ms = Math.max(1, Math.ceil(this.#origin + this.#wakeTick * this.#stepMs - now));
    this.#wakeAt = now + ms;
    this.#handle = this.#clock.setTimeout(this.#wake, ms);
  }

  #cancel(): void {
    if (this.#handle !== null) this.#clock.clearTimeout(this.#handle);
    this.#handle = null;
    this.#wakeTick = Infinity;
    this.#wakeAt = Infinity;
  }

  /** The last tick that is over at `now`. */
  #tickBefore(now: number): number {
    return Math.floor((now - this.#origin) / this.#stepMs);
  }

  #isDisposed(): boolean {
    return this.#phase === 'disposed';
  }

  /** fairNow() has stopped at `#wakeAt + #stallMs`; from here it goes on without a jump. */
  #countStall(now: number): void {
    const excess = now - this.#wakeAt - this.#stallMs;
    if (this.#wakeAt !== Infinity) this.#wakeAt = now;
    if (excess <= 0) return;
    this.#stalledMs += excess;
    try {
      this.#onStall(excess);
    } catch (error) {
      this.#onError(error);
    }
  }

  #noteLag(now: number): void {
    this.#turnLagWindow(now);
    this.#lastLagMs = Math.max(0, now - this.#wakeAt);
    this.#lagMaxMs = Math.max(this.#lagMaxMs, this.#lastLagMs);
  }

  #turnLagWindow(now: number): void {
    const passed = now - this.#lagWindowAt;
    if (passed < lagWindowMs) return;
    this.#lagMaxBeforeMs = passed < 2 * lagWindowMs ? this.#lagMaxMs : 0;
    this.#lagMaxMs = 0;
    this.#lagWindowAt = now;
  }
}

function ignore(): void {}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
