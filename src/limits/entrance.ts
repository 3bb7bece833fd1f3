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
   * An upgrade request has come, and counts as a handshake, whatever is in it.
   * @param address of the client; '' = unknown: limited only as part of all.
   * @param now any monotonic clock, milliseconds.
   * @throws HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS, HOLDFAST_ERR_TOO_MANY_HANDSHAKES: a Refusal, with the limit and when to try again.
   */
  knock(address: string, now: number): void {
    // First its own rate: what one address does too often takes nothing from the others.
    const ownMs = this.#countOwn(address, now);
    if (ownMs > 0) throw refuse(new HandshakesFromAddress(), 'handshakes-per-address', ownMs);
    const ms = this.#rate.take(now);
    if (ms > 0) throw refuse(new TooManyHandshakes(), 'handshakes', ms);
  }

  /**
   * One that has knocked, and whose request is in order.
   * @param address of the client; '' = unknown: limited only as part of all.
   * @param returning it may come back to a pipe it has, or take the place of an older one.
   * @throws HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_ADDRESS_FULL: a Refusal, with the limit and when to try again.
   */
  enter(address: string, returning: boolean): Slot {
    return this.#occupancy.enter(this.#keyOf(address), returning ? 'returning' : 'arriving');
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
   * A connection of it was ended for the requests on it: as dear as a client that was closed, and no answer tells it so. From one that goes on
   * connections are dropped soon.
   * @param address of the connection itself; '' = unknown.
   */
  overran(address: string, now: number): void {
    const key = this.#keyOf(address);
    if (key === '') return;
    const count = Math.max(1, this.#limits.handshakesPerViolation);
    this.#rates.draw(key, count, now);
    this.#refusals.draw(key, count, now);
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
   * A connection of it ended without a request. It counts as a handshake, and where there were too many of them as one that was refused: opening
   * and closing it costs everybody as much as an answer.
   * @param address of the connection itself; '' = unknown.
   */
  endedUnasked(address: string, now: number): void {
    this.#countOwn(address, now);
  }

  /** @returns 0 = a handshake more is within its rate, else milliseconds until one is; it is refused then. */
  #countOwn(address: string, now: number): number {
    const key = this.#keyOf(address);
    const ms = key === '' ? 0 : this.#rates.take(key, now);
    if (ms > 0) this.#refusals.take(key, now);
    return ms;
  }

  #keyOf(address: string): string {
    return this.#exempt.has(address) ? '' : addressKey(address, this.#limits.ipv6PrefixBits);
  }
}
