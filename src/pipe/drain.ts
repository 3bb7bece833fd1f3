/**
 * Empties a backend at a given rate: each pipe migrates; those that have not moved when the time is up fail over. One Drain per
 * draining backend.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { EventStream } from '../observe/events.ts';
import type { Backend } from '../pool/backend.ts';
import { Moves, type MovesContext } from './moves.ts';
import type { PersistentPipe } from './persistent-pipe.ts';

export interface DrainOptions {
  readonly timeoutMs: number;
  readonly pipesPerSecond: number;
}

export interface DrainContext extends MovesContext {
  readonly wheel: TimerWheel;
  readonly events: EventStream;
  /** The pipes attached to the backend now. */
  attached(backend: Backend): PersistentPipe[];
  /** The backend has no pipe any more. */
  drained(drain: Drain): void;
}

const stepMs = 20;

export class Drain implements TimerOwner {
  readonly backend: Backend;
  /** Take the backend from the pool when it is empty. */
  readonly remove: boolean;
  readonly #context: DrainContext;
  readonly #options: DrainOptions;
  readonly #startedAt: number;
  readonly #progress: { readonly startedAt: number; migrated: number; failedOver: number };
  readonly #timer: WheelTimer;
  readonly #moves: Moves;
  #credit = 0;
  #lastStepAt: number;

  constructor(context: DrainContext, backend: Backend, options: DrainOptions & { readonly remove: boolean }) {
    this.#context = context;
    this.backend = backend;
    this.remove = options.remove;
    this.#options = options;
    this.#moves = new Moves(context);
    this.#startedAt = context.wheel.now();
    this.#lastStepAt = this.#startedAt;
    this.#progress = { startedAt: Date.now(), migrated: 0, failedOver: 0 };
    this.#timer = context.wheel.timer(this, 'drain');
  }

  start(): void {
    this.backend.drain = this.#progress;
    const { backend } = this;
    this.#context.events.emit('backend.draining', {
      backendId: backend.id,
      backendUrl: backend.urlText,
      pipes: backend.connections,
      timeoutMs: this.#options.timeoutMs,
    });
    this.#credit = 1;
    this.timerFired();
  }

  /** Leaves the pipes that have not moved where they are. Idempotent. */
  cancel(): void {
    this.#timer.stop();
    this.backend.drain = null;
  }

  timerFired(): void {
    if (this.backend.connections === 0) {
      this.#finish();
      return;
    }
    const now = this.#context.wheel.now();
    this.#credit = Math.min(
      this.#credit + ((now - this.#lastStepAt) * this.#options.pipesPerSecond) / 1000,
      this.#options.pipesPerSecond,
    );
    this.#lastStepAt = now;
    if (now - this.#startedAt >= this.#options.timeoutMs) this.#giveUp();
    else if (this.#credit >= 1) this.#step();
    this.#timer.start(stepMs);
  }

  #step(): void {
    for (const pipe of this.#context.attached(this.backend)) {
      if (this.#credit < 1) return;
      if (!this.#moves.mayBegin(pipe)) continue;
      this.#credit -= 1;
      this.#moves.begin(pipe, { cause: 'drain' }, () => {
        this.#progress.migrated += 1;
      });
    }
  }

  #giveUp(): void {
    for (const pipe of this.#context.attached(this.backend)) {
      if (pipe.interrupt('drain')) this.#progress.failedOver += 1;
    }
  }

  #finish(): void {
    this.#timer.stop();
    const { backend } = this;
    this.#context.events.emit('backend.drained', {
      backendId: backend.id,
      backendUrl: backend.urlText,
      durationMs: this.#context.wheel.now() - this.#startedAt,
      migrated: this.#progress.migrated,
      failedOver: this.#progress.failedOver,
    });
    this.backend.drain = null;
    this.#context.drained(this);
  }
}
