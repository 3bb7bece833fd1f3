/**
 * Finds frame and message borders in a byte stream (RFC 6455 section 5). Chunks of whole messages are handed on as they
 * are, without a copy or an object per message; what is unfinished waits in unfinished-message.ts. Control frames are taken out.
 */
import { type Block, letGoBlock } from './byte-blocks.ts';
import { framePayload, maxControlBytes, maxHeaderBytes, opcode } from './frame.ts';
import { mayBeJsonHeartbeat, parseJsonHeartbeat } from './json-heartbeat.ts';
import { splitMessages } from './messages.ts';
import { recordMark } from './resume.ts';
import { contents, UnfinishedMessage } from './unfinished-message.ts';

export type ViolationCode = 1002 | 1007 | 1008 | 1009;

export interface FrameSink {
  /**
   * A run of frames. `messages` = how many messages end in it. A run with 0 is the beginning of a message whose rest follows
   * in the same call of push, so that a sink that takes all runs of a push has whole messages only.
   * `block` = where they lie, if that is a block: whoever needs them longer may hold it in place of copying them.
   * @returns true where nothing refers to `frames` any more, but who holds `block`.
   */
  readerMessages(frames: Buffer, messages: number, block: Block | null): boolean;
  /** A control frame, payload unmasked. */
  readerControl(code: number, payload: Buffer): void;
  /** A JSON heartbeat (looked for only while `interceptText` is on), behind all that came before it: true takes it out of the stream. */
  readerHeartbeat(kind: 'ping' | 'pong'): boolean;
  /** A text message that begins with U+001E, while `interceptRecords` is on; its payload unmasked, its fragments joined. */
  readerRecord(payload: Buffer): void;
  /** The peer broke the protocol (1002, 1007) or a limit (1008 fragments, 1009 bytes); the reader reads nothing more. */
  readerViolation(code: ViolationCode, message: string): void;
}

/** One object for all readers of a gateway: changed in place, it counts from the next message on. */
export interface MessageBounds {
  /** Largest message, bytes of its payload. */
  readonly maxMessageBytes: number;
}

/** Lengths of the texts that are looked at: `{"type":"ping"}` is 15 bytes. */
const minTextBytes = 15;
const maxTextBytes = 64;
/** What else ends here costs about so much more than a frame that is passed on, which is found in some 20 ns and handled with its neighbours. */
const framesPerControl = 10;
const framesPerText = 40;

export class FrameReader {
  /** Offer JSON heartbeats to `readerHeartbeat`. */
  interceptText = false;
  /** Take text messages that begin with U+001E out (resume protocol). */
  interceptRecords = false;
  readonly #sink: FrameSink;
  readonly #masked: boolean;
  readonly #bounds: MessageBounds;
  readonly #maxFragments: number;
  #stopped = false;
  #violation: { readonly code: ViolationCode; readonly message: string } | null = null;
  /** Payload bytes of the open data frame still to come; -1 between frames. */
  #remaining = -1;
  #final = false;
  /** The open message is a record, or begins with empty fragments and may be one: it is handed over whole. */
  #record = false;
  /** Inside a message whose last frame has not come (a control frame may stand here). */
  #fragmented = false;
  #messageBytes = 0;
  /** The bound of a message that has begun: what was allowed then may be ended. 0 = none has, or its last frame is being read. */
  #bound = 0;
  /** Frames of the open message so far. */
  #fragments = 0;
  /** What came of the open message in earlier chunks. */
  readonly #unfinished = new UnfinishedMessage();
  /** Nothing refers to the present chunk, as far as it has been handed on. */
  #free = true;
  /** The beginning of a frame whose header, or whole body where it is a small frame, is not here yet. */
  #small: Buffer | null = null;
  #smallUsed = 0;

  /** `masked`: frames must be masked (they come from a client), else they must not be. */
  constructor(sink: FrameSink, options: { masked: boolean; bounds: MessageBounds; maxFragments: number }) {
    this.#sink = sink;
    this.#masked = options.masked;
    this.#bounds = options.bounds;
    this.#maxFragments = options.maxFragments;
  }

  /** Bytes kept of an unfinished message or frame. */
  get pendingBytes(): number {
    return this.#unfinished.bytes + this.#smallUsed;
  }

  /** Bytes of the open data frame that are still to come. */
  get missingBytes(): number {
    return Math.max(0, this.#remaining);
  }

  /** Reads nothing more and forgets what is unfinished. */
  stop(): void {
    this.#stopped = true;
    this.#unfinished.forget();
    this.#small = null;
    this.#smallUsed = 0;
  }

  /** Nothing refers to what was taken of the last chunk: its memory may be used again. */
  get free(): boolean {
    return this.#free;
  }

  /** Where the rest of the open frame is to be read to; it stays good until it is asked for again. Null = anywhere. */
  room(): Buffer | null {
    return this.#unfinished.room(this.#stopped ? 0 : this.#remaining);
  }

  /**
   * @param frames how many frames to work through, about; what costs more counts as several.
   * @returns how many bytes were taken: all, or up to a border of frames. The others are to be given again, ahead of what comes next.
   */
  push(chunk: Buffer, frames = Number.POSITIVE_INFINITY): number {
    const end = chunk.length;
    this.#free = true;
    if (this.#stopped) return end;
    if (this.#unfinished.addRead(chunk)) {
      this.#remaining -= end;
      if (this.#remaining === 0) this.#endKeptFrame();
      return end;
    }
    let left = frames;
    let at = this.#small === null ? 0 : this.#continueSmall(chunk);
    // The run: [runStart, runEnd) are whole messages, [runEnd, at) belongs to an unfinished one.
    let runStart = at;
    let runEnd = at;
    let messages = 0;
    while (at < end && !this.#stopped) {
      if (this.#remaining < 0) {
        if (left <= 0) break;
        left -= 1;
        const frameBytes = this.#readHeader(chunk, at, end);
        if (frameBytes < 0) {
          at -= frameBytes;
        } else {
          // Not a data frame to pass on as it is: the run ends here.
          if (runEnd > runStart) this.#handOn(chunk.subarray(runStart, runEnd), messages, null);
          if (this.#stopped) return end;
          if (this.#violation !== null) {
            this.#fail();
            return end;
          }
          if (at > runEnd) this.#unfinished.add(chunk.subarray(runEnd, at));
          if (frameBytes === 0) {
            this.#beginSmall(chunk.subarray(at));
            return end;
          }
          left -= (chunk[at]! & 0x0f) === opcode.text ? framesPerText : framesPerControl;
          this.#deliverControl(chunk.subarray(at, at + frameBytes));
          at += frameBytes;
          runStart = at;
          runEnd = at;
          messages = 0;
          continue;
        }
      }
      const take = Math.min(this.#remaining, end - at);
      at += take;
      this.#remaining -= take;
      if (this.#remaining > 0) break;
      this.#remaining = -1;
      if (!this.#final) continue;
      this.#messageBytes = 0;
      if (this.#record) {
        if (runEnd > runStart) this.#handOn(chunk.subarray(runStart, runEnd), messages, null);
        if (this.#stopped) return end;
        left -= framesPerText;
        this.#deliverRecord(chunk.subarray(runEnd, at));
        runStart = at;
        runEnd = at;
        messages = 0;
        continue;
      }
      if (!this.#unfinished.empty) this.#handOnPieces(0);
      runEnd = at;
      messages += 1;
    }
    if (this.#stopped) return end;
    if (runEnd > runStart) {
      this.#handOn(runEnd - runStart === end ? chunk : chunk.subarray(runStart, runEnd), messages, null);
    }
    if (this.#stopped) return end;
    if (at > runEnd) this.#unfinished.add(chunk.subarray(runEnd, at));
    return at;
  }

  /**
   * Reads the header at `at`. Answers minus its length for a data frame to be passed on (now open), the length of the whole
   * frame for one that ends here (control frames, JSON heartbeats), or 0 when more bytes are needed or the frame is a violation.
   */
  #readHeader(bytes: Buffer, at: number, end: number): number {
    const available = end - at;
    const first = bytes[at]!;
    const code = first & 0x0f;
    const final = first >= 0x80;
    if ((first & 0x70) !== 0) return this.#violate(1002, 'reserved bits are set');
    if ((code > 0x2 && code < 0x8) || code > 0xa) return this.#violate(1002, `reserved opcode ${code}`);
    const control = code >= 0x8;
    if (control) {
      if (!final) return this.#violate(1002, 'a fragmented control frame');
    } else if (code === opcode.continuation) {
      if (!this.#fragmented) return this.#violate(1002, 'a continuation without a beginning');
    } else if (this.#fragmented) {
      return this.#violate(1002, 'a new message inside a fragmented one');
    }
    if (available < 2) return 0;
    const second = bytes[at + 1]!;
    if (second >= 0x80 !== this.#masked) {
      return this.#violate(1002, this.#masked ? 'an unmasked frame' : 'a masked frame');
    }
    let length = second & 0x7f;
    if (control && length > maxControlBytes) return this.#violate(1002, 'a control frame over 125 bytes');
    let header = this.#masked ? 6 : 2;
    if (length === 126) {
      header += 2;
      if (available < 4) return 0;
      length = bytes.readUInt16BE(at + 2);
      if (length < 126) return this.#violate(1002, 'a length that is not in its shortest form');
    } else if (length === 127) {
      header += 8;
      if (available < 10) return 0;
      const high = bytes.readUInt32BE(at + 2);
      if (high > 0x7fffffff) return this.#violate(1002, 'a length with its highest bit set');
      length = high * 2 ** 32 + bytes.readUInt32BE(at + 6);
      if (length < 65_536) return this.#violate(1002, 'a length that is not in its shortest form');
    }
    if (control) return available < header + length ? 0 : header + length;
    const bound = this.#bound || this.#bounds.maxMessageBytes;
    if (this.#messageBytes + length > bound) {
      return this.#violate(1009, `a message over ${bound} bytes (maxMessageBytes)`);
    }
    // At once: the header may be read again when more of it is here.
    this.#bound = bound;
    const fragments = code === opcode.continuation ? this.#fragments + 1 : 1;
    if (fragments > this.#maxFragments) {
      return this.#violate(1008, `a message of over ${this.#maxFragments} fragments (limits.maxFragments)`);
    }
    if (available < header) return 0;
    if (this.interceptText && final && length <= maxTextBytes && length >= minTextBytes && code === opcode.text) {
      if (available < header + length) return 0;
      if (mayBeJsonHeartbeat(bytes, at + header, this.#masked)) {
        if (parseJsonHeartbeat(framePayload(bytes.subarray(at, at + header + length))) !== null) {
          this.#bound = 0;
          return header + length;
        }
      }
    }
    if (code !== opcode.continuation) {
      // The first payload byte decides; behind empty fragments it is not known yet.
      const first = this.interceptRecords && code === opcode.text;
      if (first && length > 0 && available === header) return 0;
      this.#record = first && (length === 0 ? !final : this.#firstByte(bytes, at + header) === recordMark);
    }
    this.#final = final;
    this.#fragmented = !final;
    this.#fragments = fragments;
    this.#messageBytes += length;
    if (final) this.#bound = 0;
    this.#remaining = length;
    return -header;
  }

  #violate(code: ViolationCode, message: string): 0 {
    this.#violation = { code, message };
    return 0;
  }

  #firstByte(bytes: Buffer, payloadAt: number): number {
    return bytes[payloadAt]! ^ (this.#masked ? bytes[payloadAt - 4]! : 0);
  }

  /** `end` = the bytes that end it, behind what is kept. */
  #deliverRecord(end: Buffer): void {
    this.#record = false;
    const pieces = this.#unfinished.take();
    const frames = Buffer.concat([...pieces.map(contents), end]);
    for (const piece of pieces) letGoBlock(piece);
    const payload = splitMessages(frames)[0]!.payload;
    if (payload[0] === recordMark) this.#sink.readerRecord(payload);
    else this.#sink.readerMessages(frames, 1, null);
  }

  /** Told last, when all that came before the violation has gone out. */
  #fail(): void {
    const { code, message } = this.#violation!;
    this.stop();
    this.#sink.readerViolation(code, message);
  }

  #deliverControl(frame: Buffer): void {
    const code = frame[0]! & 0x0f;
    const payload = framePayload(frame);
    if (code !== opcode.text) this.#sink.readerControl(code, payload);
    else if (!this.#sink.readerHeartbeat(parseJsonHeartbeat(payload)!)) this.#handOn(frame, 1, null);
  }

  #beginSmall(bytes: Buffer): void {
    this.#small = Buffer.allocUnsafe(maxHeaderBytes + maxControlBytes);
    this.#smallUsed = bytes.copy(this.#small);
  }

  /** Adds bytes of `chunk` to the small frame until it, or its header, is whole. Answers how many were used. */
  #continueSmall(chunk: Buffer): number {
    const small = this.#small!;
    // Byte by byte: at most 139 of them, and only where a chunk ended inside a header or a small frame.
    for (let at = 0; at < chunk.length; ) {
      small[this.#smallUsed] = chunk[at]!;
      this.#smallUsed += 1;
      at += 1;
      const frameBytes = this.#readHeader(small, 0, this.#smallUsed);
      if (this.#violation !== null) {
        this.#fail();
        return at;
      }
      if (frameBytes === 0) continue;
      const frame = small.subarray(0, this.#smallUsed);
      this.#small = null;
      this.#smallUsed = 0;
      if (frameBytes > 0) {
        this.#deliverControl(frame);
      } else {
        this.#unfinished.add(frame);
        this.#remaining -= frame.length + frameBytes;
        if (this.#remaining === 0) this.#endKeptFrame();
      }
      return at;
    }
    return chunk.length;
  }

  /** The frame came to its end inside what is kept. */
  #endKeptFrame(): void {
    this.#remaining = -1;
    if (!this.#final) return;
    this.#messageBytes = 0;
    if (this.#record) {
      this.#deliverRecord(Buffer.alloc(0));
      return;
    }
    this.#handOnPieces(1);
  }

  /** The message is whole: its pieces go out. `messages` = 1 where it ends in the last of them, 0 where its end follows. */
  #handOnPieces(messages: 0 | 1): void {
    const pieces = this.#unfinished.take();
    const last = pieces[pieces.length - 1];
    for (const piece of pieces) {
      if (this.#stopped) return;
      // Made room for, and the end came elsewhere.
      if (piece.used === 0) continue;
      if (this.#handOn(contents(piece), piece === last ? messages : 0, piece)) letGoBlock(piece);
    }
  }

  #handOn(frames: Buffer, messages: number, block: Block | null): boolean {
    if (this.#stopped) return false;
    const free = this.#sink.readerMessages(frames, messages, block);
    if (!free && block === null) this.#free = false;
    return free;
  }
}
