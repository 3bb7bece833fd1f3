/**
 * The bytes received from one end and not yet known to have reached the other, in blocks, in order, trimmed at message borders: copies of what is
 * small, and of large messages the very blocks that they came in.
 * Pure: it neither sends nor knows why a link was lost.
 *
 *     head ... acknowledged | sent, unacknowledged | not sent yet ... tail
 */
import { type Block, holdBlock, letGoBlock, takeBlock } from '../wire/byte-blocks.ts';
import { nthMessageEnd } from '../wire/messages.ts';

/** Bytes that lie together. One with 0 messages is the beginning of a message whose rest follows; another ends where a message ends. */
interface Segment {
  readonly block: Block;
  start: number;
  end: number;
  messages: number;
}

/** Bytes in which so many messages end; 0 = the beginning of one whose rest follows. */
export interface Run {
  readonly run: Buffer;
  readonly messages: number;
}

/** A run to be sent. Whoever needs it longer than until the journal is changed holds its block. */
export interface UnsentRun extends Run {
  readonly block: Block;
}

/** What a journal is begun with in place of one that was elsewhere. */
export interface JournalState {
  /** Messages acknowledged of all that were ever taken in. */
  readonly acknowledged: number;
  /** Messages that any link was given. */
  readonly everSent: number;
  /** What is kept, from the first message not acknowledged on; that a link was given ends where a run ends. */
  readonly runs: readonly Run[];
}

/** Rooms below this at the end of a block stay empty, bytes. */
const leastRoom = 1024;
/** Runs of at least so many bytes that fill half of their block stay where they are. */
const leastInPlace = 4096;
/** In place of what was let go. */
const gone: Segment = { block: { bytes: Buffer.alloc(0), used: 0, holders: 1 }, start: 0, end: 0, messages: 0 };

export class Journal {
  #segments: Segment[] = [];
  /** The block that copies go to; held besides by each segment in it. */
  #tail: Block | null = null;
  /** Index of the first segment kept, and of the first not sent. */
  #head = 0;
  #cursor = 0;
  /** Bytes kept. */
  #bytes = 0;
  #unsentBytes = 0;
  /** Messages ever: taken in, sent to the present link, sent to any link, acknowledged. */
  #received = 0;
  #sent = 0;
  #everSent = 0;
  #acknowledged = 0;
  /** Bytes ever sent to the present link and acknowledged, on one scale: positions in the stream. */
  #sentPosition = 0;
  #headPosition = 0;
  /** Messages that end before the first segment kept. */
  #headMessages = 0;
  #cut = false;

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }
  get unsentBytes(): number {
    return this.#unsentBytes;
  }
  /** Bytes sent to the present link that are not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#bytes - this.#unsentBytes;
  }
  /** Whole messages kept. */
  get messages(): number {
    return this.#received - this.#acknowledged;
  }
  get received(): number {
    return this.#received;
  }
  /** Messages given to the present link, of all ever. */
  get sent(): number {
    return this.#sent;
  }
  get acknowledged(): number {
    return this.#acknowledged;
  }
  /** Messages that any link was given, of all ever. */
  get everSent(): number {
    return this.#everSent;
  }
  /** Pieces of memory in use. */
  get entries(): number {
    return this.#segments.length - this.#head;
  }
  get empty(): boolean {
    return this.#bytes === 0;
  }
  /** The last run sent is the beginning of a message: what follows must go to the same link before anything else. */
  get cut(): boolean {
    return this.#cut;
  }
  get hasUnsent(): boolean {
    return this.#cursor < this.#segments.length;
  }
  /** Messages that a link before the present one was given, and that are kept: what a replay sends again. */
  get replayable(): number {
    return Math.max(0, this.#everSent - this.#acknowledged);
  }

  /** Part of what a link before was given has not gone to the present one yet. */
  get replaying(): boolean {
    return this.#everSent > this.#sent;
  }

  /** Takes a run in: a copy, or `block`, in which it lies. `messages` = how many end in it, 0 = the beginning of one whose rest follows. */
  push(run: Buffer, messages: number, block: Block | null = null): void {
    this.#received += messages;
    this.#bytes += run.length;
    this.#unsentBytes += run.length;
    // What waits may be in the middle of its way to a link: only what lies behind it grows.
    this.#append(run, messages, block, this.#cursor < this.#segments.length);
  }

  /** The next run not sent, which counts as sent from now on. */
  next(): UnsentRun | null {
    const segment = this.#segments[this.#cursor];
    if (segment === undefined) return null;
    const { block, start, end, messages } = segment;
    this.#cursor += 1;
    this.#unsentBytes -= end - start;
    this.#markSent(end - start, messages);
    return { run: block.bytes.subarray(start, end), messages, block };
  }

  /** As push and next at once, for the usual case that nothing waits: the caller sends `run` itself. */
  pushSent(run: Buffer, messages: number, block: Block | null = null): void {
    this.#received += messages;
    this.#bytes += run.length;
    this.#append(run, messages, block, this.#cursor > this.#head);
    this.#cursor = this.#segments.length;
    this.#markSent(run.length, messages);
  }

  /** Where the stream to the present link stands; a barrier sent now covers all before it. */
  get mark(): { readonly position: number; readonly messages: number } {
    return { position: this.#sentPosition, messages: this.#sent };
  }

  /** Where the first `count` messages end that were ever taken in; they have been sent, and are not acknowledged yet. */
  markAt(count: number): { readonly position: number; readonly messages: number } {
    let left = count - this.#headMessages;
    let position = this.#headPosition;
    for (let at = this.#head; left > 0 && at < this.#cursor; at += 1) {
      const { start, end, messages } = this.#segments[at]!;
      if (messages <= left) {
        left -= messages;
        position += end - start;
        continue;
      }
      // The border is inside this segment, whose first message may begin in segments before it.
      let first = at;
      while (first > this.#head && this.#segments[first - 1]!.messages === 0) first -= 1;
      for (let before = first; before < at; before += 1) position -= length(this.#segments[before]!);
      position += nthMessageEnd(this.#together(first, at), left);
      left = 0;
    }
    return { position, messages: count };
  }

  /** All before the mark has reached the other end. A mark that was passed already changes nothing. */
  acknowledge(mark: { readonly position: number; readonly messages: number }): void {
    if (mark.messages > this.#acknowledged) this.#acknowledged = mark.messages;
    while (this.#headPosition < mark.position && this.#head < this.#cursor) {
      const segment = this.#segments[this.#head]!;
      const covered = mark.position - this.#headPosition;
      if (length(segment) > covered) {
        segment.start += covered;
        segment.messages -= mark.messages - this.#headMessages;
        this.#headMessages = mark.messages;
        this.#bytes -= covered;
        this.#headPosition = mark.position;
        break;
      }
      this.#bytes -= length(segment);
      this.#headPosition += length(segment);
      this.#headMessages += segment.messages;
      this.#shift();
    }
    this.#tidy();
  }

  /** Forgets all that was sent, as acknowledged or not (at-most-once). */
  forgetSent(): void {
    this.acknowledge(this.mark);
  }

  /** All that is kept, for another journal: it may refer to this memory for as long as it likes. */
  runs(): Run[] {
    return this.#segments.slice(this.#head).map(({ block, start, end, messages }) => {
      // And never let go.
      holdBlock(block);
      return { run: block.bytes.subarray(start, end), messages };
    });
  }

  /** Begins where another journal was, which had no link; this one is new. What a link had there counts as sent. */
  restore({ acknowledged, everSent, runs }: JournalState): void {
    this.#received = acknowledged;
    this.#sent = acknowledged;
    this.#acknowledged = acknowledged;
    this.#headMessages = acknowledged;
    for (const { run, messages } of runs) {
      if (this.#sent < everSent) this.pushSent(run, messages);
      else this.push(run, messages);
    }
    // Upstream its sender has what was sent, and sends it again.
    this.#everSent = everSent;
  }

  /** Lets go of the bytes; the messages stay counted as not acknowledged. Nothing can be sent afterwards. */
  abandon(): void {
    while (this.#head < this.#segments.length) this.#shift();
    this.#tidy();
    this.#bytes = 0;
    this.#unsentBytes = 0;
    this.#headPosition = this.#sentPosition;
    this.#headMessages = this.#sent;
    this.#cut = false;
  }

  /** The link is lost: all that is kept counts as not sent. */
  rewind(): void {
    this.#cursor = this.#head;
    this.#sent = this.#acknowledged;
    this.#sentPosition = this.#headPosition;
    this.#unsentBytes = this.#bytes;
    this.#cut = false;
  }

  /** `mayGrow`: the last segment lies on the same side of the cursor, and may take this in. */
  #append(run: Buffer, messages: number, block: Block | null, mayGrow: boolean): void {
    if (block !== null && run.length >= leastInPlace && run.length >= block.bytes.length / 2) {
      this.#adopt(block, run, messages);
      return;
    }
    const tail = this.#tail;
    const room = tail === null ? 0 : tail.bytes.length - tail.used;
    if (tail !== null && room >= run.length) {
      this.#put(tail, run, messages, mayGrow);
    } else if (tail !== null && room >= leastRoom && messages < 2) {
      // Where more than one message ends in it, nobody knows how many would end in the first part.
      this.#put(tail, run.subarray(0, room), 0, mayGrow);
      const rest = run.subarray(room);
      this.#put(this.#takeTail(rest.length), rest, messages, false);
    } else {
      this.#put(this.#takeTail(run.length), run, messages, false);
    }
  }

  /** It stays where it is; the rest of that block is not ours to fill. */
  #adopt(block: Block, run: Buffer, messages: number): void {
    const start = run.byteOffset - block.bytes.byteOffset;
    this.#add({ block, start, end: start + run.length, messages });
  }

  #add(segment: Segment): void {
    holdBlock(segment.block);
    this.#segments.push(segment);
  }

  #takeTail(bytes: number): Block {
    const block = takeBlock(bytes, this.#bytes);
    this.#letGoTail();
    this.#tail = block;
    return block;
  }

  #put(block: Block, run: Buffer, messages: number, mayGrow: boolean): void {
    const start = block.used;
    block.bytes.set(run, start);
    block.used = start + run.length;
    const last = mayGrow ? this.#segments[this.#segments.length - 1] : undefined;
    // The beginning of a message stays apart from whole ones before it, so that they are known as whole.
    if (last !== undefined && last.block === block && (messages > 0 || last.messages === 0)) {
      last.end = block.used;
      last.messages += messages;
    } else {
      this.#add({ block, start, end: block.used, messages });
    }
  }

  #letGoTail(): void {
    if (this.#tail !== null) letGoBlock(this.#tail);
    this.#tail = null;
  }

  #markSent(bytes: number, messages: number): void {
    this.#sent += messages;
    this.#cut = messages === 0;
    if (this.#sent > this.#everSent) this.#everSent = this.#sent;
    this.#sentPosition += bytes;
  }

  /** Takes the first segment off. */
  #shift(): void {
    const { block } = this.#segments[this.#head]!;
    this.#segments[this.#head] = gone;
    this.#head += 1;
    letGoBlock(block);
  }

  #together(first: number, last: number): Buffer {
    const parts = this.#segments
      .slice(first, last + 1)
      .map(({ block, start, end }) => block.bytes.subarray(start, end));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  #tidy(): void {
    if (this.#head === this.#segments.length) {
      this.#segments.length = 0;
      this.#head = 0;
      this.#cursor = 0;
      this.#letGoTail();
    } else if (this.#head > 64) {
      this.#segments.splice(0, this.#head);
      this.#cursor -= this.#head;
      this.#head = 0;
    }
  }
}

function length(segment: Segment): number {
  return segment.end - segment.start;
}
