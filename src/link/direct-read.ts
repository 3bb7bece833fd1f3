/**
 * Reads of plain TCP sockets without an allocation per read. node:net gives each read 64 KiB of fresh memory; that memory, not the relay, would
 * be most of the work, and from some rate on V8 collects garbage all the time ("external memory pressure"). So all sockets of
 * the process are read into one buffer, from where the bytes go to a block that is used again at once if nobody kept them. What is kept
 * holds at most some 16 times its own size, and once for each socket a block.
 *
 * The seam with node:net, all of it: the `onread` option of net.connect() exists only for sockets one connects oneself, not for those of an
 * HTTP server or after an upgrade. What that option does is done here to a socket that exists. Where node is built otherwise (or the
 * socket is no net.Socket), the socket is read by its `data` events, as ever.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** @returns true where nobody refers to `bytes` any more: their memory is used again. */
export type DirectReader<S> = (socket: S, bytes: Buffer) => boolean;

/** As much as libuv reads at once. */
const readBytes = 65_536;
/** What is kept of a smaller read would hold memory far beyond its own size. */
const smallBytes = 4096;
/** The last read of this socket was kept. */
const kKept = Symbol('holdfast.kept');
/** A power of two. */
const viewSlots = 64;
const none = Buffer.alloc(0);

const internals = findInternals();

/** The two fields that net.Socket's constructor fills from `onread`; null = this node has others. */
function findInternals(): { buffer: symbol; callback: symbol } | null {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  return buffer === undefined || callback === undefined ? null : { buffer, callback };
}

interface ReadableHandle {
  useUserBuffer?(buffer: Buffer): void;
}

export class DirectReads<S extends Duplex> {
  readonly #reader: DirectReader<S>;
  /** Where the kernel writes. */
  readonly #landing = Buffer.allocUnsafeSlow(readBytes);
  #block = Buffer.allocUnsafeSlow(readBytes);
  #used = 0;
  /** Views of both that were made lately, by the last bits of their length: most reads need no new one. */
  readonly #landed: Buffer[] = Array.from({ length: viewSlots }, () => none);
  readonly #handedOn: Buffer[] = Array.from({ length: viewSlots }, () => none);
  readonly #onRead: (this: S, bytes: number, landing: Buffer) => void;

  constructor(reader: DirectReader<S>) {
    this.#reader = reader;
    const reads = this;
    this.#onRead = function (bytes, landing) {
      reads.#read(this, bytes, landing);
    };
  }

  /** From now on what comes goes to the reader, and only what node had read before comes as `data`. @returns false where that cannot be. */
  adopt(socket: S): boolean {
    if (internals === null || !(socket instanceof Socket) || 'encrypted' in socket) return false;
    const fields = socket as unknown as Record<symbol, unknown> & { _handle: ReadableHandle | null };
    if (fields[internals.buffer] !== null || typeof fields._handle?.useUserBuffer !== 'function') return false;
    fields[internals.buffer] = this.#landing;
    fields[internals.callback] = this.#onRead;
    fields._handle.useUserBuffer(this.#landing);
    return true;
  }

  #read(socket: S & { [kKept]?: boolean }, length: number, landing: Buffer): void {
    if (length < smallBytes && socket[kKept] === true) {
      // A peer that takes nothing would else keep a block of others' bytes for each of these.
      const own = Buffer.allocUnsafeSlow(length);
      own.set(landing.subarray(0, length));
      socket[kKept] = !this.#reader(socket, own);
      return;
    }
    if (length > this.#block.length - this.#used) {
      this.#block = Buffer.allocUnsafeSlow(readBytes);
      this.#used = 0;
    }
    const slot = length & (viewSlots - 1);
    let landed = this.#landed[slot]!;
    if (landed.length !== length) {
      landed = landing.subarray(0, length);
      this.#landed[slot] = landed;
    }
    const block = this.#block;
    const start = this.#used;
    block.set(landed, start);
    this.#used = start + length;
    let bytes = this.#handedOn[slot]!;
    // One that was kept is never met here again: what lies at its place is not handed on a second time.
    if (bytes.length !== length || bytes.byteOffset !== start || bytes.buffer !== block.buffer) {
      bytes = block.subarray(start, this.#used);
      this.#handedOn[slot] = bytes;
    }
    const free = this.#reader(socket, bytes);
    if (free) this.#used = start;
    if (free === (socket[kKept] === true)) socket[kKept] = !free;
  }
}
