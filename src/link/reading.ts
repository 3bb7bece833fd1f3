/**
 * How one connection is read: in turns with all others, no faster than it may send, and not while its owner cannot take more.
 * A flood of small frames would else keep the event loop busy for seconds: libuv reads up to 2 MiB of a socket in one go.
 */
import type { Duplex } from 'node:stream';
import { TokenBucket } from '../limits/token-bucket.ts';
import { type Block, holdBlock, letGoBlock, takeBlock } from '../wire/byte-blocks.ts';
import type { LinkClock } from './link.ts';
import { turns } from './turns.ts';

export interface ReadingLimits {
  /** Frames worked through in one turn. */
  readonly framesPerTurn: number;
  /** 0 = no limit. */
  readonly messagesPerSecond: number;
  /** Longest time of an unfinished message, milliseconds; 0 = no limit. */
  readonly messageTimeoutMs: number;
}

/** What is read goes there. */
export interface ReadingSink {
  /** @returns how many bytes were taken. */
  readChunk(chunk: Buffer, frames: number): number;
  /** Nothing refers to what was taken of the last chunk. */
  readonly chunkFree: boolean;
  /** Messages that ended since the connection began. */
  readonly messagesIn: number;
  /** Bytes of an unfinished message that are kept. */
  readonly pendingBytes: number;
  /** Bytes of the open frame that are still to come. */
  readonly missingBytes: number;
  /** More messages came than may; they are read, and what follows later. */
  readingSlowed(): void;
  /** Came behind the end, and was thrown away. */
  bytesDropped(bytes: number): void;
  /** A message was not finished in time. */
  messageLate(): void;
}

interface Unread {
  readonly bytes: Buffer;
  /** Where they lie, if that memory is to be used again; null = it is somebody else's. */
  readonly block: Block | null;
}

/** What libuv reads at most in one go: so much means that there is more. */
const fullReadBytes = 65_536;
/** In the middle of a frame there is nothing to work through: so much of it is read in one turn. */
const frameBytesPerTurn = 262_144;
/** With a rate, a turn is at most this part of a second's messages, so that waiting for it is never long. */
const turnsPerSecond = 4;

export class Reading {
  readonly #socket: Duplex;
  readonly #sink: ReadingSink;
  readonly #limits: ReadingLimits;
  readonly #clock: LinkClock;
  readonly #framesPerTurn: number;
  readonly #rate: TokenBucket | null;
  /** Read, and not worked through yet. */
  #unread: Unread | null = null;
  /** The owner takes no more. */
  #stopped = false;
  #waitsForTurn = false;
  #waitsForRate = false;
  #rateTimer: ReturnType<LinkClock['timer']> | null = null;
  /** Read of one frame since it was last our turn. */
  #frameBytes = 0;
  #messageTimer: ReturnType<LinkClock['timer']> | null = null;
  #messageTimed = false;
  /** Which message is unfinished, and since when. */
  #openMessage = -1;
  #openedAt = 0;
  #over = false;

  constructor(socket: Duplex, sink: ReadingSink, limits: ReadingLimits, clock: LinkClock) {
    this.#socket = socket;
    this.#sink = sink;
    this.#limits = limits;
    this.#clock = clock;
    const { messagesPerSecond } = limits;
    this.#rate =
      messagesPerSecond > 0 ? new TokenBucket({ perSecond: messagesPerSecond, burst: messagesPerSecond }) : null;
    this.#framesPerTurn =
      messagesPerSecond > 0
        ? Math.min(limits.framesPerTurn, Math.ceil(messagesPerSecond / turnsPerSecond))
        : limits.framesPerTurn;
  }

  /** Nothing is read now, for whatever reason. */
  get paused(): boolean {
    return this.#socket.isPaused();
  }

  /** Bytes read and not yet worked through. */
  get waitingBytes(): number {
    return this.#unread?.bytes.length ?? 0;
  }

  /** A chunk came. @returns true where nothing refers to it any more. */
  chunk(chunk: Buffer): boolean {
    if (this.#over) {
      // What a peer pours in after its end costs the others no more than what is worked through.
      if (chunk.length >= fullReadBytes) this.#yield();
      this.#sink.bytesDropped(chunk.length);
      return true;
    }
    if (this.#unread !== null || this.#stopped || this.#waitsForRate || this.#waitsForTurn) {
      // After an upgrade node:http lets the socket read on once, paused or not.
      const bytes = this.#unread === null ? Buffer.from(chunk) : Buffer.concat([this.#unread.bytes, chunk]);
      this.#unread = { bytes, block: null };
      this.#socket.pause();
      return true;
    }
    this.#work(chunk, null);
    const free = this.#sink.chunkFree;
    // Ahead of all others it would be read on at once.
    if (!this.#over && chunk.length >= fullReadBytes && !this.#mayReadOn(chunk.length)) this.#yield();
    return free;
  }

  #mayReadOn(bytes: number): boolean {
    this.#frameBytes += bytes;
    if (this.#sink.missingBytes >= fullReadBytes && this.#frameBytes < frameBytesPerTurn) return true;
    this.#frameBytes = 0;
    return false;
  }

  /** What came before the connection was ours, ahead of all else. */
  begin(early: Buffer): void {
    this.#unread = { bytes: early, block: null };
    this.#yield();
  }

  /** The owner takes no more. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#socket.pause();
  }

  /** The owner takes more. Idempotent. */
  go(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    // What could not come was not late.
    this.#openedAt = this.#clock.fairNow();
    this.#goOn();
  }

  /** Nothing more will be read: what has been is worked through now. */
  flush(): void {
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null && !this.#over) this.#sink.readChunk(unread.bytes, Number.POSITIVE_INFINITY);
  }

  /** What was read and what comes is thrown away, up to the peer's end, whatever was in the way. Idempotent. */
  drop(): void {
    this.#over = true;
    this.#unread = null;
    this.#rateTimer?.stop();
    this.#messageTimer?.stop();
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  takeTurn(): void {
    this.#waitsForTurn = false;
    if (this.#over) {
      this.#socket.resume();
      return;
    }
    if (this.#stopped || this.#waitsForRate) return;
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) this.#work(unread.bytes, unread.block);
    if (!this.#over) this.#goOn();
  }

  timerFired(name: string): void {
    if (name === 'rate') {
      this.#waitsForRate = false;
      this.#goOn();
    } else {
      this.#judgeMessage();
    }
  }

  /** @param block where `chunk` lies, if that memory is to be used again. */
  #work(chunk: Buffer, block: Block | null): void {
    const before = this.#sink.messagesIn;
    const taken = this.#sink.readChunk(chunk, this.#framesPerTurn);
    // Who knows for how long: it is never let go.
    if (block !== null && !this.#sink.chunkFree) holdBlock(block);
    if (this.#over) return;
    if (taken < chunk.length) {
      this.#unread = keep(chunk.subarray(taken), block);
      this.#yield();
    } else if (block !== null) {
      letGoBlock(block);
    }
    if (this.#rate !== null) this.#spend(this.#rate, this.#sink.messagesIn - before);
    if (this.#sink.pendingBytes === 0) this.#openMessage = -1;
    else if (this.#limits.messageTimeoutMs > 0) this.#watchMessage();
  }

  #yield(): void {
    this.#socket.pause();
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    turns.wait(this);
  }

  /** Reads on, unless something is still in the way. */
  #goOn(): void {
    if (this.#stopped || this.#waitsForRate || this.#waitsForTurn) return;
    if (this.#unread !== null) this.#yield();
    else this.#socket.resume();
  }

  #spend(rate: TokenBucket, messages: number): void {
    const waitMs = rate.draw(messages, this.#clock.fairNow());
    if (waitMs === 0 || this.#over) return;
    this.#sink.readingSlowed();
    this.#waitsForRate = true;
    this.#socket.pause();
    this.#rateTimer ??= this.#clock.timer(this, 'rate');
    this.#rateTimer.start(waitMs);
  }

  /** One timer for many messages: it looks again when the oldest it knew of would be late. */
  #watchMessage(): void {
    const { messagesIn } = this.#sink;
    if (this.#openMessage !== messagesIn) {
      this.#openMessage = messagesIn;
      this.#openedAt = this.#clock.fairNow();
    }
    if (this.#messageTimed) return;
    this.#messageTimed = true;
    this.#messageTimer ??= this.#clock.timer(this, 'message');
    this.#messageTimer.start(this.#limits.messageTimeoutMs);
  }

  #judgeMessage(): void {
    this.#messageTimed = false;
    const { messagesIn, pendingBytes } = this.#sink;
    if (this.#over || pendingBytes === 0 || messagesIn !== this.#openMessage) return;
    // The clock stands while we do not read.
    const sinceMs = this.#stopped ? 0 : this.#clock.fairNow() - this.#openedAt;
    const leftMs = this.#limits.messageTimeoutMs - sinceMs;
    if (leftMs <= 0) {
      this.#sink.messageLate();
      return;
    }
    this.#messageTimed = true;
    this.#messageTimer?.start(leftMs);
  }
}

/** The rest of a chunk. Left where it was read to, it would cost fresh memory for each read while there is a flood. */
function keep(rest: Buffer, block: Block | null): Unread {
  if (block !== null) return { bytes: rest, block };
  const own = takeBlock(rest.length, rest.length);
  own.bytes.set(rest);
  own.used = rest.length;
  return { bytes: own.bytes.subarray(0, rest.length), block: own };
}
