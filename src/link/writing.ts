/**
 * How one connection is written: what goes together in one system call, what its socket has taken of it, and when the peer last took something.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Block, holdBlock, letGoBlock } from '../wire/byte-blocks.ts';
import type { LinkClock } from './link.ts';

type WrittenSocket = Duplex & { readonly _handle?: { readonly writeQueueSize?: number } | null };

export class Writing {
  readonly #socket: WrittenSocket;
  readonly #clock: LinkClock;
  /** What the socket has taken lies in the kernel; another stream may hand our very memory to its reader. */
  readonly #copies: boolean;
  /** The socket has asked to wait, and has not drained since. */
  #blocked = false;
  /** What was written waits for a frame that follows. */
  #more = false;
  #bytesOut = 0;
  #takenBytes = 0;
  #queuedBytes = 0;
  #progressAt: number;

  constructor(socket: Duplex, clock: LinkClock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#copies = socket instanceof Socket;
    this.#progressAt = clock.fairNow();
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  /** Looks at the socket now; what the kernel took since the last look counts as taken now. */
  get progressAt(): number {
    const waiting = this.#socket.writableLength;
    const taken = this.#bytesOut - waiting;
    // The queue of the write under way tells of progress inside one large write.
    const queued = this.#socket._handle?.writeQueueSize ?? 0;
    if (taken > this.#takenBytes || queued < this.#queuedBytes || waiting === 0) {
      this.#progressAt = this.#clock.fairNow();
    }
    this.#takenBytes = taken;
    this.#queuedBytes = queued;
    return this.#progressAt;
  }

  /** As `Link.write`. */
  write(frames: Buffer, more: boolean, block: Block | null): boolean {
    this.#bytesOut += frames.length;
    if (more && !this.#more) {
      this.#more = true;
      this.#socket.cork();
    }
    const taken = block === null ? this.#socket.write(frames) : this.#writeBlock(frames, block);
    if (!more && this.#more) {
      this.#more = false;
      this.#socket.uncork();
    }
    // What is blocked now was not before: from here the peer has its time to take it.
    if (!taken && !this.#blocked) {
      this.#blocked = true;
      this.#progressAt = this.#clock.fairNow();
    }
    return block !== null || (this.#copies && this.#socket.writableLength === 0);
  }

  #writeBlock(frames: Buffer, block: Block): boolean {
    holdBlock(block);
    return this.#copies ? this.#socket.write(frames, () => letGoBlock(block)) : this.#socket.write(frames);
  }

  /** The socket takes more. */
  drained(): void {
    this.#blocked = false;
  }
}
