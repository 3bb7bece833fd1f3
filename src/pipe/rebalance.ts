/**
 * After a scale-out: moves pipes to one backend until it has its fair share, at a given rate, the quiet ones first. Pipes in use
 * wait until they are quiet, or the time is up.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { EventStream } from '../observe/events.ts';
import type { Backend } from '../pool/backend.ts';
import { Moves, type MovesContext } from './moves.ts';
import type { PersistentPipe } from './persistent-pipe.ts';

export interface RebalanceOptions {
  readonly pipesPerSecond: number;
  readonly timeoutMs: number;
  /** A pipe is quiet when nothing came on either link for this long. */
  readonly quietMs: number;
}

export interface RebalanceContext extends MovesContext {
  readonly wheel: TimerWheel;
  readonly events: EventStream;
  readonly pool: MovesContext['pool'] & { list(): readonly Backend[] };
  attached(backend: Backend): PersistentPipe[];
  rebalanced(rebalance: Rebalance): void;
}

const stepMs = 20;

/** Connections `backend` should have, of all that enabled backends have now, by weight. */
export function fairShare(backend: Backend, backends: readonly Backend[]): number {
  const enabled = backends.filter((one) => one.enabled);
  const connections = enabled.reduce((sum, one) => sum + one.connections, 0);
  const weights = enabled.reduce((sum, one) => sum + one.weight, 0);
  return weights === 0 ? 0 : Math.floor((connections * backend.weight) / weights);
}

export class Rebalance implements TimerOwner {
  readonly backend: Backend;
  /** Pipes to move, as planned at the start. */
  readonly planned: number;
  readonly #context: RebalanceContext;
  readonly #options: RebalanceOptions;
  readonly #timer: WheelTimer;
  readonly #startedAt: number;
  readonly #moves: Moves;
  #lastStepAt: number;
  #credit = 1;
  #moved = 0;

  constructor(context: RebalanceContext, backend: Backend, options: RebalanceOptions) {
    this.#context = context;
    this.#options = options;
    this.#moves = new Moves(context);
    this.backend = backend;
    const wanted = Math.min(
      fairShare(backend, context.pool.list()),
      backend.maxConnections ?? Number.POSITIVE_INFINITY,
    );
    this.planned = Math.max(0, wanted - backend.connections);
    this.#timer = context.wheel.timer(this, 'rebalance');
    this.#startedAt = context.wheel.now();
    this.#lastStepAt = this.#startedAt;
  }

  start(): void {
    this.timerFired();
  }

  /** Idempotent. */
  cancel(): void {
    this.#timer.stop();
  }

  timerFired(): void {
    const now = this.#context.wheel.now();
    const over = now - this.#startedAt >= this.#options.timeoutMs || this.backend.removed || !this.backend.enabled;
    if (over || this.#moved >= this.planned) {
      this.#finish(now);
      return;
    }
    const { pipesPerSecond } = this.#options;
    // Below 1 it is the share of one gateway among many.
    const most = Math.max(1, pipesPerSecond);
    this.#credit = Math.min(this.#credit + ((now - this.#lastStepAt) * pipesPerSecond) / 1000, most);
    this.#lastStepAt = now;
    if (this.#credit >= 1) this.#step();
    this.#timer.start(stepMs);
  }

  #step(): void {
    if (this.backend.full) return;
    for (const { pipe, from } of this.#candidates()) {
      if (this.#credit < 1 || this.backend.full || this.#moved + this.#moves.size >= this.planned) return;
      // One backend must not fall below its share because its pipes are the quieter ones.
      if (from.surplus <= 0) continue;
      from.surplus -= 1;
      this.#credit -= 1;
      this.#moves.begin(pipe, { cause: 'rebalance', to: this.backend.id }, () => {
        this.#moved += 1;
      });
    }
  }

  /** Quiet pipes of enabled backends above their share, the quietest first; with how many more each of these may lose. */
  #candidates() {
    const backends = this.#context.pool.list();
    const fair = this.#context.wheel.fairNow();
    const found: { pipe: PersistentPipe; quietMs: number; from: { surplus: number } }[] = [];
    for (const backend of backends) {
      // Who is not enabled keeps its pipes, or is drained.
      if (backend === this.backend || !backend.enabled) continue;
      // Not `connections`: links that are read out after their move count there, and those about to move.
      const staying = this.#context.attached(backend).filter((pipe) => !this.#moves.has(pipe));
      const from = { surplus: staying.length - fairShare(backend, backends) };
      if (from.surplus <= 0) continue;
      for (const pipe of staying) {
        if (!this.#moves.mayBegin(pipe)) continue;
        const quietMs = pipe.quietMs(fair);
        if (quietMs >= this.#options.quietMs) found.push({ pipe, quietMs, from });
      }
    }
    return found.sort((a, b) => b.quietMs - a.quietMs);
  }

  #finish(now: number): void {
    this.cancel();
    this.#context.events.emit('backend.rebalanced', {
      backendId: this.backend.id,
      backendUrl: this.backend.urlText,
      planned: this.planned,
      moved: this.#moved,
      durationMs: now - this.#startedAt,
    });
    this.#context.rebalanced(this);
  }
}
