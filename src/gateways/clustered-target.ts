/** The admin API of a gateway that is one of several: whichever is asked, the answer is of all of them. */
import { BackendNotFound } from '../errors.ts';
import type { HeartbeatPatch } from '../heartbeat/settings.ts';
import type { AuditQuery } from '../observe/audit-trail.ts';
import type { StatsQuery } from '../observe/stats.ts';
import type { BackendChange } from '../pipe/backend-operations.ts';
import type { BufferPatch } from '../pipe/buffer-settings.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import type { CloseOrderInput, PipeQuery } from '../pipe/views.ts';
import { backendUrlKey, backendUrlText, shownUrl } from '../pool/backend-url.ts';
import type { BackendInput, RemovalMode } from '../pool/settings.ts';
import type { BackendFleetView, BackendPage, BackendView } from '../pool/views.ts';
import { figuresOf, noFleet, sumFigures } from './backend-figures.ts';
import type { ClusterNode } from './cluster-node.ts';
import { completeness } from './fleet.ts';
import { findEntryByUrl, type PoolEntry } from './pool-record.ts';
import type { GatewayPage } from './views.ts';

export class ClusteredTarget {
  readonly #manager: PipeManager;
  readonly #node: ClusterNode;

  constructor(manager: PipeManager, node: ClusterNode) {
    this.#manager = manager;
    this.#node = node;
  }

  get events(): PipeManager['events'] {
    return this.#manager.events;
  }

  gateways(): GatewayPage {
    return this.#node.gateways();
  }

  // ---- backends ----

  async backendPage(): Promise<BackendPage> {
    const others = await this.#node.fleet.backendFigures(null);
    const own = this.#manager.backends();
    const fleet = sumFigures(own.map(figuresOf), others);
    const here = new Set(own.map(({ id }) => id));
    const elsewhere = (this.#node.pool.present?.value.backends ?? []).filter(({ id }) => !here.has(id)).map(absentView);
    const backends = [...own, ...elsewhere].map((view) => this.#shared(view, fleet));
    return { backends, ...this.#revision(), ...completeness(others) };
  }

  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  async backend(id: string): Promise<BackendView> {
    if (this.#find(id) === undefined) await this.#node.pool.look();
    const others = await this.#node.fleet.backendFigures(id);
    const view = this.#find(id);
    if (view === undefined) throw new BackendNotFound(id);
    const own = this.#manager.pool.find(id) === undefined ? [] : [figuresOf(view)];
    return this.#shared(view, sumFigures(own, others));
  }

  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  async backendByUrl(url: string): Promise<BackendView> {
    const id = this.#idByUrl(url) ?? (await this.#node.pool.look().then(() => this.#idByUrl(url)));
    if (id === undefined) throw new BackendNotFound(shownUrl(url));
    return this.backend(id);
  }

  /** As SharedPool.register(). */
  async registerBackend(input: BackendInput): Promise<BackendView> {
    return this.backend(await this.#node.pool.register(input));
  }

  /** A backend that is in no record is changed here only. As SharedPool.update(). */
  async updateBackend(id: string, change: BackendChange): Promise<BackendView> {
    if (this.#isLocal(id)) this.#manager.updateBackend(id, change);
    else await this.#node.pool.update(id, change);
    return this.backend(id);
  }

  /** A backend that is in no record is removed here only. @returns null = gone everywhere; a view = it drains. As SharedPool.remove(). */
  async removeBackend(id: string, options: { mode: RemovalMode; timeoutMs?: number }): Promise<BackendView | null> {
    if (this.#isLocal(id)) return this.#manager.removeBackend(id, options);
    const timeoutMs = options.timeoutMs ?? this.#manager.options.drain.timeoutMs;
    const gone = await this.#node.pool.remove(id, options.mode === 'force' ? null : timeoutMs);
    // It may have gone while it was asked about.
    return gone || this.#find(id) === undefined ? null : this.backend(id);
  }

  /** As FleetView.rebalance(). */
  rebalance(id: string, options: { pipesPerSecond?: number; timeoutMs?: number }) {
    return this.#node.fleet.rebalance(id, options);
  }

  // ---- pipes ----

  /** As FleetPipes.page(). */
  pipes(query: PipeQuery) {
    return this.#node.fleet.pipes.page(query);
  }

  /** As FleetOrders.pipe(). */
  pipe(id: string) {
    return this.#node.fleet.orders.pipe(id);
  }

  /** As FleetOrders.close(). */
  closePipe(id: string, order: CloseOrderInput = {}) {
    return this.#node.fleet.orders.close(id, order);
  }

  /** As FleetOrders.interrupt(). */
  interruptPipe(id: string) {
    return this.#node.fleet.orders.interrupt(id);
  }

  // ---- configuration ----

  heartbeat() {
    return this.#manager.heartbeat();
  }

  /** As SharedConfig.setHeartbeat(). */
  setHeartbeat(patch: HeartbeatPatch, ifRevision?: number) {
    return this.#node.config.setHeartbeat(patch, ifRevision);
  }

  buffer() {
    return this.#manager.buffer();
  }

  /** As SharedConfig.setBuffer(). */
  setBuffer(patch: BufferPatch, ifRevision?: number) {
    return this.#node.config.setBuffer(patch, ifRevision);
  }

  readiness() {
    return this.#manager.readiness();
  }

  /** As FleetAudit.view(). */
  audit(query: AuditQuery = {}) {
    return this.#node.fleet.audit.view(query);
  }

  /** As FleetView.stats(). */
  stats(query: StatsQuery = {}) {
    return this.#node.fleet.stats(query);
  }

  /** As this gateway sees it; one that it does not have, or no more, as the record says. */
  #find(id: string): BackendView | undefined {
    const own = this.#manager.pool.find(id)?.view();
    if (own !== undefined) return own;
    const entry = this.#node.pool.entry(id);
    return entry && absentView(entry);
  }

  #idByUrl(url: string): string | undefined {
    const { present } = this.#node.pool;
    const entry = present === null ? undefined : findEntryByUrl(present.value, url);
    if (entry !== undefined) return entry.id;
    return this.#manager.pool.list().find(({ urlKey }) => URL.canParse(url) && urlKey === backendUrlKey(new URL(url)))
      ?.id;
  }

  #isLocal(id: string): boolean {
    const { present } = this.#node.pool;
    return present !== null && this.#node.pool.entry(id) === undefined && this.#manager.pool.find(id) !== undefined;
  }

  #revision(): { revision?: number } {
    const { present } = this.#node.pool;
    return present === null ? {} : { revision: present.revision };
  }

  #shared(view: BackendView, fleet: ReadonlyMap<string, BackendFleetView>): BackendView {
    return { ...view, ...this.#revision(), fleet: fleet.get(view.id) ?? noFleet };
  }
}

/** One that this gateway does not have: it has drained here already, failed too often, or may not be connected to from here. */
function absentView(entry: PoolEntry): BackendView {
  const { id, url, weight, maxConnections, labels, adminState, removal, registeredAt } = entry;
  const startedAt = removal === null ? null : new Date(removal.startedAt).toISOString();
  return {
    id,
    url: URL.canParse(url) ? backendUrlText(new URL(url)) : shownUrl(url),
    ...{ weight, maxConnections, labels, adminState },
    health: 'unknown',
    usable: false,
    lastCheck: null,
    ejectedUntil: null,
    connections: 0,
    dialing: 0,
    consecutiveFailures: 0,
    totals: { attached: 0, failed: 0, ejections: 0 },
    lastError: null,
    registeredAt: new Date(registeredAt).toISOString(),
    drain: startedAt === null ? null : { startedAt, remaining: 0, migrated: 0, failedOver: 0 },
  };
}
