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
const mostDoublings = 5;

interface Sent {
  readonly sequence: number;
  readonly mark: Mark;
}

export class Barrier {
  /** Unacknowledged bytes that send a barrier at once. */
  static readonly bytes = 65_536;
  /** Longest wait of a first unacknowledged message for its barrier, milliseconds. */
  static readonly delayMs = 100;
  #sequence = 0;
  /** The pings out: the first not answered and the last. One between them, sent in vain, counts as the first. */
  #first: Sent | null = null;
  #last: Sent | null = null;

  /** Longest wait for an answer before the first is asked for again, milliseconds; then twice as long, and so on. */
  static readonly answerMs = 1000;
  /** A barrier is on its way. */
  get outstanding(): boolean {
    return this.#last !== null;
  }

  /** How long to wait for an answer before it is asked for again, milliseconds. */
  get patienceMs(): number {
    const again = this.#last === null || this.#first === null ? 0 : this.#last.sequence - this.#first.sequence;
    return Barrier.answerMs * 2 ** Math.min(again >>> 0, mostDoublings);
  }

  /** Payload of the ping to send now; its pong will acknowledge `mark`. */
  send(mark: Mark): Buffer {
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#last = { sequence: this.#sequence, mark };
    this.#first ??= this.#last;
    const payload = Buffer.allocUnsafe(payloadBytes);
    payload.writeUInt32BE(prefix, 0);
    payload.writeUInt32BE(this.#sequence, 4);
    return payload;
  }

  /** What a pong with this payload acknowledges; null where it answers no barrier that is out. */
  answered(payload: Buffer): Mark | null {
    const first = this.#first;
    const last = this.#last;
    if (first === null || last === null) return null;
    if (payload.length !== payloadBytes || payload.readUInt32BE(0) !== prefix) return null;
    const nth = (payload.readUInt32BE(4) - first.sequence) >>> 0;
    const lastNth = (last.sequence - first.sequence) >>> 0;
    if (nth > lastNth) return null;
    if (nth === lastNth) {
      this.reset();
      return last.mark;
    }
    // Where pings are sent anew faster than they are answered, only this brings the journal forward.
    this.#first = last;
    return first.mark;
  }

  /** The link is gone. */
  reset(): void {
    this.#first = null;
    this.#last = null;
  }
}
