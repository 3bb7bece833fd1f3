/**
 * The direction toClient of one pipe: messages go to the client's link at once. While the client is too slow, or (resumable) has not
 * acknowledged or is away, no more than buffer.maxDownstreamBytes is taken from backends.
 */
import type { Link } from '../link/link.ts';
import type { EventStream, PipeFields } from '../observe/events.ts';
import type { Block } from '../wire/byte-blocks.ts';
import { Journal, type JournalState } from './journal.ts';

export interface DownstreamOwner {
  readonly fields: PipeFields;
  /** Whether backends may be read has changed. */
  readingChanged(): void;
}

export interface DownstreamContext {
  readonly events: EventStream;
  /** A stall of ours delays what a client says to us. */
  readonly wheel: { fairNow(): number };
  /** Live: it can be changed while the gateway runs. */
  readonly limits: { readonly maxDownstreamBytes: number };
}

export class Downstream {
  /** Whole messages, and bytes of frames, that were for the client. */
  messages = 0;
  bytes = 0;
  readonly #owner: DownstreamOwner;
  readonly #context: DownstreamContext;
  #limits: DownstreamContext['limits'];
  #client: Link | null = null;
  #blockedAt: number | null = null;
  /** Only of resumable pipes. */
  #journal: Journal | null = null;

  constructor(owner: DownstreamOwner, context: DownstreamContext) {
    this.#owner = owner;
    this.#context = context;
    this.#limits = context.limits;
  }

  /** True while backends may be read. */
  get open(): boolean {
    return this.#blockedAt === null;
  }

  /** True while backends are not read before the client acknowledges. */
  get waitsForAcks(): boolean {
    return this.#blockedAt !== null && (this.#journal?.bytes ?? 0) > this.#limits.maxDownstreamBytes / 2;
  }

  /** Milliseconds for which that has been so; null = it is not. */
  get acksOwedMs(): number | null {
    return this.waitsForAcks ? this.#context.wheel.fairNow() - this.#blockedAt! : null;
  }

  /** What the client has not acknowledged; null = this client does not acknowledge. */
  get journal(): Journal | null {
    return this.#journal;
  }

  /** From now on messages are kept until the client acknowledges them. */
  keep(): void {
    this.#journal ??= new Journal();
  }

  /** As `keep`, with what another gateway kept. */
  restore(state: JournalState): void {
    this.keep();
    this.#journal?.restore(state);
    if (this.#full) this.#block();
  }

  /** The client will not come back here: what its backend still sends is kept up to this bound, and then no more. */
  readOut(maxBytes: number): void {
    this.#limits = { maxDownstreamBytes: maxBytes };
    this.#blockedAt = null;
    if (this.#full) this.#block();
    else this.#owner.readingChanged();
  }

  /** The client's link; null = it is away. What is kept goes to a new link first. */
  set client(link: Link | null) {
    this.#client = link;
    if (link !== null) {
      this.#journal?.rewind();
      this.#flush(link);
    }
    this.#regulate();
  }

  /** The pipe closes: nothing goes to the client any more, and nothing is kept for it. */
  end(): void {
    this.#client = null;
    this.#journal = null;
  }

  /** @returns true where nothing refers to `frames` any more, but who holds `block`. */
  push(frames: Buffer, messages: number, block: Block | null = null): boolean {
    const client = this.#client;
    const away = client === null || !client.open;
    if (away && this.#journal === null) return true;
    this.messages += messages;
    this.bytes += frames.length;
    let free = true;
    if (away) {
      this.#journal?.push(frames, messages, block);
    } else {
      this.#journal?.pushSent(frames, messages, block);
      free = client.write(frames, messages === 0, block);
    }
    // Not inside a message: who hears of it may close the pipe.
    if (messages > 0 && this.#blockedAt === null && this.#full) this.#block();
    return free;
  }

  /** The client has `count` messages. @returns false where it cannot have them: they were not sent. */
  acknowledge(count: number): boolean {
    const journal = this.#journal;
    if (journal === null || count > journal.sent) return false;
    if (count > journal.acknowledged) journal.acknowledge(journal.markAt(count));
    this.#regulate();
    return true;
  }

  /** The client has taken all that was written. */
  drained(): void {
    this.#regulate();
  }

  /** The bound was changed: one that waits at it is judged anew. */
  limitsChanged(): void {
    this.#regulate();
  }

  /** What the socket takes without asking us to wait (16 KiB on Node 20, 64 KiB on 22) is no reason: it would not tell when it has gone. */
  get #full(): boolean {
    const { maxDownstreamBytes } = this.#limits;
    const client = this.#client;
    const slow = client !== null && !client.writable && client.bufferedBytes > maxDownstreamBytes;
    return slow || (this.#journal?.bytes ?? 0) > maxDownstreamBytes;
  }

  /** Reading begins again when the socket has taken all and half of the bound is free. */
  get #room(): boolean {
    const half = this.#limits.maxDownstreamBytes / 2;
    return (this.#client?.writable ?? true) && (this.#journal?.bytes ?? 0) <= half;
  }

  #flush(link: Link): void {
    link.cork();
    for (let next = this.#journal?.next(); next; next = this.#journal?.next())
      link.write(next.run, next.messages === 0, next.block);
    link.uncork();
  }

  #regulate(): void {
    if (this.#blockedAt === null || !this.#room) return;
    const pausedMs = this.#context.wheel.fairNow() - this.#blockedAt;
    this.#blockedAt = null;
    this.#owner.readingChanged();
    this.#context.events.emit('pipe.resumed', { direction: 'toClient', pausedMs, ...this.#owner.fields });
  }

  #block(): void {
    this.#blockedAt = this.#context.wheel.fairNow();
    this.#owner.readingChanged();
    const bufferedBytes = Math.max(this.#client?.bufferedBytes ?? 0, this.#journal?.bytes ?? 0);
    this.#context.events.emit('pipe.paused', { direction: 'toClient', bufferedBytes, ...this.#owner.fields });
  }
}
