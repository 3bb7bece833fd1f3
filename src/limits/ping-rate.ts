/**
 * How often a peer may ping. One that also sends data may ping after each piece of it: a ping behind data asks whether that arrived, as a
 * gateway in front of this one does, and costs little beside it. Pure: time comes in as an argument, milliseconds.
 */
import { type Rate, TokenBucket } from './token-bucket.ts';

/** So many bytes since the ping before, and the next one counts for nothing. Pings alone are that many only after hundreds. */
const dataBytes = 16_384;

export class PingRate {
  readonly #bucket: TokenBucket;
  #bytesAtLast = 0;

  constructor(rate: Rate) {
    this.#bucket = new TokenBucket(rate);
  }

  /** @param bytesIn all that came from this peer so far. @returns false for one too many. */
  allows(bytesIn: number, now: number): boolean {
    const behindData = bytesIn - this.#bytesAtLast >= dataBytes;
    this.#bytesAtLast = bytesIn;
    return behindData || this.#bucket.take(now) === 0;
  }
}
