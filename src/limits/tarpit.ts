/**
 * Connections that are dropped, kept open unread for a while: dropped at once, whoever closes and comes back would be there again thousands of
 * times a second, and have the gateway do little but that. How many are kept is bounded; more are dropped at once.
 */
import type { Socket } from 'node:net';

export interface TarpitBounds {
  /** Most connections at one time. */
  readonly most: number;
  /** Each for so long at least, and at most twice as long, milliseconds: those that came together do not go together. */
  readonly holdMs: number;
}

export class Tarpit {
  readonly #bounds: TarpitBounds;
  readonly #held = new Map<Socket, NodeJS.Timeout>();
  #over = false;

  constructor(bounds: TarpitBounds) {
    this.#bounds = bounds;
  }

  /** Connections in it. */
  get size(): number {
    return this.#held.size;
  }

  /** It ends, now or later. @param socket that a server has just accepted, and that nobody reads. */
  take(socket: Socket): void {
    const { most, holdMs } = this.#bounds;
    if (this.#over || this.#held.size >= most) {
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), holdMs * (1 + Math.random())).unref();
    this.#held.set(socket, timer);
    socket
      .once('close', () => {
        clearTimeout(timer);
        this.#held.delete(socket);
      })
      .on('error', () => {});
  }

  /** All end, and from now on each at once. Idempotent. */
  dispose(): void {
    this.#over = true;
    for (const socket of this.#held.keys()) socket.destroy();
  }
}
