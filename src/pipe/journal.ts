/**
 * The bytes received from one end and not yet known to have reached the other: references to what was read, in order, trimmed
 * at message borders. Pure: it neither sends nor knows why a link was lost.
 *
 *     head ... acknowledged | sent, unacknowledged | not sent yet ... tail
 */
import { messageEnds } from '../wire/messages.ts';

const smallEntryBytes = 1024;
const blockBytes = 16_384;
const firstBlockBytes = 256;
/** Sent small entries are copied together beyond this many, so that tiny messages do not cost an object each for long. */
const compactEntries = 512;
/** The same where a larger run follows them: there they cannot wait for more of their kind. */
const compactEntriesBetween = 4;
/** A run that is a smaller part than this of the memory it lies in (the rest was pings, say) is copied out of it. */
const leastShare = 1 / 8;

export class Journal {
  /** Runs of frames; a run with 0 messages is the beginning of a message whose rest follows. */
  #runs: Buffer[] = [];
  #counts: number[] = [];
  /** Index of the first run kept, and of the first not sent. */
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
  /** Messages that end before the first run kept. */
  #headMessages = 0;
  /** Free room behind the tail run, where that is a block of ours. */
  #blockRoom: Buffer | null = null;
  /** How many runs at the sent end are small. */
  #smallSent = 0;
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
  /** Buffer objects kept. */
  get entries(): number {
    return this.#runs.length - this.#head;
  }
  get empty(): boolean {
    return this.#bytes === 0;
  }
  /** The last run sent is the beginning of a message: what follows must go to the same link before anything else. */
  get cut(): boolean {
    return this.#cut;
  }
  get hasUnsent(): boolean {
    return this.#cursor < this.#runs.length;
  }
  /** Messages that a link before the present one was given, and that are kept: what a replay sends again. */
  get replayable(): number {
    return Math.max(0, this.#everSent - this.#acknowledged);
  }

  /** Part of what a link before was given has not gone to the present one yet. */
  get replaying(): boolean {
    return this.#everSent > this.#sent;
  }

  /** Takes a run in. Its memory is the journal's from now on. */
  push(run: Buffer, messages: number): void {
    this.#received += messages;
    this.#bytes += run.length;
    this.#unsentBytes += run.length;
    // With unsent runs before it this one has to wait: many small ones are gathered in blocks.
    if (run.length < smallEntryBytes && messages > 0 && this.#cursor < this.#runs.length && this.#gather(run, messages))
      return;
    this.#blockRoom = null;
    this.#runs.push(ownMemory(run));
    this.#counts.push(messages);
  }

  /** The next unsent run, which counts as sent from now on. */
  next(): { readonly run: Buffer; readonly messages: number } | null {
    const run = this.#runs[this.#cursor];
    if (run === undefined) return null;
    const messages = this.#counts[this.#cursor]!;
    this.#markSent(run, messages);
    return { run, messages };
  }

  /** As push and next at once, for the usual case that nothing waits: no object, no look-up. */
  pushSent(run: Buffer, messages: number): void {
    this.#received += messages;
    this.#bytes += run.length;
    this.#unsentBytes += run.length;
    const small = run.length < smallEntryBytes;
    if (!small && this.#smallSent > compactEntriesBetween) this.#compact();
    this.#blockRoom = null;
    this.#runs.push(ownMemory(run));
    this.#counts.push(messages);
    this.#markSent(run, messages);
    this.#smallSent = small ? this.#smallSent + 1 : 0;
    if (this.#smallSent > compactEntries) this.#compact();
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
      const messages = this.#counts[at]!;
      if (messages <= left) {
        left -= messages;
        position += this.#runs[at]!.length;
        continue;
      }
      // The border is inside this run, whose first message may begin in runs before it.
      let start = at;
      while (start > this.#head && this.#counts[start - 1] === 0) start -= 1;
      for (let before = start; before < at; before += 1) position -= this.#runs[before]!.length;
      position += messageEnds(concat(this.#runs, start, at + 1))[left - 1]!;
      left = 0;
    }
    return { position, messages: count };
  }

  /** All before the mark has reached the other end. A mark that was passed already changes nothing. */
  acknowledge(mark: { readonly position: number; readonly messages: number }): void {
    if (mark.messages > this.#acknowledged) this.#acknowledged = mark.messages;
    while (this.#headPosition < mark.position && this.#head < this.#cursor) {
      const run = this.#runs[this.#head]!;
      const covered = mark.position - this.#headPosition;
      if (run.length > covered) {
        // Runs were copied together across the mark.
        this.#runs[this.#head] = run.subarray(covered);
        this.#counts[this.#head]! -= mark.messages - this.#headMessages;
        this.#headMessages = mark.messages;
        this.#bytes -= covered;
        this.#headPosition = mark.position;
        break;
      }
      this.#bytes -= run.length;
      this.#headPosition += run.length;
      this.#headMessages += this.#counts[this.#head]!;
      this.#runs[this.#head] = none;
      this.#head += 1;
    }
    this.#tidy();
  }

  /** Forgets all that was sent, as acknowledged or not (at-most-once). */
  forgetSent(): void {
    this.acknowledge(this.mark);
  }

  /** Lets go of the bytes; the messages stay counted as not acknowledged. Nothing can be sent afterwards. */
  abandon(): void {
    this.#runs.length = 0;
    this.#counts.length = 0;
    this.#head = 0;
    this.#cursor = 0;
    this.#bytes = 0;
    this.#unsentBytes = 0;
    this.#headPosition = this.#sentPosition;
    this.#headMessages = this.#sent;
    this.#blockRoom = null;
    this.#cut = false;
  }

  /** The link is lost: all that is kept counts as not sent. */
  rewind(): void {
    this.#cursor = this.#head;
    this.#sent = this.#acknowledged;
    this.#sentPosition = this.#headPosition;
    this.#unsentBytes = this.#bytes;
    this.#cut = false;
    this.#smallSent = 0;
  }

  #markSent(run: Buffer, messages: number): void {
    this.#cursor += 1;
    this.#sent += messages;
    this.#cut = messages === 0;
    if (this.#sent > this.#everSent) this.#everSent = this.#sent;
    this.#sentPosition += run.length;
    this.#unsentBytes -= run.length;
    if (this.#cursor === this.#runs.length) this.#blockRoom = null;
  }

  /** Copies a small run behind the unsent tail; false where the tail cannot take it. */
  #gather(run: Buffer, messages: number): boolean {
    const last = this.#runs.length - 1;
    const tail = this.#runs[last]!;
    if (this.#counts[last] === 0) return false;
    const bytes = tail.length + run.length;
    if (this.#blockRoom !== null && this.#blockRoom.length >= run.length) {
      run.copy(this.#blockRoom);
      this.#blockRoom = this.#blockRoom.subarray(run.length);
      this.#runs[last] = Buffer.from(tail.buffer, tail.byteOffset, bytes);
    } else if (tail.length < smallEntryBytes || (this.#blockRoom !== null && bytes <= blockBytes / 2)) {
      // A block grows with what is in it, so that few small runs among large ones do not cost 16 KiB each.
      const block = Buffer.allocUnsafeSlow(Math.min(blockBytes, Math.max(firstBlockBytes, 2 * bytes)));
      tail.copy(block);
      run.copy(block, tail.length);
      this.#runs[last] = block.subarray(0, bytes);
      this.#blockRoom = block.subarray(bytes);
    } else {
      return false;
    }
    this.#counts[last]! += messages;
    return true;
  }

  /** Copies the small runs at the sent end together; not the beginning of a message, which must stay known as one. */
  #compact(): void {
    let end = this.#runs.length;
    while (end > this.#head && this.#counts[end - 1] === 0) end -= 1;
    const start = Math.max(this.#head, this.#runs.length - this.#smallSent);
    this.#smallSent = 0;
    if (end - start < 2) return;
    let messages = 0;
    for (let at = start; at < end; at += 1) messages += this.#counts[at]!;
    this.#runs.splice(start, end - start, concat(this.#runs, start, end));
    this.#counts.splice(start, end - start, messages);
    this.#cursor = this.#runs.length;
  }

  #tidy(): void {
    if (this.#head === this.#runs.length) {
      this.#runs.length = 0;
      this.#counts.length = 0;
      this.#head = 0;
      this.#cursor = 0;
    } else if (this.#head > 256) {
      this.#runs.splice(0, this.#head);
      this.#counts.splice(0, this.#head);
      this.#cursor -= this.#head;
      this.#head = 0;
    }
  }
}

const none = Buffer.alloc(0);

/** Not Buffer.concat, whose results share a pool with strangers. */
function concat(runs: readonly Buffer[], start: number, end: number): Buffer {
  let bytes = 0;
  for (let at = start; at < end; at += 1) bytes += runs[at]!.length;
  const whole = Buffer.allocUnsafeSlow(bytes);
  let used = 0;
  for (let at = start; at < end; at += 1) used += runs[at]!.copy(whole, used);
  return whole;
}

function ownMemory(run: Buffer): Buffer {
  if (run.length >= run.buffer.byteLength * leastShare) return run;
  const copy = Buffer.allocUnsafeSlow(run.length);
  run.copy(copy);
  return copy;
}
