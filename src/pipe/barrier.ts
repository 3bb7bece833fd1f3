/**
 * The ping sent behind the data of a backend link, and what its pong covers. Pure. One barrier at a time. A barrier may be sent
 * anew, behind more data: an endpoint may answer only the latest of several pings (RFC 6455 section 5.5.3).
 */
export interface Mark {
  readonly position: number;
  readonly messages: number;
}

const prefix = 0x4846_6272; // "HFbr"
const payloadBytes = 8;

export class Barrier {
  /** Unacknowledged bytes that send a barrier at once. */
  static readonly bytes = 65_536;
  /** Longest wait of a first unacknowledged message for its barrier, milliseconds. */
  static readonly delayMs = 100;
  #sequence = 0;
  #mark: Mark | null = null;

  /** A barrier is on its way. */
  get outstanding(): boolean {
    return this.#mark !== null;
  }

  /** Payload of the ping to send now; its pong will acknowledge `mark`. */
  send(mark: Mark): Buffer {
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#mark = mark;
    const payload = Buffer.allocUnsafe(payloadBytes);
    payload.writeUInt32BE(prefix, 0);
    payload.writeUInt32BE(this.#sequence, 4);
    return payload;
  }

  /** What a pong with this payload acknowledges; null where it is not the answer to the barrier that is out. */
  answered(payload: Buffer): Mark | null {
    if (payload.length !== payloadBytes || payload.readUInt32BE(0) !== prefix) return null;
    if (this.#mark === null || payload.readUInt32BE(4) !== this.#sequence) return null;
    const mark = this.#mark;
    this.#mark = null;
    return mark;
  }

  /** The link is gone. */
  reset(): void {
    this.#mark = null;
  }
}
