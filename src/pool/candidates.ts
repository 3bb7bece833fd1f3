/**
 * Who may get a pipe now, kept up to date with every change so that a pick looks at nobody else. Those that are ejected, or unhealthy by their
 * checks, are left out, unless every other enabled one is full or there is none: better a doubtful backend than none, but no flood on it while
 * the others are merely busy dialling.
 */
import type { Backend } from './backend.ts';
import type { Balancer, BalancingContext } from './balancer.ts';

interface Standing {
  enabled: boolean;
  /** Enabled and not full. */
  open: boolean;
  leftOut: boolean;
  /** As last counted in its tier. */
  room: number;
  /** Where it is a candidate; null = nowhere: it has no room. */
  tier: Tier | null;
}

interface Tier {
  readonly balancer: Balancer;
  /** Leases that all in it could take. */
  room: number;
}

/** In how many steps a weight grows during pool.slowStartMs. */
const rampSteps = 100;

export interface CandidatesSettings {
  /** Twice: one for those that are left out. */
  readonly createBalancer: () => Balancer;
  readonly slowStartMs: number;
}

export class Candidates {
  readonly #slowStartMs: number;
  readonly #fresh: Tier;
  readonly #doubtful: Tier;
  readonly #standings = new Map<Backend, Standing>();
  readonly #ejected = new Set<Backend>();
  readonly #ramping = new Set<Backend>();
  #enabled = 0;
  #enabledButLeftOut = 0;
  #open = 0;
  /** Of the open ones, those that are not left out. */
  #openAndFresh = 0;
  #nextReturn = Number.POSITIVE_INFINITY;
  #nextStep = Number.POSITIVE_INFINITY;

  constructor({ createBalancer, slowStartMs }: CandidatesSettings) {
    this.#slowStartMs = slowStartMs;
    this.#fresh = { balancer: createBalancer(), room: 0 };
    this.#doubtful = { balancer: createBalancer(), room: 0 };
  }

  /** True if any is enabled and not full, left out or not. */
  get anyOpen(): boolean {
    return this.#open > 0;
  }

  /** True if any of these is left out. */
  get anyDoubtful(): boolean {
    return this.#open > this.#openAndFresh;
  }

  /** Call it after every change of a backend that is registered, also the first: settings, load, ejection, health. */
  changed(backend: Backend, now: number): void {
    let standing = this.#standings.get(backend);
    if (standing === undefined) {
      standing = { enabled: false, open: false, leftOut: false, room: 0, tier: null };
      this.#standings.set(backend, standing);
    }
    const weight = backend.effectiveWeight(now, this.#slowStartMs);
    this.#count(standing, -1);
    standing.enabled = backend.enabled;
    standing.open = backend.enabled && !backend.full;
    standing.leftOut = backend.leftOutAt(now);
    standing.room = standing.enabled ? backend.room() : 0;
    const before = standing.tier;
    standing.tier = standing.room === 0 ? null : standing.leftOut ? this.#doubtful : this.#fresh;
    this.#count(standing, 1);
    if (before === standing.tier) {
      before?.balancer.changed(backend, weight);
    } else {
      before?.balancer.delete(backend);
      standing.tier?.balancer.add(backend, weight);
    }
    if (backend.ejectedAt(now)) {
      this.#ejected.add(backend);
      this.#nextReturn = Math.min(this.#nextReturn, backend.ejectedUntil);
    } else {
      this.#ejected.delete(backend);
    }
    if (weight < backend.weight) {
      this.#ramping.add(backend);
      this.#nextStep = Math.min(this.#nextStep, now + this.#slowStartMs / rampSteps);
    }
  }

  /** It has left the pool. */
  forget(backend: Backend): void {
    const standing = this.#standings.get(backend);
    if (standing === undefined) return;
    this.#count(standing, -1);
    this.#standings.delete(backend);
    this.#ejected.delete(backend);
    this.#ramping.delete(backend);
    this.#fresh.balancer.forget(backend);
    this.#doubtful.balancer.forget(backend);
  }

  pick(context: BalancingContext, now: number): Backend | null {
    this.#advance(now);
    return this.#tier.balancer.pick(context);
  }

  /** True where this one has room and is not left out. */
  offers(backend: Backend, now: number): boolean {
    this.#advance(now);
    return this.#standings.get(backend)?.tier === this.#fresh;
  }

  /** How many leases could be given now to someone who excludes nothing. */
  room(now: number): number {
    this.#advance(now);
    return this.#tier.room;
  }

  /** For the limit of how many may be left out at one time. */
  census(now: number): { readonly enabled: number; readonly leftOut: number } {
    this.#advance(now);
    return { enabled: this.#enabled, leftOut: this.#enabledButLeftOut };
  }

  get #tier(): Tier {
    return this.#openAndFresh > 0 ? this.#fresh : this.#doubtful;
  }

  #count({ enabled, open, leftOut, room, tier }: Standing, by: 1 | -1): void {
    if (enabled) this.#enabled += by;
    if (enabled && leftOut) this.#enabledButLeftOut += by;
    if (open) this.#open += by;
    if (open && !leftOut) this.#openAndFresh += by;
    if (tier !== null) tier.room += by * room;
  }

  /** What time alone changes: ejections end, weights grow. Looks at those concerned, once per end and step. */
  #advance(now: number): void {
    if (now >= this.#nextReturn) {
      this.#nextReturn = Number.POSITIVE_INFINITY;
      for (const backend of this.#ejected) this.changed(backend, now);
    }
    if (now >= this.#nextStep) {
      this.#nextStep = Number.POSITIVE_INFINITY;
      const ramping = [...this.#ramping];
      this.#ramping.clear();
      for (const backend of ramping) this.changed(backend, now);
    }
  }
}
