/**
 * The direction toClient of one pipe: messages go to the client's link at once; while the client is too slow (buffer.maxDownstreamBytes)
 * no backend is read.
 */
import type { Link } from '../link/link.ts';
import type { EventStream, PipeFields } from '../observe/events.ts';

export interface DownstreamOwner {
  readonly fields: PipeFields;
  /** Whether backends may be read has changed. */
  readingChanged(): void;
}

export interface DownstreamContext {
  readonly events: EventStream;
  readonly wheel: { now(): number };
  /** Live: it can be changed while the gateway runs. */
  readonly limits: { readonly maxDownstreamBytes: number };
}

export class Downstream {
  /** Whole messages, and bytes of frames, that went to the client. */
  messages = 0;
  bytes = 0;
  readonly #owner: DownstreamOwner;
  readonly #context: DownstreamContext;
  #client: Link | null = null;
  #blockedAt: number | null = null;

  constructor(owner: DownstreamOwner, context: DownstreamContext) {
    this.#owner = owner;
    this.#context = context;
  }

  /** True while backends may be read. */
  get open(): boolean {
    return this.#blockedAt === null;
  }

  set client(link: Link | null) {
    this.#client = link;
    this.#blockedAt = null;
  }

  push(frames: Buffer, messages: number): void {
    const client = this.#client;
    if (client === null || !client.open) return;
    this.messages += messages;
    this.bytes += frames.length;
    client.write(frames);
    if (this.#blockedAt === null && client.bufferedBytes > this.#context.limits.maxDownstreamBytes) this.#block(client);
  }

  /** The client has taken all that was written. */
  drained(): void {
    if (this.#blockedAt === null) return;
    const pausedMs = this.#context.wheel.now() - this.#blockedAt;
    this.#blockedAt = null;
    this.#owner.readingChanged();
    this.#context.events.emit('pipe.resumed', { ...this.#owner.fields, direction: 'toClient', pausedMs });
  }

  #block(client: Link): void {
    this.#blockedAt = this.#context.wheel.now();
    this.#owner.readingChanged();
    const bufferedBytes = client.bufferedBytes;
    this.#context.events.emit('pipe.paused', { ...this.#owner.fields, direction: 'toClient', bufferedBytes });
  }
}
