/**
 * One registered backend: its settings, who holds connections to it, and how it has been doing. Pure bookkeeping: the pool and
 * its leases call in, nothing here calls out. Code outside src/pool reads; it writes `drain` only.
 */

import type { Health } from '../observe/vocabulary.ts';
import { backendUrlKey, backendUrlText } from './backend-url.ts';
import { type CheckChange, CheckRecord, type CheckResult } from './check-record.ts';
import { hash32 } from './hash.ts';
import type { HealthSettings } from './health-settings.ts';
import type { AdminState } from './settings.ts';
import type { BackendView } from './views.ts';

export { parseBackendUrl } from './backend-url.ts';

/** Pipe ids remembered per streak of failures; with more of them failing, a repeated one may count again. */
const maxRememberedPipes = 1024;
/** Share of its weight with which a backend starts when pool.slowStartMs is set. */
const slowStartShare = 0.1;

/** Progress of a drain, kept by whoever drains. */
export interface DrainProgress {
  /** Wall clock, ms since 1970. */
  readonly startedAt: number;
  migrated: number;
  failedOver: number;
}

/** registered = by an option or the admin API; dns = found by discovery.dns, of this gateway alone. */
export type BackendOrigin = 'registered' | 'dns';

export interface BackendSettings {
  readonly id: string;
  /** Default: registered. */
  readonly origin?: BackendOrigin;
  readonly url: URL;
  readonly weight: number;
  /** Null = no limit. */
  readonly maxConnections: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly maxConcurrentDials: number;
  /** How its health checks are judged; left out or kind 'off' = there are none. */
  readonly health?: Pick<HealthSettings, 'kind' | 'rise' | 'fall'>;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Ms since 1970. */
  readonly wallClock: () => number;
}

export interface BackendChange {
  readonly weight?: number | undefined;
  readonly maxConnections?: number | null | undefined;
  readonly adminState?: AdminState | undefined;
}

let comebacks = 0;
function nextComeback(): number {
  comebacks += 1;
  return comebacks;
}

export class Backend {
  readonly id: string;
  readonly origin: BackendOrigin;
  /** Validated; what is dialled. Treat as read-only. */
  readonly url: URL;
  /** Without query string: for events, views and logs. */
  readonly urlText: string;
  /** Equal for two spellings of one address. */
  readonly urlKey: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Wall clock, ms since 1970. */
  readonly registeredAt: number;
  /**
   * Another number each time it becomes worth a new try: registered, enabled again, recovered. Who tried it in vain under an older number
   * may try it again.
   */
  comeback = nextComeback();
  /** Set and cleared by the manager; null = no drain under way. */
  drain: DrainProgress | null = null;
  /** Seed of this backend for the hash policy: from the address, so that gateways that name it differently agree. */
  readonly hashSeed: number;

  readonly #maxConcurrentDials: number;
  readonly #now: () => number;
  readonly #wallClock: () => number;
  readonly #failedPipes = new Set<string>();
  /** Null = it is not checked. */
  readonly #checks: CheckRecord | null;
  #weight: number;
  #maxConnections: number;
  #adminState: AdminState = 'enabled';
  #health: Health = 'unknown';
  #removed = false;
  #connections = 0;
  #dialing = 0;
  #consecutiveFailures = 0;
  #failingSince = 0;
  #ejectionsInStreak = 0;
  #ejectedUntil = Number.NEGATIVE_INFINITY;
  #rampFrom: number;
  #attachedTotal = 0;
  #failedTotal = 0;
  #ejectionsTotal = 0;
  #lastError: { readonly at: number; readonly detail: string } | null = null;

  constructor(settings: BackendSettings) {
    this.id = settings.id;
    this.origin = settings.origin ?? 'registered';
    this.url = settings.url;
    this.urlText = backendUrlText(settings.url);
    this.urlKey = backendUrlKey(settings.url);
    this.hashSeed = hash32(this.urlKey);
    this.labels = Object.freeze({ ...settings.labels });
    this.#maxConcurrentDials = settings.maxConcurrentDials;
    const { health } = settings;
    this.#checks = health === undefined || health.kind === 'off' ? null : new CheckRecord(health);
    this.#now = settings.now;
    this.#wallClock = settings.wallClock;
    this.#weight = settings.weight;
    this.#maxConnections = settings.maxConnections ?? Number.POSITIVE_INFINITY;
    this.registeredAt = settings.wallClock();
    this.#rampFrom = settings.now();
  }

  get weight(): number {
    return this.#weight;
  }
  /** Null = no limit. */
  get maxConnections(): number | null {
    return this.#maxConnections === Number.POSITIVE_INFINITY ? null : this.#maxConnections;
  }
  get adminState(): AdminState {
    return this.#adminState;
  }
  get enabled(): boolean {
    return this.#adminState === 'enabled';
  }
  /** With health checks their verdict, else that of the last try. */
  get health(): Health {
    return this.#checks?.health ?? this.#health;
  }
  /** True once it has left the pool; its leases stay valid and count for nothing any more. */
  get removed(): boolean {
    return this.#removed;
  }
  /** Leases held: dialing and attached. */
  get connections(): number {
    return this.#connections;
  }
  /** Dial slots held, at most pool.maxConcurrentDials. */
  get dialing(): number {
    return this.#dialing;
  }
  get full(): boolean {
    return this.#connections >= this.#maxConnections;
  }
  /** No dial slot is free. */
  get dialsFull(): boolean {
    return this.#dialing >= this.#maxConcurrentDials;
  }
  /** Failures since it last proved itself. */
  get consecutiveFailures(): number {
    return this.#consecutiveFailures;
  }
  /** Ejections since it last proved itself. */
  get ejectionsInStreak(): number {
    return this.#ejectionsInStreak;
  }
  /** What last failed (`at` = wall clock in ms); null = nothing yet. */
  get lastError(): { readonly at: number; readonly detail: string } | null {
    return this.#lastError;
  }

  /** How many leases it could take now, as far as connections and dial slots go; 0 = none. */
  room(): number {
    return Math.max(0, Math.min(this.#maxConnections - this.#connections, this.#maxConcurrentDials - this.#dialing));
  }

  /** Monotonic ms; in the past or -Infinity = not ejected. */
  get ejectedUntil(): number {
    return this.#ejectedUntil;
  }

  ejectedAt(now: number): boolean {
    return this.#ejectedUntil > now;
  }

  /** Ejected, or unhealthy by its checks: both must be over before it gets new pipes again. */
  leftOutAt(now: number): boolean {
    return this.ejectedAt(now) || this.#checks?.health === 'unhealthy';
  }

  /** The weight that counts at `now`: 10 % of it after joining or returning, all of it slowStartMs later, linear between. */
  effectiveWeight(now: number, slowStartMs: number): number {
    const elapsedMs = now - this.#rampFrom;
    if (slowStartMs === 0 || elapsedMs >= slowStartMs) return this.#weight;
    return this.#weight * (slowStartShare + ((1 - slowStartShare) * Math.max(0, elapsedMs)) / slowStartMs);
  }

  view(): BackendView {
    const now = this.#now();
    const last = this.#checks?.last ?? null;
    return {
      id: this.id,
      url: this.urlText,
      weight: this.#weight,
      maxConnections: this.maxConnections,
      labels: this.labels,
      adminState: this.#adminState,
      health: this.health,
      usable: this.enabled && !this.#removed && !this.full && !this.leftOutAt(now),
      lastCheck: last && { ...last, at: iso(last.at), checkMs: Math.round(last.checkMs * 10) / 10 },
      ejectedUntil: this.ejectedAt(now) ? iso(this.#wallClock() + this.#ejectedUntil - now) : null,
      connections: this.#connections,
      dialing: this.#dialing,
      consecutiveFailures: this.#consecutiveFailures,
      totals: { attached: this.#attachedTotal, failed: this.#failedTotal, ejections: this.#ejectionsTotal },
      lastError: this.#lastError && { at: iso(this.#lastError.at), detail: this.#lastError.detail },
      registeredAt: iso(this.registeredAt),
      drain: this.drain && {
        startedAt: iso(this.drain.startedAt),
        remaining: this.#connections,
        migrated: this.drain.migrated,
        failedOver: this.drain.failedOver,
      },
    };
  }

  /** Takes a connection and a dial slot. */
  reserve(): void {
    this.#connections += 1;
    this.#dialing += 1;
  }
  /** The dial is over and the connection stays. */
  keep(): void {
    this.#dialing -= 1;
    this.#attachedTotal += 1;
  }
  /** Gives the connection back, and the dial slot if it is still `dialing`. */
  giveBack(dialing: boolean): void {
    this.#connections -= 1;
    if (dialing) this.#dialing -= 1;
  }

  /** False when this pipe has counted in the present streak already. */
  recordFailure(detail: string, pipeId: string | undefined): boolean {
    this.#failedTotal += 1;
    if (this.enabled) this.#health = 'unhealthy';
    this.#lastError = { at: this.#wallClock(), detail };
    if (pipeId !== undefined) {
      if (this.#failedPipes.has(pipeId)) return false;
      if (this.#failedPipes.size < maxRememberedPipes) this.#failedPipes.add(pipeId);
    }
    if (this.#consecutiveFailures === 0) this.#failingSince = this.#now();
    this.#consecutiveFailures += 1;
    return true;
  }

  /** Ends the streak and an ejection; answers how long it had been failing in ms, null when it had not. */
  recordProof(): number | null {
    const now = this.#now();
    const downMs = this.#consecutiveFailures === 0 ? null : now - this.#failingSince;
    if (downMs !== null) this.comeback = nextComeback();
    if (this.#ejectionsInStreak > 0) this.#rampFrom = now;
    this.#endStreak();
    this.#health = 'healthy';
    return downMs;
  }

  /**
   * What a health check found. One that makes it healthy again ends an ejection too, but not the streak: the next failure may eject it anew,
   * for longer. A check that merely passes ends nothing: who takes connections may yet fail with each of them.
   * @returns what has changed by it; null = nothing.
   */
  recordCheck(result: CheckResult): CheckChange | null {
    const now = this.#now();
    const change = this.#checks?.add({ at: this.#wallClock(), ...result }, now) ?? null;
    if (change?.health !== 'healthy') return change;
    this.comeback = nextComeback();
    this.#ejectedUntil = Number.NEGATIVE_INFINITY;
    this.#rampFrom = now;
    return change;
  }

  eject(durationMs: number): void {
    this.#ejectedUntil = this.#now() + durationMs;
    this.#rampFrom = this.#ejectedUntil;
    this.#ejectionsInStreak += 1;
    this.#ejectionsTotal += 1;
  }

  /** A backend that is enabled again starts anew: no streak, no ejection, a slow start. Only while it is enabled it is checked, and found unhealthy. */
  change({ weight, maxConnections, adminState }: BackendChange): void {
    if (weight !== undefined) this.#weight = weight;
    if (maxConnections !== undefined) this.#maxConnections = maxConnections ?? Number.POSITIVE_INFINITY;
    if (adminState === undefined || adminState === this.#adminState) return;
    this.#adminState = adminState;
    this.#health = 'unknown';
    this.#checks?.reset();
    if (adminState !== 'enabled') return;
    this.comeback = nextComeback();
    this.#endStreak();
    this.#rampFrom = this.#now();
  }

  markRemoved(): void {
    this.#removed = true;
  }

  #endStreak(): void {
    this.#consecutiveFailures = 0;
    this.#ejectionsInStreak = 0;
    this.#ejectedUntil = Number.NEGATIVE_INFINITY;
    this.#failedPipes.clear();
  }
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
