/**
 * How many clients are in, in all and of each address. A slot is taken before anything is awaited, and given back whichever way the
 * upgrade ends. Pure.
 */
import { AddressFull, GatewayFull } from '../errors.ts';
import { refuse } from './refusal.ts';

export interface OccupancyLimits {
  readonly maxPipes: number;
  /** 0 = no limit. */
  readonly maxPipesPerAddress: number;
}

/**
 * arriving: between its request and its pipe. returning: the same, of one that may come back to a pipe it has or take the place of an
 * older one, and so may need no slot of its own. pipe: it has become one.
 */
type Stage = 'arriving' | 'returning' | 'pipe';
export type FirstStage = Exclude<Stage, 'pipe'>;

/** One that is replaced leaves only when its client has answered, or has not for too long: with those there are at most so many times the limit. */
const surplus = 2;
/** What one that found no room is told to wait, milliseconds. */
const retryAfterMs = 1000;

class Tally {
  arriving = 0;
  returning = 0;
  pipe = 0;

  get empty(): boolean {
    return this.arriving + this.returning + this.pipe === 0;
  }

  /** One that may return has a bound of its own: with all slots taken, those who have one still come back. */
  full(stage: FirstStage, most: number): boolean {
    return stage === 'returning' ? this.returning >= most : this.arriving + this.pipe >= most;
  }
}

export class Occupancy {
  readonly #limits: OccupancyLimits;
  readonly #all = new Tally();
  /** Of those with anybody in; so at most one for each slot. */
  readonly #addresses = new Map<string, Tally>();

  constructor(limits: OccupancyLimits) {
    this.#limits = limits;
  }

  /** Clients that have a pipe. */
  get pipes(): number {
    return this.#all.pipe;
  }

  /** Clients between their request and their pipe. */
  get arriving(): number {
    return this.#all.arriving + this.#all.returning;
  }

  get addresses(): number {
    return this.#addresses.size;
  }

  /**
   * @param key whom the address counts as; '' = counted only as part of all.
   * @throws HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_ADDRESS_FULL
   */
  enter(key: string, stage: FirstStage): Slot {
    this.#check(key, stage);
    this.#change(key, stage, 1);
    return new Slot(this, key, stage);
  }

  /** For slots. */
  move(key: string, from: Stage, to: Stage | null): void {
    if (to !== null) this.#change(key, to, 1);
    this.#change(key, from, -1);
  }

  /** For slots: is there room for one that was let in as returning, and does not return? */
  checkRoom(key: string, replaced: string | null): void {
    this.#check(key, 'arriving', replaced);
  }

  /** `replaced`: the key of one that leaves for it; null = nobody does. */
  #check(key: string, stage: FirstStage, replaced: string | null = null): void {
    const { maxPipes, maxPipesPerAddress } = this.#limits;
    if (this.#all.full(stage, maxPipes * (replaced === null ? 1 : surplus)))
      throw refuse(new GatewayFull(maxPipes), 'pipes', retryAfterMs);
    if (key === '' || maxPipesPerAddress === 0) return;
    if (this.#addresses.get(key)?.full(stage, maxPipesPerAddress * (key === replaced ? surplus : 1)) === true)
      throw refuse(new AddressFull(maxPipesPerAddress), 'pipes-per-address', retryAfterMs);
  }

  #change(key: string, stage: Stage, by: 1 | -1): void {
    this.#all[stage] += by;
    if (key === '') return;
    const tally = this.#addresses.get(key) ?? new Tally();
    tally[stage] += by;
    if (tally.empty) this.#addresses.delete(key);
    else this.#addresses.set(key, tally);
  }
}

/** The place of one client, from its request to the end of its pipe. */
export class Slot {
  readonly #occupancy: Occupancy;
  readonly #key: string;
  #stage: Stage | null;

  constructor(occupancy: Occupancy, key: string, stage: Stage) {
    this.#occupancy = occupancy;
    this.#key = key;
    this.#stage = stage;
  }

  /**
   * It becomes a pipe: a new one, or in the place of another, which leaves. Then it lasts as long as that pipe.
   * @throws HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_ADDRESS_FULL: it was let in as one that may return, and there is no room for a new one.
   */
  settle(replaced: Slot | null = null): void {
    if (this.#stage === 'returning') this.#occupancy.checkRoom(this.#key, replaced === null ? null : replaced.#key);
    this.#become('pipe');
  }

  /**
   * Room for a pipe that it gets from elsewhere, which is a new one here and lasts whether its client waits for it or not.
   * @throws HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_ADDRESS_FULL
   */
  reserve(): Slot {
    return this.#occupancy.enter(this.#key, 'arriving');
  }

  /** It comes back to a pipe that is there, whatever is full. The slot that pipe had is to be ended. */
  takeOver(): void {
    this.#become('pipe');
  }

  /** It went away, or was turned away, before it had a pipe. Idempotent; once it has one nothing happens. */
  leave(): void {
    if (this.#stage !== 'pipe') this.end();
  }

  /** Its pipe has closed. Idempotent. */
  end(): void {
    if (this.#stage === null) return;
    this.#occupancy.move(this.#key, this.#stage, null);
    this.#stage = null;
  }

  #become(stage: Stage): void {
    if (this.#stage !== null) this.#occupancy.move(this.#key, this.#stage, stage);
    this.#stage = stage;
  }
}
