import { copyOf, sizeOf } from './data.ts';
import type { Link } from './link.ts';
import { Session } from './session.ts';
import type { OverflowPolicy, SocketData } from './types.ts';

const ackDelayMs = 100;
/** How often a server that is no gateway is looked at: it does not say what it has taken. */
const drainPollMs = 100;
/** The most that the header of a frame takes: the gateway counts it, and of small messages it is the larger part. */
const headerBytes = 14;

/** Between the application and whatever link there is: order, the bound in bytes, acknowledgements. */
export class Traffic {
  readonly session = new Session();
  maxBytes: number;
  droppedMessages = 0;
  readonly #overflow: OverflowPolicy;
  readonly #drained: () => void;
  /** Messages pass over it; null = there is none, or it is not ready. */
  #link: Link | null = null;
  /** Of the smallest message that was refused since the last drain; 0 = none was. */
  #refusedBytes = 0;
  #drainTimer: ReturnType<typeof setTimeout> | undefined;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(maxBytes: number, overflow: OverflowPolicy, drained: () => void) {
    this.maxBytes = maxBytes;
    this.#overflow = overflow;
    this.#drained = drained;
  }

  /** Call `flush` next. */
  attach(link: Link): void {
    this.#link = link;
  }

  detach(): void {
    this.#link = null;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
  }

  get bufferedBytes(): number {
    const { session } = this;
    // All sent, and only kept in case that it is a gateway.
    return this.#pendingBytes + (this.#link?.plain && session.next() === undefined ? 0 : session.bytes);
  }

  get #pendingBytes(): number {
    return this.#link?.plain ? this.#link.pendingBytes : 0;
  }

  get #heldBytes(): number {
    return this.#pendingBytes + this.session.bytes + this.session.messages * headerBytes;
  }

  take(data: SocketData): boolean {
    const [kept, bytes] = copyOf(data);
    const room = this.maxBytes - bytes - headerBytes;
    const fits = (): boolean => this.#heldBytes <= room;
    if (!fits()) this.forgetPlain();
    if (this.#overflow === 'drop-oldest' && room >= 0) {
      for (; !fits() && this.session.messages; this.droppedMessages += 1) this.session.dropOldest();
    }
    if (!fits()) {
      const refused = bytes + headerBytes;
      // What was refused before may have room by now, and its drain is not that of this one.
      this.#drain();
      this.#refusedBytes = Math.min(this.#refusedBytes || refused, refused);
      this.#drain();
      return false;
    }
    this.session.keep(kept, bytes);
    this.flush();
    return true;
  }

  flush(): void {
    const { session } = this;
    for (;;) {
      const data = session.next();
      if (data === undefined || !this.#link?.isOpen) break;
      this.#link.send(data);
      session.markSent();
    }
    if (!this.#link?.guessed) this.forgetPlain();
    this.#drain();
  }

  /** Where there is no gateway, what was sent is not kept. */
  forgetPlain(): void {
    if (this.#link?.plain) this.session.acknowledged(Number.POSITIVE_INFINITY);
  }

  /** The gateway has all up to this number. */
  acknowledged(received: number): void {
    this.session.acknowledged(received);
    this.#drain();
  }

  /** Is there room again for what was refused? Not asked for what can never fit. */
  #drain(): void {
    clearTimeout(this.#drainTimer);
    if (!this.#refusedBytes || this.#refusedBytes > this.maxBytes) return;
    this.forgetPlain();
    if (this.#heldBytes <= Math.min(this.maxBytes / 2, this.maxBytes - this.#refusedBytes)) {
      this.#refusedBytes = 0;
      this.#drained();
    } else if (this.#link?.plain) this.#drainTimer = setTimeout(() => this.#drain(), drainPollMs);
  }

  /** A message came, and `deliver` gives it to the application. */
  arrived(data: unknown, deliver: () => void): void {
    const due = this.session.arrived(sizeOf(data));
    deliver();
    if (due) this.#acknowledge();
    else if (this.#link && !this.#link.plain) this.#ackTimer ??= setTimeout(() => this.#acknowledge(), ackDelayMs);
  }

  #acknowledge(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (!this.#link || this.#link.plain) return;
    const received = this.session.takeAck();
    if (received !== null) this.#link.sendControl({ type: 'ack', received });
  }
}
