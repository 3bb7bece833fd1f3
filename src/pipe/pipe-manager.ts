/**
 * PipeManager: all pipes of one gateway, the pool they draw from, and what an operator may do. The Fastify plugin decorates the app
 * with it; it knows nothing of Fastify itself.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  BackendDraining,
  ClientIdInUse,
  CursorInvalid,
  GatewayClosing,
  GatewayFull,
  PipeNotAttached,
  PipeNotFound,
} from '../errors.ts';
import { type HeartbeatPatch, type HeartbeatSettings, mergeHeartbeat } from '../heartbeat/settings.ts';
import { TimerWheel, type WheelTimer } from '../heartbeat/wheel.ts';
import { dial } from '../link/dial.ts';
import { type EventSink, EventStream } from '../observe/events.ts';
import { PipeHistories } from '../observe/history.ts';
import type { PipeReading } from '../observe/readings.ts';
import { GatewayStats, type StatsView } from '../observe/stats.ts';
import type { BackendInput, ResolvedOptions } from '../options.ts';
import type { Backend } from '../pool/backend.ts';
import { BackendPool } from '../pool/backend-pool.ts';
import { checkedBackoff, fullJitterBackoff } from '../pool/backoff.ts';
import type { AdminState, BackendView } from '../pool/views.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import { type BufferPatch, type BufferSettings, mergeBuffer } from './buffer-settings.ts';
import type { ClientRequest } from './client-request.ts';
import { Drain, type DrainContext } from './drain.ts';
import { Greeting, type GreetingHost } from './greeting.ts';
import { LiveSetting, type Revised } from './live-setting.ts';
import { MemoryBudget } from './memory-budget.ts';
import { PersistentPipe, type PipeHost } from './persistent-pipe.ts';
import { pipeReading, pipeView } from './pipe-view.ts';
import { Rebalance, type RebalanceContext } from './rebalance.ts';
import type { ResumeBinding } from './resume-session.ts';
import type { PipeDetail, PipePage, PipeQuery, PipeView } from './views.ts';

export interface PipeManagerSettings {
  readonly options: ResolvedOptions;
  /** Told of what a listener of the events threw. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
  /** Hear every event from the first on; `events.tap` misses those of the backends given in the options. */
  readonly sinks?: readonly EventSink[];
}

export interface BackendChange {
  readonly weight?: number;
  /** Null = no limit. */
  readonly maxConnections?: number | null;
  readonly adminState?: AdminState;
}

/** Sooner than this a client would come back before the port is closed. */
const minGoAwayMs = 200;
const poolTickMs = 100;
const defaultPageSize = 100;

export class PipeManager {
  readonly options: ResolvedOptions;
  readonly events: EventStream;
  readonly pool: BackendPool;
  readonly wheel: TimerWheel;
  readonly budget: MemoryBudget;
  readonly statistics: GatewayStats;
  readonly #histories = new PipeHistories<PipeView>();
  readonly #host: PipeHost;
  readonly #pipes = new Map<string, PersistentPipe>();
  readonly #clients = new Map<string, PersistentPipe>();
  /** Position of each pipe in the order of their beginning, for pages. */
  readonly #order = new WeakMap<PersistentPipe, number>();
  readonly #drains = new Map<string, Drain>();
  readonly #rebalances = new Map<string, Rebalance>();
  readonly #poolTick: WheelTimer;
  readonly #greetings = new Set<Greeting>();
  #opened = 0;
  readonly #heartbeat: LiveSetting<HeartbeatSettings>;
  readonly #buffer: LiveSetting<BufferSettings>;
  /** What pipes look at with each message. */
  readonly #limits: { -readonly [K in keyof BufferSettings]: BufferSettings[K] };
  #closing: Promise<void> | null = null;
  #allClosed: (() => void) | null = null;

  constructor(settings: PipeManagerSettings) {
    const { options } = settings;
    const onError = settings.onError ?? warn;
    this.options = options;
    this.events = new EventStream(onError);
    this.wheel = new TimerWheel({
      onStall: (stalledMs) => this.events.emit('gateway.stalled', { stalledMs }),
      onError,
    });
    this.statistics = new GatewayStats(() => this.wheel.now());
    for (const sink of [this.statistics.sink, this.#histories.sink, ...(settings.sinks ?? [])]) this.events.tap(sink);
    this.pool = new BackendPool({ options: options.pool, events: this.events, now: () => this.wheel.now(), onError });
    this.pool.onRemoved = (backend) => this.#leave(backend);
    this.budget = new MemoryBudget(options.buffer.maxTotalBytes, () => this.#tenants());
    this.#heartbeat = new LiveSetting(options.heartbeat);
    this.#buffer = new LiveSetting<BufferSettings>(options.buffer);
    this.#limits = { ...options.buffer };
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = options.failover;
    const { backoff } = options.hooks;
    this.#host = {
      options,
      events: this.events,
      pool: this.pool,
      wheel: this.wheel,
      budget: this.budget,
      limits: this.#limits,
      backoff: backoff === undefined ? fullJitterBackoff({ baseMs, maxMs }) : checkedBackoff(backoff),
      dial,
      heartbeat: () => this.#heartbeat.present.settings,
      pipeLeft: (pipe) => this.#forgetClient(pipe),
      pipeClosed: (pipe) => this.#forget(pipe),
    };
    for (const backend of options.backends) this.pool.register(backend);
    this.#poolTick = this.wheel.timer(this, 'pool');
  }

  get closing(): boolean {
    return this.#closing !== null;
  }

  get size(): number {
    return this.#pipes.size;
  }

  /** All live pipes, in the order of their beginning. */
  [Symbol.iterator](): IterableIterator<PersistentPipe> {
    return this.#pipes.values();
  }

  /**
   * A pipe for an upgrade request: its client id and a slot are taken before anything is awaited.
   * @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_CLIENT_ID_IN_USE
   */
  admit(request: ClientRequest): PersistentPipe {
    if (this.closing) throw new GatewayClosing();
    const older = this.#clients.get(request.clientId);
    // One that is away and comes without its token has lost its session: a page that was loaded anew.
    const inUse = older !== undefined && older.state !== 'detached';
    if (inUse && this.options.onDuplicateClient === 'reject') throw new ClientIdInUse(request.clientId);
    const { maxPipes } = this.options.limits;
    // One that takes the place of another adds none.
    if (older === undefined && this.#pipes.size >= maxPipes) throw new GatewayFull(maxPipes);
    older?.close({
      code: closeCode.replaced,
      text: 'replaced by a newer connection',
      reason: 'replaced',
      initiator: 'gateway',
    });
    const pipe = new PersistentPipe(this.#host, randomBytes(12).toString('base64url'), request);
    this.#opened += 1;
    // Not before: while an app starts its event loop stands still, which would be told as a stall.
    if (!this.#poolTick.active) this.#poolTick.start(poolTickMs);
    this.#pipes.set(pipe.id, pipe);
    this.#clients.set(request.clientId, pipe);
    this.#order.set(pipe, this.#opened);
    return pipe;
  }

  /**
   * A client of holdfast.v1 whose upgrade is done: it says what it wants, and gets its own pipe again or a new one.
   * @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL
   */
  greet(socket: Duplex, request: ClientRequest): Greeting {
    const host: GreetingHost = {
      options: this.options,
      wheel: this.wheel,
      events: this.events,
      admit: (one) => this.admit(one),
      resumable: (resume, binding) => this.#resumable(resume, binding, request),
      greeted: (greeting) => {
        this.#greetings.delete(greeting);
        this.#noteGone();
      },
      refused: ({ clientId, clientIp }, code) =>
        this.events.emit('pipe.refused', { clientId, clientIp, statusCode: 101, code }),
    };
    const greeting = new Greeting(host, socket, request);
    this.#greetings.add(greeting);
    return greeting;
  }

  /** @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL where no more clients may say what they want. */
  checkGreeting(): void {
    if (this.closing) throw new GatewayClosing();
    // One that resumes is exempt from the limit, so the limit of those that have not said so yet is one of its own.
    const { maxPipes } = this.options.limits;
    if (this.#greetings.size >= maxPipes) throw new GatewayFull(maxPipes);
  }

  // ---- backends ----

  backends(): BackendView[] {
    return this.pool.list().map((backend) => backend.view());
  }

  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  backend(id: string): BackendView {
    return this.pool.get(id).view();
  }

  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  backendByUrl(url: string): BackendView {
    return this.pool.findByUrl(url).view();
  }

  /** @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_EXISTS, HOLDFAST_ERR_GATEWAY_CLOSING */
  registerBackend(input: BackendInput): BackendView {
    if (this.closing) throw new GatewayClosing();
    return this.pool.register(input).view();
  }

  /**
   * `adminState: 'draining'` moves its pipes away and keeps it registered; 'enabled' ends a drain, also one that was to remove it;
   * 'disabled' keeps its pipes and gives it no new ones.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND
   */
  updateBackend(id: string, change: BackendChange): BackendView {
    const before = this.pool.get(id).adminState;
    const backend = this.pool.update(id, change);
    if (change.adminState !== undefined && change.adminState !== before) {
      this.#endDrain(id);
      if (change.adminState === 'draining') this.#drain(backend, { remove: false });
    }
    return backend.view();
  }

  /**
   * migrate: its pipes move away first, then it is removed; force: it is removed now and its pipes fail over.
   * @param options.timeoutMs when what has not moved fails over. Default drain.timeoutMs.
   * @returns null = gone at once; a view = it drains.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING
   */
  removeBackend(id: string, options: { mode: 'migrate' | 'force'; timeoutMs?: number }): BackendView | null {
    const backend = this.pool.get(id);
    if (options.mode === 'force' || backend.connections === 0) {
      this.#endDrain(id);
      this.pool.remove(id, 'operator');
      return null;
    }
    if (this.#drains.get(id)?.remove === true) throw new BackendDraining(id, 'draining already');
    this.#endDrain(id);
    if (backend.adminState !== 'draining') this.pool.update(id, { adminState: 'draining' });
    this.#drain(backend, { remove: true, timeoutMs: options.timeoutMs });
    return this.pool.find(id)?.view() ?? null;
  }

  /**
   * Moves quiet pipes of other backends to this one, until it has its fair share by weight.
   * @param options.pipesPerSecond default drain.pipesPerSecond.
   * @param options.timeoutMs how long is waited for pipes to become quiet. Default drain.timeoutMs.
   * @returns `planned`: pipes it will move.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING for one that takes no new pipes.
   */
  rebalance(
    id: string,
    options: { pipesPerSecond?: number; timeoutMs?: number } = {},
  ): { backendId: string; planned: number } {
    const backend = this.pool.get(id);
    if (!backend.enabled) throw new BackendDraining(id, backend.adminState);
    const { quietMs, ...defaults } = this.options.drain;
    this.#rebalances.get(id)?.cancel();
    const context: RebalanceContext = {
      wheel: this.wheel,
      events: this.events,
      pool: this.pool,
      attached: (one) => this.#attached(one),
      rebalanced: () => this.#rebalances.delete(id),
    };
    const rebalance = new Rebalance(context, backend, { ...defaults, ...options, quietMs });
    this.#rebalances.set(id, rebalance);
    rebalance.start();
    return { backendId: id, planned: rebalance.planned };
  }

  // ---- pipes ----

  /** @throws HOLDFAST_ERR_CURSOR */
  pipes(query: PipeQuery = {}): PipePage {
    const { state, backendId, clientId, limit = defaultPageSize, cursor } = query;
    const after = cursor === undefined ? 0 : Number(cursor);
    if (!Number.isSafeInteger(after) || after < 0) throw new CursorInvalid(cursor ?? '');
    const views: PipeView[] = [];
    let total = 0;
    let last = 0;
    let more = false;
    for (const pipe of this.#pipes.values()) {
      if (state !== undefined && pipe.state !== state) continue;
      if (backendId !== undefined && pipe.backend?.backend.id !== backendId) continue;
      if (clientId !== undefined && pipe.request.clientId !== clientId) continue;
      total += 1;
      const order = this.#order.get(pipe)!;
      if (order <= after) continue;
      if (views.length < limit) {
        views.push(pipeView(pipe, this.#host));
        last = order;
      } else {
        more = true;
      }
    }
    return { pipes: views, total, next: more ? String(last) : null };
  }

  /**
   * A live pipe, or one of the last 200 that closed, as it was at its end.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND
   */
  pipe(id: string): PipeDetail {
    const closed = this.#histories.closed(id);
    return closed ?? { ...pipeView(this.#pipe(id), this.#host), history: this.#histories.of(id) };
  }

  /**
   * @param order.code told to the client. Default 1000.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND
   */
  closePipe(id: string, order: { code?: number; reason?: string } = {}): void {
    const text = order.reason ?? 'closed by the operator';
    this.#pipe(id).close({ code: order.code ?? closeCode.normal, text, reason: 'operator', initiator: 'gateway' });
  }

  /**
   * Rehearses a failover: the pipe leaves its backend and takes the next.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND, HOLDFAST_ERR_PIPE_NOT_ATTACHED
   */
  interruptPipe(id: string): PipeView {
    const pipe = this.#pipe(id);
    if (!pipe.interrupt('operator')) throw new PipeNotAttached(id, pipe.state);
    return pipeView(pipe, this.#host);
  }

  // ---- configuration ----

  heartbeat(): Revised<HeartbeatSettings> {
    return this.#heartbeat.present;
  }

  /**
   * Lays `patch` over the settings and retunes every live pipe.
   * @param ifRevision the revision the change was made for.
   * @throws HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_HEARTBEAT; then nothing has changed.
   */
  setHeartbeat(patch: HeartbeatPatch, ifRevision?: number): Revised<HeartbeatSettings> & { readonly pipes: number } {
    const before = this.#heartbeat.change((settings) => mergeHeartbeat(settings, patch), ifRevision);
    const { settings: after } = this.#heartbeat.present;
    for (const pipe of this.#pipes.values()) pipe.retune(after);
    return this.#configChanged('heartbeat', before.settings, this.#heartbeat.present);
  }

  buffer(): Revised<BufferSettings> {
    return this.#buffer.present;
  }

  /**
   * Lays `patch` over the memory bounds; they hold for every live pipe at once. A lowered bound throws nothing away: reading stops until
   * there is less.
   * @throws HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_BUFFER; then nothing has changed.
   */
  setBuffer(patch: BufferPatch, ifRevision?: number): Revised<BufferSettings> & { readonly pipes: number } {
    const merge = (settings: BufferSettings): BufferSettings =>
      mergeBuffer(settings, patch, this.options.maxMessageBytes);
    const before = this.#buffer.change(merge, ifRevision);
    Object.assign(this.#limits, this.#buffer.present.settings);
    this.budget.maxBytes = this.#buffer.present.settings.maxTotalBytes;
    for (const pipe of this.#pipes.values()) pipe.limitsChanged();
    return this.#configChanged('buffer', before.settings, this.#buffer.present);
  }

  /** What stats and metrics read of each live pipe. */
  *readings(): IterableIterator<PipeReading> {
    for (const pipe of this.#pipes.values()) yield pipeReading(pipe);
  }

  /** Totals since the start, and the last 1, 5 and 15 minutes. */
  stats(): StatsView {
    return this.statistics.view(this);
  }

  readiness(): { ready: boolean; reason: string | null; pipes: number; usableBackends: number } {
    const usableBackends = this.pool.list().filter((backend) => backend.view().usable).length;
    const reason = this.closing ? 'the gateway is closing' : this.pool.usable() ? null : 'no usable backend';
    return { ready: reason === null, reason, pipes: this.#pipes.size, usableBackends };
  }

  /**
   * Takes no more clients, closes those there are with 1012 spread over shutdown.spreadMs, and resolves when the last has gone.
   * Called twice it answers the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const pipes = [...this.#pipes.values()];
    const { spreadMs } = this.options.shutdown;
    this.events.emit('gateway.closing', { pipes: pipes.length, spreadMs });
    for (const drain of this.#drains.values()) drain.cancel();
    this.#drains.clear();
    for (const rebalance of this.#rebalances.values()) rebalance.cancel();
    this.#rebalances.clear();
    for (const greeting of this.#greetings) greeting.close(closeCode.serviceRestart, 'the gateway is restarting');
    if (pipes.length > 0 || this.#greetings.size > 0) {
      const gone = new Promise<void>((resolve) => {
        this.#allClosed = resolve;
      });
      this.#closeSpread(pipes, spreadMs);
      this.#limitClosing(spreadMs + this.options.closing.handshakeMs);
      await gone;
    }
    // The wheel runs on: links that no pipe owns any more still have the time limits of their Close on it.
    this.#poolTick.stop();
    this.events.emit('gateway.closed', { pipes: pipes.length });
  }

  /** Whoever lingers or does not answer by then is not waited for: Fastify gives its plugins 10 s, an init system hardly more. */
  #limitClosing(ms: number): void {
    const order = { code: closeCode.serviceRestart, reason: 'shutdown', initiator: 'gateway' } as const;
    const limit = {
      timerFired: () => {
        for (const pipe of [...this.#pipes.values()]) pipe.terminate(order);
        for (const greeting of this.#greetings) greeting.terminate();
      },
    };
    this.wheel.timer(limit, 'closing').start(ms);
  }

  #closeSpread(pipes: readonly PersistentPipe[], spreadMs: number): void {
    const startedAt = this.wheel.now();
    let next = 0;
    const step = {
      timerFired: () => {
        const share = spreadMs === 0 ? 1 : (this.wheel.now() - startedAt) / spreadMs;
        const due = Math.min(pipes.length, Math.ceil(share * pipes.length));
        for (; next < due; next += 1) {
          const text = 'the gateway is restarting';
          pipes[next]!.session?.goAway(Math.round(minGoAwayMs + Math.random() * spreadMs));
          pipes[next]!.close({ code: closeCode.serviceRestart, text, reason: 'shutdown', initiator: 'gateway' });
        }
        if (next < pipes.length) timer.start(10);
      },
    };
    const timer = this.wheel.timer(step, 'spread');
    step.timerFired();
  }

  /** For the wheel: ejections end, waiting pipes look again. */
  timerFired(): void {
    this.pool.tick();
    if (this.#pipes.size > 0) this.#poolTick.start(poolTickMs);
  }

  #configChanged<T>(
    section: 'heartbeat' | 'buffer',
    before: T,
    { revision, settings: after }: Revised<T>,
  ): Revised<T> & { readonly pipes: number } {
    const pipes = this.#pipes.size;
    this.events.emit('config.changed', { section, revision, before, after, pipes });
    return { revision, settings: after, pipes };
  }

  #resumable(
    { pipe: id, token, received }: ResumeRequest,
    binding: ResumeBinding,
    client: ClientRequest,
  ): PersistentPipe | null {
    const pipe = this.#pipes.get(id);
    const reason = pipe?.session == null ? 'unknown' : pipe.session.mayResume(token, binding) ? 'counts' : 'token';
    if (pipe !== undefined && reason === 'counts' && pipe.canResume(received)) return pipe;
    const { clientId, clientIp } = client;
    this.events.emit('client.resume-refused', { pipeId: id.slice(0, 64), clientId, clientIp, reason });
    return null;
  }

  #pipe(id: string): PersistentPipe {
    const pipe = this.#pipes.get(id);
    if (pipe === undefined) throw new PipeNotFound(id);
    return pipe;
  }

  *#tenants() {
    for (const pipe of this.#pipes.values()) yield pipe.tenant;
  }

  #attached(backend: Backend): PersistentPipe[] {
    const pipes: PersistentPipe[] = [];
    for (const pipe of this.#pipes.values()) if (pipe.backend?.backend === backend) pipes.push(pipe);
    return pipes;
  }

  /** The backend was removed: whoever is still attached fails over now. */
  #leave(backend: Backend): void {
    for (const pipe of this.#attached(backend)) pipe.interrupt('removed');
  }

  #drain(backend: Backend, how: { remove: boolean; timeoutMs?: number | undefined }): void {
    const { timeoutMs, pipesPerSecond } = this.options.drain;
    const context: DrainContext = {
      wheel: this.wheel,
      events: this.events,
      attached: (one) => this.#attached(one),
      drained: (drain) => {
        this.#drains.delete(drain.backend.id);
        if (drain.remove) this.pool.remove(drain.backend.id, 'operator');
      },
    };
    const drain = new Drain(context, backend, {
      remove: how.remove,
      timeoutMs: how.timeoutMs ?? timeoutMs,
      pipesPerSecond,
    });
    this.#drains.set(backend.id, drain);
    drain.start();
  }

  #endDrain(id: string): void {
    this.#drains.get(id)?.cancel();
    this.#drains.delete(id);
  }

  #forgetClient(pipe: PersistentPipe): void {
    if (this.#clients.get(pipe.request.clientId) === pipe) this.#clients.delete(pipe.request.clientId);
  }

  #noteGone(): void {
    if (this.#pipes.size === 0 && this.#greetings.size === 0) this.#allClosed?.();
  }

  #forget(pipe: PersistentPipe): void {
    this.#forgetClient(pipe);
    this.#pipes.delete(pipe.id);
    this.#histories.close(pipe.id, () => pipeView(pipe, this.#host));
    this.#noteGone();
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
