/** Who may come in now: how often an address may ask, how often all together, and whether there is room. Pure: time comes in as an argument. */
import { HandshakesFromAddress, TooManyHandshakes } from '../errors.ts';
import { addressKey } from './address-key.ts';
import { AddressList } from './address-list.ts';
import { AddressRates } from './address-rates.ts';
import { Occupancy, type Slot } from './occupancy.ts';
import { refuse } from './refusal.ts';
import type { LimitSettings } from './settings.ts';
import { TokenBucket } from './token-bucket.ts';

export class Entrance {
  readonly #limits: LimitSettings;
  readonly #exempt: AddressList;
  readonly #rate: TokenBucket;
  readonly #rates: AddressRates;
  /** How often an address is answered that it is too much. */
  readonly #refusals: AddressRates;
  readonly #occupancy: Occupancy;

  constructor(limits: LimitSettings) {
    this.#limits = limits;
    this.#exempt = new AddressList(limits.exemptAddresses, 'limits.exemptAddresses');
    this.#rate = new TokenBucket({ perSecond: limits.handshakesPerSecond, burst: limits.handshakeBurst });
    const own = { perSecond: limits.handshakesPerSecondPerAddress, burst: limits.handshakeBurstPerAddress };
    this.#rates = new AddressRates(own, limits.maxAddresses);
    const { perSecond } = own;
    this.#refusals = new AddressRates({ perSecond, burst: perSecond }, limits.maxAddresses);
    this.#occupancy = new Occupancy(limits);
  }

  /** Clients that have a pipe. */
  get pipes(): number {
    return this.#occupancy.pipes;
  }

  /** Clients between their request and their pipe. */
  get arriving(): number {
    return this.#occupancy.arriving;
  }

  /** Addresses in memory: of those who are in, and of those whose rate is watched. */
  get addresses(): number {
    return this.#occupancy.addresses + this.#rates.size + this.#refusals.size;
  }

  /** Addresses that limits.maxAddresses had no room for any more. */
  get forgottenAddresses(): number {
    return this.#rates.forgotten + this.#refusals.forgotten;
  }

  /**
   * @param address of the client; '' = unknown: limited only as part of all.
   * @param returning it may come back to a pipe it has, or take the place of an older one.
   * @param now any monotonic clock, milliseconds.
   * @throws HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS, HOLDFAST_ERR_TOO_MANY_HANDSHAKES, HOLDFAST_ERR_GATEWAY_FULL,
   * HOLDFAST_ERR_ADDRESS_FULL: a Refusal, with the limit and when to try again.
   */
  enter(address: string, returning: boolean, now: number): Slot {
    const key = this.#keyOf(address);
    // First its own rate: what one address does too often takes nothing from the others.
    const ownMs = key === '' ? 0 : this.#rates.take(key, now);
    if (ownMs > 0) {
      this.#refusals.take(key, now);
      throw refuse(new HandshakesFromAddress(), 'handshakes-per-address', ownMs);
    }
    const ms = this.#rate.take(now);
    if (ms > 0) throw refuse(new TooManyHandshakes(), 'handshakes', ms);
    return this.#occupancy.enter(key, returning ? 'returning' : 'arriving');
  }

  /**
   * A client of it was closed for what it sent. That costs far more than a handshake: whoever floods, is closed and comes back at once would
   * else have the gateway do little but that.
   * @param address of the client; '' = unknown.
   */
  violated(address: string, now: number): void {
    const key = this.#keyOf(address);
    if (key !== '') this.#rates.draw(key, this.#limits.handshakesPerViolation, now);
  }

  /**
   * It goes on although it is told that it is too much: not worth an answer, which costs several times what dropping its connection does.
   * @param address of the connection itself; '' = unknown.
   */
  drops(address: string, now: number): boolean {
    const key = this.#keyOf(address);
    return key !== '' && this.#refusals.empty(key, now);
  }

  /**
   * A connection of it ended without a byte. It counts as a handshake, and where there were too many of them as one that was refused: opening
   * and closing it costs everybody as much as an answer.
   * @param address of the connection itself; '' = unknown.
   */
  silent(address: string, now: number): void {
    const key = this.#keyOf(address);
    if (key !== '' && this.#rates.take(key, now) > 0) this.#refusals.take(key, now);
  }

  #keyOf(address: string): string {
    return this.#exempt.has(address) ? '' : addressKey(address, this.#limits.ipv6PrefixBits);
  }
}
