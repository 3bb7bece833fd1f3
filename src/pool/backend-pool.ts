/**
 * The registered backends, and who may get the next pipe. No timer and no socket: the owner calls tick(), leases report what happened,
 * and what follows from that (ejection, removal, waking those who wait) happens in the same call.
 */
import { Value } from 'typebox/value';
import { BackendNotFound, BodyInvalid } from '../errors.ts';
import type { BackendFields, EventStream, HoldfastEvents } from '../observe/events.ts';
import type { ResolvedOptions } from '../options.ts';
import { describeSchemaError } from '../schema-error.ts';
import { AllowedBackends } from './allowed-backends.ts';
import { Backend, type BackendOrigin } from './backend.ts';
import { BackendPatch } from './backend-patch.ts';
import { parseBackendUrl, shownUrl } from './backend-url.ts';
import { createBalancer } from './balancing.ts';
import { Candidates } from './candidates.ts';
import type { CheckResult } from './check-record.ts';
import { decideEjection } from './ejection.ts';
import { Lease, type LeaseOwner } from './lease.ts';
import { completeInput } from './registration.ts';
import { Roster } from './roster.ts';
import type { BackendInput } from './settings.ts';
import { type PoolWaiter, WaiterQueue } from './waiter-queue.ts';

export type { PoolWaiter } from './waiter-queue.ts';

export type RemovalCause = HoldfastEvents['backend.removed']['cause'];

export interface BackendPoolSettings {
  readonly options: ResolvedOptions['pool'];
  readonly events: EventStream;
  /** What may be registered, and connected to. Default: everything but link-local and metadata addresses. */
  readonly allowed?: AllowedBackends;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Uniform in [0, 1). Default Math.random. */
  readonly random?: () => number;
  /** Ms since 1970, for what operators read. Default Date.now. */
  readonly wallClock?: () => number;
  /** A waiter or onRemoved threw. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
}

export interface LeaseRequest {
  readonly clientId: string;
  /** Ids of backends not to take this time. */
  readonly exclude?: Pick<ReadonlySet<string>, 'has'> | undefined;
  /** Id of a backend to take if it is there, has room and is not left out, whatever the balancing says. */
  readonly prefer?: string | undefined;
}

export class BackendPool {
  /**
   * Called when a backend has left the pool, after 'backend.removed', so that the pipes attached to it can fail over. With cause
   * 'max-errors' it runs inside the Lease.failed() call that was one too many, with that lease already released.
   */
  onRemoved: ((backend: Backend, cause: RemovalCause) => void) | null = null;

  /** What may be registered, and connected to. */
  readonly allowed: AllowedBackends;

  readonly #options: ResolvedOptions['pool'];
  readonly #events: EventStream;
  readonly #now: () => number;
  readonly #wallClock: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #candidates: Candidates;
  readonly #waiters: WaiterQueue;
  readonly #roster = new Roster();
  /** Ejected when last looked at; tick() drops those whose time is over. */
  readonly #ejected = new Set<Backend>();
  #leasesGiven = 0;
  #dialsFilled = 0;
  #ejectionsWithheld = 0;
  #comeback = 0;

  readonly #owner: LeaseOwner = {
    attached: (backend) => {
      const before = backend.room();
      backend.keep();
      this.#changed(backend);
      this.#wakeIfRoomAppeared(backend, before);
    },
    proved: (backend, dialing) => this.#proved(backend, dialing),
    failed: (backend, dialing, detail, pipeId) => this.#failed(backend, dialing, detail, pipeId),
    released: (backend, dialing) => {
      const before = backend.room();
      backend.giveBack(dialing);
      this.#changed(backend);
      this.#wakeIfRoomAppeared(backend, before);
    },
  };

  constructor(settings: BackendPoolSettings) {
    const { options, events, now, random = Math.random, wallClock = Date.now, onError = warn } = settings;
    this.allowed = settings.allowed ?? new AllowedBackends();
    this.#options = options;
    this.#events = events;
    this.#now = now;
    this.#wallClock = wallClock;
    this.#onError = onError;
    this.#candidates = new Candidates({
      createBalancer: () => createBalancer(options.balancing, random),
      slowStartMs: options.slowStartMs,
    });
    this.#waiters = new WaiterQueue({
      hasRoomBeyond: (promised) => this.#candidates.room(now()) > promised,
      leasesGiven: () => this.#leasesGiven,
      onError,
    });
  }

  get size(): number {
    return this.#roster.list.length;
  }

  /** Another number whenever a backend has become worth a new try: registered, enabled again, recovered. */
  get comeback(): number {
    return this.#comeback;
  }

  /** In the order of registration; a snapshot that does not change. */
  list(): readonly Backend[] {
    return this.#roster.list;
  }

  /**
   * Adds a backend, enabled. Without an id it gets one made of host and port.
   * @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_NOT_ALLOWED, HOLDFAST_ERR_BACKEND_EXISTS (id or address twice),
   * HOLDFAST_ERR_VALIDATION.
   */
  register(input: BackendInput, origin: BackendOrigin = 'registered'): Backend {
    const { url, ...settings } = this.check(input);
    const backend = new Backend({
      ...settings,
      origin,
      url: new URL(url),
      maxConcurrentDials: this.#options.maxConcurrentDials,
      health: this.#options.health,
      now: this.#now,
      wallClock: this.#wallClock,
    });
    this.#roster.add(backend);
    this.#changed(backend);
    const { weight, maxConnections } = backend;
    this.#events.emit('backend.registered', { weight, maxConnections, ...fieldsOf(backend) });
    this.#waiters.roomAppeared();
    return backend;
  }

  /** True where an address is registered, in any spelling of it. @throws HOLDFAST_ERR_BACKEND_URL */
  hasUrl(url: string): boolean {
    return this.#roster.findByUrl(parseBackendUrl(url)) !== undefined;
  }

  /** Why allowedBackends refuses to register this address; null = it does not. @throws HOLDFAST_ERR_BACKEND_URL */
  refuses(url: string): string | null {
    return this.allowed.refuseUrl(parseBackendUrl(url));
  }

  /**
   * What would be registered, with what was left out filled in; nothing has changed.
   * @throws as register()
   */
  check(input: BackendInput): Required<BackendInput> {
    return completeInput(input, this.#roster, this.allowed);
  }

  /**
   * Changes what is given; live leases stay, also over a lowered limit. Enabling ends a streak of failures and an ejection.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_VALIDATION; then nothing has changed.
   */
  update(id: string, patch: BackendPatch): Backend {
    const backend = this.get(id);
    if (!Value.Check(BackendPatch, patch)) throw new BodyInvalid(describeSchemaError(BackendPatch, patch));
    const before: Record<string, unknown> = {};
    const after: Record<string, unknown> = {};
    for (const key of ['weight', 'maxConnections', 'adminState'] as const) {
      if (patch[key] === undefined || patch[key] === backend[key]) continue;
      before[key] = backend[key];
      after[key] = patch[key];
    }
    if (Object.keys(after).length === 0) return backend;
    backend.change(patch);
    this.#changed(backend);
    this.#events.emit('backend.updated', { before, after, ...fieldsOf(backend) });
    this.#waiters.roomAppeared();
    return backend;
  }

  /**
   * Takes a backend out at once. Its live leases stay valid and count for nothing any more.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND
   */
  remove(id: string, cause: RemovalCause): Backend {
    const backend = this.get(id);
    backend.markRemoved();
    this.#roster.delete(backend);
    this.#ejected.delete(backend);
    this.#candidates.forget(backend);
    this.#events.emit('backend.removed', { cause, connections: backend.connections, ...fieldsOf(backend) });
    try {
      this.onRemoved?.(backend, cause);
    } catch (error) {
      this.#onError(error);
    }
    // With the last one gone that was not left out, the others are to be tried.
    this.#waiters.roomAppeared();
    return backend;
  }

  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  get(id: string): Backend {
    const backend = this.#roster.find(id);
    if (backend === undefined) throw new BackendNotFound(id);
    return backend;
  }

  find(id: string): Backend | undefined {
    return this.#roster.find(id);
  }

  /**
   * By address, in any spelling of it, query string included.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, also for what is no address.
   */
  findByUrl(url: string): Backend {
    const backend = URL.canParse(url) ? this.#roster.findByUrl(new URL(url)) : undefined;
    if (backend === undefined) throw new BackendNotFound(shownUrl(url));
    return backend;
  }

  /** How often the last dial slot of a backend was taken (pool.maxConcurrentDials). */
  get dialsFilled(): number {
    return this.#dialsFilled;
  }

  /** Failures after which a backend stayed in only because enough others were left out (pool.maxEjectionPercent). */
  get ejectionsWithheld(): number {
    return this.#ejectionsWithheld;
  }

  /** True while a new pipe could get a backend, if need be one that is left out; dial slots that are all taken do not matter. */
  usable(): boolean {
    return this.#candidates.anyOpen;
  }

  /**
   * A backend for this client, or null when there is none now. Those that are ejected or unhealthy are taken only if every other enabled
   * backend is full or there is none: better a doubtful backend than none, but no flood on it while others are merely busy dialling.
   */
  lease({ clientId, exclude, prefer }: LeaseRequest): Lease | null {
    const now = this.#now();
    const preferred = prefer === undefined || exclude?.has(prefer) ? undefined : this.#roster.find(prefer);
    const takes = preferred !== undefined && this.#candidates.offers(preferred, now);
    const backend = takes ? preferred : this.#candidates.pick({ clientId, exclude }, now);
    if (backend === null) return null;
    backend.reserve();
    if (backend.dialsFull) this.#dialsFilled += 1;
    this.#candidates.changed(backend, now);
    this.#leasesGiven += 1;
    // Those left out may be next now. Not at once: the caller does not have its lease yet.
    if (backend.full && this.#candidates.anyDoubtful) this.#waiters.roomNoted();
    return new Lease(backend, this.#owner);
  }

  /** What a health check of this backend found. Nothing happens where it has left. */
  checked(backend: Backend, result: CheckResult): void {
    if (backend.removed) return;
    const change = backend.recordCheck(result);
    const fields = fieldsOf(backend);
    if (change !== null) this.#changed(backend);
    const { passed, detail, checkMs } = result;
    this.#events.emit('backend.checked', { passed, detail, checkMs, ...fields });
    // Who heard of it may have taken the backend away, and with it what was known of its health.
    if (change === null || backend.removed || !backend.enabled) return;
    if (change.health === 'healthy') {
      this.#ejected.delete(backend);
      this.#events.emit('backend.healthy', { downMs: change.downMs, ...fields });
    } else {
      this.#events.emit('backend.unhealthy', { failedChecks: change.failedChecks, detail, ...fields });
    }
    // Those who wait may have tried it before it was well; with this one left out as well, all may be eligible.
    this.#waiters.roomAppeared();
  }

  /** Queues a waiter, once. Call it in the same synchronous step as the lease() that answered null, or a wake is missed. */
  wait(waiter: PoolWaiter): void {
    this.#waiters.add(waiter);
  }

  stopWaiting(waiter: PoolWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** Call it every 100 ms or so: ends ejections whose time is over and goes on waking where an earlier call stopped. */
  tick(): void {
    if (this.#ejected.size > 0) {
      const now = this.#now();
      const before = this.#ejected.size;
      for (const backend of this.#ejected) if (!backend.ejectedAt(now)) this.#ejected.delete(backend);
      if (this.#ejected.size < before) this.#waiters.roomNoted();
    }
    this.#waiters.resume();
  }

  /** Call it before anything is told: who hears of it may lease. A backend that has left counts for nothing. */
  #changed(backend: Backend): void {
    if (backend.removed) return;
    this.#comeback = Math.max(this.#comeback, backend.comeback);
    this.#candidates.changed(backend, this.#now());
  }

  #wakeIfRoomAppeared(backend: Backend, before: number): void {
    if (before === 0 && backend.room() > 0 && !backend.removed) this.#waiters.roomAppeared();
  }

  #proved(backend: Backend, dialing: boolean): void {
    const before = backend.room();
    if (dialing) backend.keep();
    const downMs = backend.recordProof();
    this.#changed(backend);
    const ejectionEnded = this.#ejected.delete(backend);
    if (downMs !== null && !backend.removed) this.#events.emit('backend.recovered', { downMs, ...fieldsOf(backend) });
    // Those who wait may have tried it before it was well.
    if (ejectionEnded || downMs !== null) this.#waiters.roomAppeared();
    else this.#wakeIfRoomAppeared(backend, before);
  }

  #failed(backend: Backend, dialing: boolean, detail: string, pipeId: string | undefined): void {
    const before = backend.room();
    backend.giveBack(dialing);
    this.#changed(backend);
    const counted = backend.recordFailure(detail, pipeId);
    const ejected = counted && !backend.removed && this.#judge(backend, detail);
    // With this one ejected as well, all may be eligible.
    if (ejected) this.#waiters.roomAppeared();
    else this.#wakeIfRoomAppeared(backend, before);
  }

  /** What a counted failure leads to; true = ejected. A backend that is not enabled is left alone: its operator is at work on it. */
  #judge(backend: Backend, detail: string): boolean {
    const { consecutiveFailures } = backend;
    const { maxErrors } = this.#options;
    const hopeless = backend.enabled && maxErrors > 0 && consecutiveFailures >= maxErrors;
    const ejectedMs = hopeless ? 0 : this.#ejectionOf(backend);
    if (ejectedMs > 0) {
      backend.eject(ejectedMs);
      this.#changed(backend);
      this.#ejected.add(backend);
    }
    this.#events.emit('backend.failed', { consecutiveFailures, detail, ...fieldsOf(backend) });
    if (ejectedMs > 0) this.#events.emit('backend.ejected', { ejectedMs, consecutiveFailures, ...fieldsOf(backend) });
    // A listener may have removed it.
    if (hopeless && !backend.removed) this.remove(backend.id, 'max-errors');
    return ejectedMs > 0;
  }

  #ejectionOf(backend: Backend): number {
    const now = this.#now();
    const { consecutiveFailures, ejectionsInStreak } = backend;
    const { ejectAfter } = this.#options;
    if (!backend.enabled || backend.ejectedAt(now) || ejectAfter === 0 || consecutiveFailures < ejectAfter) return 0;
    const { enabled, leftOut } = this.#candidates.census(now);
    const ejectedMs = decideEjection(
      { consecutiveFailures, earlierEjections: ejectionsInStreak, enabled, leftOut },
      this.#options,
    );
    if (ejectedMs === 0) this.#ejectionsWithheld += 1;
    return ejectedMs;
  }
}

function fieldsOf(backend: Backend): BackendFields {
  return { backendId: backend.id, backendUrl: backend.urlText };
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
