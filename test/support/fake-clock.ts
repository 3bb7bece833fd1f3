/** Time that moves only when a test says so. */
import type { Clock } from '../../src/heartbeat/wheel.ts';

interface Planned {
  readonly at: number;
  readonly fn: () => void;
}

/** Time moves only when told to. */
export class FakeClock implements Clock {
  readonly planned = new Set<Planned>();
  #now: number;

  constructor(now = 1_000.25) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(fn: () => void, ms: number): unknown {
    const planned = { at: this.#now + ms, fn };
    this.planned.add(planned);
    return planned;
  }

  clearTimeout(handle: unknown): void {
    this.planned.delete(handle as Planned);
  }

  /** Lets `ms` pass; what falls due runs in time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.planned].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.planned.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Lets `ms` pass with a blocked event loop: what falls due runs at the next `advance`. */
  stall(ms: number): void {
    this.#now += ms;
  }
}
