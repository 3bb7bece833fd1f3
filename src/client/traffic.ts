import { copyOf, sizeOf } from './data.ts';
import type { Link } from './link.ts';
import { Session } from './session.ts';
import type { OverflowPolicy, SocketData } from './types.ts';

const ackDelayMs = 100;

/** Between the application and whatever link there is: order, the bound in bytes, acknowledgements. */
export class Traffic {
  readonly session = new Session();
  maxBytes: number;
  droppedMessages = 0;
  readonly #overflow: OverflowPolicy;
  readonly #drained: () => void;
  /** Messages pass over it; null = there is none, or it is not ready. */
  #link: Link | null = null;
  #refused = false;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(maxBytes: number, overflow: OverflowPolicy, drained: () => void) {
    this.maxBytes = maxBytes;
    this.#overflow = overflow;
    this.#drained = drained;
  }

  get link(): Link | null {
    return this.#link;
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
    return this.session.bytes + (this.#link?.plain ? this.#link.pendingBytes : 0);
  }

  take(data: SocketData): boolean {
    const [kept, bytes] = copyOf(data);
    const fits = (): boolean => this.bufferedBytes + bytes <= this.maxBytes;
    if (this.#overflow === 'drop-oldest' && bytes <= this.maxBytes) {
      for (; !fits() && this.session.messages; this.droppedMessages += 1) this.session.dropOldest();
    }
    if (!fits()) {
      this.#refused = true;
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
      session.markSent();
      this.#link.send(data);
    }
    if (this.#link?.plain) this.acknowledged(Number.POSITIVE_INFINITY);
  }

  /** The gateway has all up to this number; where there is none, what was sent is not kept. */
  acknowledged(received: number): void {
    this.session.acknowledged(received);
    if (!this.#refused || this.bufferedBytes > this.maxBytes / 2) return;
    this.#refused = false;
    this.#drained();
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
