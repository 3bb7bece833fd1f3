import type { ResetDetail } from './types.ts';

export type Kept = string | ArrayBuffer | Blob;
interface Name {
  readonly pipe: string;
  readonly token: string;
}
interface Entry {
  readonly data: Kept;
  readonly bytes: number;
}

/** A client acknowledges at this many bytes. */
const ackBytes = 65_536;

/**
 * PROTOCOL.md, rules 1 to 4: counts both directions and keeps what the gateway has not acknowledged. Knows neither why a connection
 * was lost nor what time it is.
 */
export class Session {
  #name: Name | null = null;
  #attempt = 0;
  #entries: Entry[] = [];
  #bytes = 0;
  /** Entries from the front that were given to the present connection, or to the last one. */
  #sent = 0;
  /** The number of the first entry. */
  #first = 1;
  #received = 0;
  #acknowledged = 0;
  #unacknowledgedBytes = 0;

  /** '' = none. */
  get pipe(): string {
    return this.#name?.pipe ?? '';
  }

  /**
   * What it takes to resume; null = nothing to resume. Each has a higher number than those before it: one that comes late, on a connection
   * that was given up, takes nothing from the one that came after it.
   */
  resumption(): object | null {
    return this.#name && { ...this.#name, received: this.#received, attempt: ++this.#attempt };
  }

  /** From now on it is this one; null = none. */
  name(name: Name | null): void {
    this.#name = name && { pipe: name.pipe, token: name.token };
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages kept. */
  get messages(): number {
    return this.#entries.length;
  }

  keep(data: Kept, bytes: number): void {
    this.#entries.push({ data, bytes });
    this.#bytes += bytes;
  }

  /** Gives up the oldest; what was sent of it may still arrive, and is counted. */
  dropOldest(): void {
    if (this.#sent > 0) {
      this.#sent -= 1;
      this.#first += 1;
    }
    this.#remove(1);
  }

  /** The next message to send on this connection. */
  next(): Kept | undefined {
    return this.#entries[this.#sent]?.data;
  }

  /** What `next` gave was given to the connection. */
  markSent(): void {
    this.#sent += 1;
  }

  /** The other end has all messages up to this number. */
  acknowledged(received: number): void {
    const count = Math.min(this.#sent, Math.max(0, received + 1 - this.#first));
    this.#first += count;
    this.#sent -= count;
    this.#remove(count);
  }

  /** A message came down. Is an acknowledgement due at once? */
  arrived(bytes: number): boolean {
    this.#received += 1;
    this.#unacknowledgedBytes += bytes;
    return this.#unacknowledgedBytes >= ackBytes;
  }

  /** The number to send, which counts as sent; null when there is nothing new to say. */
  takeAck(): number | null {
    if (this.#acknowledged === this.#received) return null;
    this.#acknowledged = this.#received;
    this.#unacknowledgedBytes = 0;
    return this.#received;
  }

  /**
   * The gateway has the session and this many of our messages; gives the number of messages that were sent and did not arrive. What
   * arrived is still kept: it is in the memory of one gateway, and acknowledged when a backend has it.
   */
  resume(received: number): number {
    // Where what was dropped did not arrive either, the next message takes its number.
    this.#first = Math.min(this.#first, received + 1);
    const arrived = Math.min(this.#sent, received + 1 - this.#first);
    const again = this.#sent - arrived;
    this.#sent = arrived;
    // `start` has told our count.
    this.takeAck();
    return again;
  }

  /** Another session: counts begin anew, what was kept is still kept. */
  restart(): Omit<ResetDetail, 'reason'> {
    const detail = {
      keptMessages: this.#entries.length,
      maybeTwiceMessages: this.#sent,
      receivedMessages: this.#received,
      unacknowledgedMessages: this.#received - this.#acknowledged,
    };
    this.#sent = this.#received = this.#acknowledged = this.#unacknowledgedBytes = 0;
    this.#first = 1;
    return detail;
  }

  /** Gives up all that is kept. */
  clear(): void {
    this.#sent = 0;
    this.#remove(this.#entries.length);
  }

  end(): void {
    this.clear();
    this.restart();
    this.name(null);
  }

  #remove(count: number): void {
    for (const { bytes } of this.#entries.splice(0, count)) this.#bytes -= bytes;
  }
}
