/**
 * PipeManager: all pipes of one gateway, the pool they draw from, and what an operator may do. The Fastify plugin decorates the app
 * with it; it knows nothing of Fastify itself. What it offers is done by the parts it is made of.
 */
import { GatewayClosing, PipeNotAttached } from '../errors.ts';
import type { HeartbeatPatch, HeartbeatSettings } from '../heartbeat/settings.ts';
import { TimerWheel, type WheelTimer } from '../heartbeat/wheel.ts';
import type { BackoffFunction } from '../hooks.ts';
import type { Entrance } from '../limits/entrance.ts';
import { LimitTally } from '../limits/limit-tally.ts';
import { dial } from '../link/dial.ts';
import { TlsReload, type TlsReloaded } from '../link/tls-reload.ts';
import { turns } from '../link/turns.ts';
import { type AuditQuery, AuditTrail, type AuditView } from '../observe/audit-trail.ts';
import { type EventSink, EventStream } from '../observe/events.ts';
import { PipeHistories } from '../observe/history.ts';
import type { PipeReading } from '../observe/readings.ts';
import { GatewayStats, type StatsQuery, type StatsReport, type StatsView } from '../observe/stats.ts';
import type { ResolvedOptions } from '../options.ts';
import { AllowedBackends } from '../pool/allowed-backends.ts';
import { BackendPool } from '../pool/backend-pool.ts';
import { checkedBackoff, fullJitterBackoff } from '../pool/backoff.ts';
import type { BackendInput } from '../pool/settings.ts';
import type { BackendPage, BackendView } from '../pool/views.ts';
import { Admission } from './admission.ts';
import { type BackendChange, BackendOperations, type BackendRemoval } from './backend-operations.ts';
import type { BufferPatch, BufferSettings } from './buffer-settings.ts';
import type { PipeClaims } from './claims.ts';
import { closeOrders } from './close-orders.ts';
import type { Revised } from './live-setting.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { PersistentPipe, PipeHost } from './persistent-pipe.ts';
import { checkOwn, defaultPageSize, parsePosition } from './pipe-pages.ts';
import { PipeRegistry } from './pipe-registry.ts';
import { isEnding } from './pipe-state.ts';
import { pipeReading, pipeView } from './pipe-view.ts';
import { Shutdown } from './shutdown.ts';
import { type Changed, Tuning } from './tuning.ts';
import type {
  CloseOrderInput,
  ClusterState,
  PipeCount,
  PipeDetail,
  PipeFilter,
  PipePage,
  PipePeers,
  PipeQuery,
  PipeSlice,
  PipeSliceOrder,
  PipeView,
  PrincipalClosed,
  Readiness,
  RebalanceView,
} from './views.ts';

export interface PipeManagerSettings {
  readonly options: ResolvedOptions;
  /** Told of what a listener of the events threw. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
  /** Hear every event from the first on; `events.tap` misses those of the backends given in the options. */
  readonly sinks?: readonly EventSink[];
}

const poolTickMs = 100;

export class PipeManager {
  readonly options: ResolvedOptions;
  readonly events: EventStream;
  readonly pool: BackendPool;
  readonly wheel: TimerWheel;
  readonly statistics: GatewayStats;
  /** What `reloadTls` reads anew; ports of the host can be added. */
  readonly tls: TlsReload;
  /** Heartbeat and memory bounds: what changes while the gateway runs. */
  readonly tuning: Tuning;
  /** How it stands with the other gateways; null = there are none. */
  clusterState: (() => ClusterState) | null = null;
  /** How often each limit of what clients may do was reached. */
  readonly tally: LimitTally;
  /** The way in: who gets a pipe. */
  readonly admission: Admission;
  /** Of all connections of this process that have more to work through than is fair at once. */
  readonly turns: { readonly taken: number } = turns;
  /** What the other gateways have; null = there are none. */
  claims: PipeClaims | null = null;
  /** What the other gateways do when they are told; null = there are none. */
  peers: PipePeers | null = null;
  readonly #histories = new PipeHistories<PipeView>();
  readonly #auditTrail = new AuditTrail();
  readonly #registry = new PipeRegistry();
  readonly #host: PipeHost;
  readonly #operations: BackendOperations;
  readonly #shutdown: Shutdown;
  readonly #poolTick: WheelTimer;

  constructor(settings: PipeManagerSettings) {
    const { options } = settings;
    const onError = settings.onError ?? warn;
    this.options = options;
    this.events = new EventStream(onError);
    const { events } = this;
    this.wheel = new TimerWheel({
      onStall: (stalledMs) => events.emit('gateway.stalled', { stalledMs }),
      onError,
    });
    const { wheel } = this;
    const now = () => wheel.now();
    this.statistics = new GatewayStats(now);
    this.tally = new LimitTally(now, (limit, times, who) => events.emit('limit.reached', { limit, times, ...who }));
    const own = [this.statistics.sink, this.#histories.sink, this.#auditTrail.sink];
    for (const sink of [...own, ...(settings.sinks ?? [])]) events.tap(sink);
    this.tls = new TlsReload(events);
    if (options.backendTls !== null) this.tls.add(options.backendTls);
    const allowed = new AllowedBackends(options.allowedBackends);
    this.pool = new BackendPool({ options: options.pool, allowed, events, now, onError });
    const { pool } = this;
    const registry = this.#registry;
    this.tuning = new Tuning(options, events, registry, wheel);
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = options.failover;
    const { backoff: hook } = options.hooks;
    const backoff = hook === undefined ? fullJitterBackoff({ baseMs, maxMs }) : checkedBackoff(hook);
    this.#operations = new BackendOperations({ options, wheel, events, pool, backoff, registry });
    this.#host = this.#makeHost(backoff);
    this.#poolTick = wheel.timer(this, 'pool');
    this.admission = new Admission(this.#host, registry, {
      closing: () => this.closing,
      // Not before: while an app starts its event loop stands still, which would be told as a stall.
      pipeAdmitted: () => {
        if (!this.#poolTick.active) this.#poolTick.start(poolTickMs);
      },
      greetingOver: () => this.#shutdown.clientGone(),
      pipeCameAtEnd: (pipe) => this.#shutdown.end(pipe),
      claims: () => this.claims,
    });
    this.#shutdown = new Shutdown({
      options,
      wheel,
      events,
      registry,
      admission: this.admission,
      operations: this.#operations,
      claims: () => this.claims,
      // The wheel runs on: links that no pipe owns any more still have the time limits of their Close on it.
      stopped: () => this.#poolTick.stop(),
    });
    for (const backend of options.backends) pool.register(backend);
  }

  get closing(): boolean {
    return this.#shutdown.begun;
  }

  get size(): number {
    return this.#registry.size;
  }

  /** The bytes that all pipes together hold of their clients, and the bound. */
  get budget(): MemoryBudget {
    return this.tuning.budget;
  }

  /** All live pipes, in the order of their beginning. */
  [Symbol.iterator](): IterableIterator<PersistentPipe> {
    return this.#registry[Symbol.iterator]();
  }

  /** Who is let in: clients, addresses, how often. */
  get entrance(): Pick<Entrance, 'pipes' | 'arriving' | 'addresses' | 'forgottenAddresses'> {
    return this.admission.entrance;
  }

  // ---- backends ----

  backendPage(): BackendPage {
    return { backends: this.backends() };
  }

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

  /** @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_NOT_ALLOWED, HOLDFAST_ERR_BACKEND_EXISTS, HOLDFAST_ERR_GATEWAY_CLOSING */
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
    return this.#operations.update(id, change).view();
  }

  /**
   * migrate: its pipes move away first, then it is removed; force: it is removed now and its pipes fail over.
   * @param options.timeoutMs when what has not moved fails over. Default drain.timeoutMs.
   * @returns null = gone at once; a view = it drains.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING; HOLDFAST_ERR_BACKEND_DISCOVERED for one that DNS names.
   */
  removeBackend(id: string, options: BackendRemoval): BackendView | null {
    return this.#operations.remove(id, options)?.view() ?? null;
  }

  /**
   * Moves quiet pipes of other backends to this one, until it has its fair share by weight.
   * @param options.pipesPerSecond default drain.pipesPerSecond.
   * @param options.timeoutMs how long is waited for pipes to become quiet. Default drain.timeoutMs.
   * @returns `planned`: pipes it will move.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING for one that takes no new pipes.
   */
  rebalance(id: string, options: { pipesPerSecond?: number; timeoutMs?: number } = {}): RebalanceView {
    return { backendId: id, planned: this.#operations.rebalance(id, options) };
  }

  // ---- pipes ----

  /** A live pipe; undefined = there is none of this id. */
  findPipe(id: string): PersistentPipe | undefined {
    return this.#registry.find(id);
  }

  /**
   * @param query.gateway no other than 'self' is known here.
   * @throws HOLDFAST_ERR_CURSOR, HOLDFAST_ERR_GATEWAY_NOT_FOUND
   */
  pipes({ gateway, limit = defaultPageSize, cursor, ...filter }: PipeQuery = {}): PipePage {
    checkOwn(gateway);
    const { pipes, total, last, more } = this.slicePipes(filter, { after: parsePosition(cursor), limit });
    return { pipes, total, next: more ? String(last) : null };
  }

  /** Some of the pipes that fit. */
  slicePipes(filter: PipeFilter, order: PipeSliceOrder): PipeSlice {
    return this.#registry.slice(filter, order, (pipe) => pipeView(pipe, this.#host));
  }

  /** @param after position of a slice; 0 = the first. */
  countPipes(filter: PipeFilter, after: number): PipeCount {
    return this.#registry.count(filter, after);
  }

  /**
   * A live pipe, or one of the last 200 that closed, as it was at its end.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND
   */
  pipe(id: string): PipeDetail {
    // One that went to another gateway may be back.
    const closed = this.#registry.find(id) === undefined ? this.#histories.closed(id) : undefined;
    return closed ?? { ...pipeView(this.#registry.get(id), this.#host), history: this.#histories.of(id) };
  }

  /**
   * @param order.code told to the client. Default 1000.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND
   */
  closePipe(id: string, order: CloseOrderInput = {}): void {
    this.#registry.get(id).close(closeOrders.operator(order.code, order.reason));
  }

  /**
   * Closes all clients that `authenticate` said are this principal, of all gateways: it logged out, or its session is over. Those of this
   * gateway are closed before anything is awaited; upgrades under way, which are not counted, are refused with 401, also where `authenticate`
   * has not answered yet. Never fails: `partial` says that a gateway was not heard, and may have some open still.
   * @param order.code told to the clients, 1000 to 4999. Default 1000.
   */
  async closePrincipal(id: string, order: CloseOrderInput = {}): Promise<PrincipalClosed> {
    const closed = this.closeOwnPrincipal(id, order);
    const elsewhere = await this.peers?.closePrincipal(id, order);
    return elsewhere === undefined ? { closed } : { ...elsewhere, closed: closed + elsewhere.closed };
  }

  /** The same of this gateway alone. @returns how many were open. */
  closeOwnPrincipal(id: string, order: CloseOrderInput): number {
    const pipes = [...this.#registry].filter((pipe) => pipe.request.principal?.id === id && !isEnding(pipe.state));
    const how = closeOrders.operator(order.code, order.reason);
    for (const pipe of pipes) pipe.close(how);
    return pipes.length + this.admission.closePrincipal(id, how);
  }

  /**
   * Rehearses a failover: the pipe leaves its backend and takes the next.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND, HOLDFAST_ERR_PIPE_NOT_ATTACHED
   */
  interruptPipe(id: string): PipeView {
    const pipe = this.#registry.get(id);
    if (!pipe.interrupt('operator')) throw new PipeNotAttached(id, pipe.state);
    return pipeView(pipe, this.#host);
  }

  // ---- configuration ----

  heartbeat(): Revised<HeartbeatSettings> {
    return this.tuning.heartbeat;
  }

  /**
   * Lays `patch` over the settings and retunes every live pipe.
   * @param ifRevision the revision the change was made for.
   * @throws HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_HEARTBEAT; then nothing has changed.
   */
  setHeartbeat(patch: HeartbeatPatch, ifRevision?: number): Changed<HeartbeatSettings> {
    return this.tuning.setHeartbeat(patch, ifRevision);
  }

  buffer(): Revised<BufferSettings> {
    return this.tuning.buffer;
  }

  /**
   * Lays `patch` over the memory bounds; they hold for every live pipe at once. A lowered bound throws nothing away: reading stops until
   * there is less.
   * @throws HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_BUFFER; then nothing has changed.
   */
  setBuffer(patch: BufferPatch, ifRevision?: number): Changed<BufferSettings> {
    return this.tuning.setBuffer(patch, ifRevision);
  }

  /**
   * Reads the files of backendTls, and of every listener that was added to `tls`, anew: connections to come use them, those there are
   * go on. What cannot be used is told, also as the event `tls.reload-failed`, and the old stays in use.
   */
  reloadTls(): TlsReloaded[] {
    return this.tls.reload();
  }

  /** What stats and metrics read of each live pipe. */
  *readings(): IterableIterator<PipeReading> {
    for (const pipe of this.#registry) yield pipeReading(pipe);
  }

  /**
   * Totals since the start, and the last 1, 5 and 15 minutes.
   * @param query.gateway no other than 'self' is known here.
   * @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND
   */
  stats({ gateway }: StatsQuery = {}): StatsView {
    checkOwn(gateway);
    return this.statistics.view(this);
  }

  /** The same, so that it can be added to that of other gateways. */
  statsReport(): StatsReport {
    return this.statistics.report(this);
  }

  /**
   * The last changes made through the admin API of this gateway, and the last that were refused.
   * @param query.gateway no other than 'self' is known here.
   * @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND
   */
  audit({ gateway }: AuditQuery = {}): AuditView {
    checkOwn(gateway);
    return this.#auditTrail.view();
  }

  readiness(): Readiness {
    const usableBackends = this.pool.list().filter((backend) => backend.view().usable).length;
    const reason = this.closing ? 'the gateway is closing' : this.pool.usable() ? null : 'no usable backend';
    const cluster = this.clusterState === null ? {} : { cluster: this.clusterState() };
    return { ready: reason === null, reason, pipes: this.size, usableBackends, ...cluster };
  }

  /**
   * Takes no more clients, closes those there are with 1012 spread over shutdown.spreadMs, and resolves when the last has gone.
   * Called twice it answers the same.
   * @param order.handOver false = the other gateways end as well: no pipe is left to them from now on. Default true.
   */
  close(order: { handOver?: boolean } = {}): Promise<void> {
    return this.#shutdown.begin(order.handOver ?? true);
  }

  /** For the wheel: ejections end, waiting pipes look again. */
  timerFired(): void {
    this.pool.tick();
    if (this.size > 0) this.#poolTick.start(poolTickMs);
  }

  #makeHost(backoff: BackoffFunction): PipeHost {
    const { options, events, pool, wheel, budget, tally } = this;
    return {
      options,
      events,
      pool,
      wheel,
      budget,
      tally,
      limits: this.tuning.limits,
      backoff,
      dial,
      heartbeat: () => this.tuning.heartbeat.settings,
      clientViolated: (clientIp) => this.admission.entrance.violated(clientIp, wheel.now()),
      pipeHeld: (pipe) => this.claims?.held(pipe),
      pipeLeft: (pipe) => {
        this.#registry.freeClient(pipe);
        this.claims?.freeClientId(pipe);
      },
      pipeClosed: (pipe) => this.#forget(pipe),
    };
  }

  #forget(pipe: PersistentPipe): void {
    this.#registry.remove(pipe);
    this.claims?.closed(pipe);
    this.#histories.close(pipe.id, () => pipeView(pipe, this.#host));
    this.#shutdown.clientGone();
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
