/**
 * Reads of plain TCP sockets without an allocation per read. node:net gives each read 64 KiB of fresh memory; that memory, not the relay, would
 * be most of the work, and from some rate on V8 collects garbage all the time ("external memory pressure"). So all sockets of
 * the process are read into one buffer, from where the bytes go to a block that is used again at once if nobody kept them. What is kept
 * holds at most some 16 times its own size, and once for each socket a block. The rest of a large message is read to where its reader keeps
 * it: as much at once as there is room for, and without a copy.
 *
 * The seam with node:net, all of it: the `onread` option of net.connect() exists only for sockets one connects oneself, not for those of an
 * HTTP server or after an upgrade. What that option does is done here to a socket that exists. Where node is built otherwise (or the
 * socket is no net.Socket), the socket is read by its `data` events, as ever.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface DirectReader<S> {
  /** @returns true where nobody refers to `bytes` any more: their memory is used again. */
  read(socket: S, bytes: Buffer): boolean;
  /**
   * Where the next bytes of a socket should be read to, which was read full or to such a place before; null = anywhere. It must stay good until it is
   * asked again.
   */
  room(socket: S): Buffer | null;
}

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

/** The three fields that net.Socket's constructor fills from `onread`; null = this node has others. */
function findInternals(): { buffer: symbol; callback: symbol; next: symbol } | null {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const called = (name: string): symbol | undefined => symbols.find(({ description }) => description === name);
  const buffer = called('kBuffer');
  const callback = called('kBufferCb');
  // Called after each read; where it answers with a buffer, the next read goes there.
  const next = called('kBufferGen');
  return buffer === undefined || callback === undefined || next === undefined ? null : { buffer, callback, next };
}

interface ReadableHandle {
  useUserBuffer?(buffer: Buffer): void;
}

/** The socket that was told in the last read of all to be read to another place. */
let switched: Duplex | null = null;
let watched = false;

/**
 * Node looks for what is due in the next tick before it goes over to the other place, and does not go over where that throws. In a process that
 * lives on nevertheless the socket would be read to the place before, which may be somebody else's by now: it ends here.
 */
function watchExceptions(): void {
  watched = true;
  process.on('uncaughtExceptionMonitor', () => switched?.destroy());
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
  /** Where the socket that was read last is read to from now on; undefined = where it was. */
  #next: Buffer | undefined;
  readonly #onRead: (this: S, bytes: number, into: Buffer) => void;
  readonly #afterRead = (): Buffer | undefined => {
    const next = this.#next;
    this.#next = undefined;
    return next;
  };

  constructor(reader: DirectReader<S>) {
    this.#reader = reader;
    const reads = this;
    this.#onRead = function (bytes, into) {
      // Whoever it was has gone over by now.
      switched = null;
      if (into === reads.#landing) reads.#land(this, bytes);
      else reads.#inPlace(this, bytes, into);
    };
  }

  /** From now on what comes goes to the reader, and only what node had read before comes as `data`. @returns false where that cannot be. */
  adopt(socket: S): boolean {
    if (internals === null || !(socket instanceof Socket) || 'encrypted' in socket) return false;
    const fields = socket as unknown as Record<symbol, unknown> & { _handle: ReadableHandle | null };
    if (fields[internals.buffer] !== null || typeof fields._handle?.useUserBuffer !== 'function') return false;
    if (!watched) watchExceptions();
    fields[internals.buffer] = this.#landing;
    fields[internals.callback] = this.#onRead;
    fields._handle.useUserBuffer(this.#landing);
    return true;
  }

  #inPlace(socket: S, length: number, into: Buffer): void {
    try {
      this.#reader.read(socket, length === into.length ? into : into.subarray(0, length));
    } catch (error) {
      // Who survives it would read the next bytes over these.
      socket.destroy();
      throw error;
    }
    this.#readNextInto(socket, this.#reader.room(socket) ?? this.#landing);
  }

  #land(socket: S & { [kKept]?: boolean }, length: number): void {
    if (length < smallBytes && socket[kKept] === true) {
      // A peer that takes nothing would else keep a block of others' bytes for each of these.
      const own = Buffer.allocUnsafeSlow(length);
      own.set(this.#landing.subarray(0, length));
      socket[kKept] = !this.#reader.read(socket, own);
      return;
    }
    if (length > this.#block.length - this.#used) {
      this.#block = Buffer.allocUnsafeSlow(readBytes);
      this.#used = 0;
    }
    const slot = length & (viewSlots - 1);
    let landed = this.#landed[slot]!;
    if (landed.length !== length) {
      landed = this.#landing.subarray(0, length);
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
    const free = this.#reader.read(socket, bytes);
    if (free) this.#used = start;
    if (free === (socket[kKept] === true)) socket[kKept] = !free;
    // There is more: perhaps the rest of a large message.
    const room =
      length === readBytes && !process.hasUncaughtExceptionCaptureCallback() ? this.#reader.room(socket) : null;
    if (room !== null) this.#readNextInto(socket, room);
  }

  #readNextInto(socket: S, room: Buffer): void {
    this.#next = room;
    switched = socket;
    // Only from the first time on: it is called after each read.
    (socket as unknown as Record<symbol, unknown>)[internals!.next] = this.#afterRead;
  }
}
