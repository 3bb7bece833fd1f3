/**
 * A token bucket for each address, in bounded memory: an address whose bucket is full again is forgotten, and with the table full the one
 * that has been silent for longest. Then it has a full bucket again, and the rate of all together is what protects. Pure.
 */
import { type Rate, spend, waitMs } from './token-bucket.ts';

/** Forgotten at each call, at most: more than one, so that the table shrinks while it is in use. */
const forgottenAtOnce = 2;

export class AddressRates {
  readonly #rate: Rate;
  readonly #maxAddresses: number;
  #forgotten = 0;
  /** When each bucket is full again; the order is that of the last use. */
  readonly #fullAt = new Map<string, number>();

  constructor(rate: Rate, maxAddresses: number) {
    this.#rate = rate;
    this.#maxAddresses = maxAddresses;
  }

  /** Addresses kept. */
  get size(): number {
    return this.#fullAt.size;
  }

  /** How many were forgotten before their bucket was full again, since there was no room. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** True where the next `take` would find no token. */
  empty(address: string, now: number): boolean {
    if (this.#rate.perSecond === 0) return false;
    const fullAt = this.#fullAt.get(address);
    return fullAt !== undefined && waitMs(spend(fullAt, now, this.#rate), now, this.#rate) > 0;
  }

  /** @returns 0 = a token was taken, else milliseconds until there will be one. */
  take(address: string, now: number): number {
    if (this.#rate.perSecond === 0) return 0;
    const before = this.#fullAt.get(address) ?? 0;
    const after = spend(before, now, this.#rate);
    const wait = waitMs(after, now, this.#rate);
    this.#keep(address, wait === 0 ? after : before, now);
    return wait;
  }

  /** Takes tokens whether they are there or not; no more than so many are owed afterwards, however often that happens. */
  draw(address: string, tokens: number, now: number): void {
    if (this.#rate.perSecond === 0 || tokens === 0) return;
    const fullAt = spend(this.#fullAt.get(address) ?? 0, now, this.#rate, tokens);
    this.#keep(address, Math.min(fullAt, spend(now, now, this.#rate, this.#rate.burst + tokens)), now);
  }

  #keep(address: string, fullAt: number, now: number): void {
    this.#forgetFull(now);
    this.#fullAt.delete(address);
    if (this.#fullAt.size >= this.#maxAddresses) this.#forgetOldest();
    this.#fullAt.set(address, fullAt);
  }

  #forgetFull(now: number): void {
    let forgotten = 0;
    for (const [address, fullAt] of this.#fullAt) {
      if (fullAt > now || forgotten === forgottenAtOnce) return;
      this.#fullAt.delete(address);
      forgotten += 1;
    }
  }

  #forgetOldest(): void {
    for (const address of this.#fullAt.keys()) {
      this.#fullAt.delete(address);
      this.#forgotten += 1;
      return;
    }
  }
}
