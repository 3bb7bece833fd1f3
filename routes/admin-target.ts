/** What the admin API needs of the gateway. PipeManager and ClusteredTarget fit it by their shape; tests give a fake. */
import type { GatewayPage } from '../src/gateways/views.ts';
import type { HeartbeatPatch, HeartbeatSettings } from '../src/heartbeat/settings.ts';
import type { AuditQuery, AuditView } from '../src/observe/audit-trail.ts';
import type { EventStream } from '../src/observe/events.ts';
import type { StatsQuery, StatsView } from '../src/observe/stats.ts';
import type { BufferPatch, BufferSettings } from '../src/pipe/buffer-settings.ts';
import type { Revised } from '../src/pipe/live-setting.ts';
import type { PipeDetail, PipePage, PipeQuery, PipeView, Readiness, RebalanceView } from '../src/pipe/views.ts';
import type { AdminState, BackendInput, RemovalMode } from '../src/pool/settings.ts';
import type { BackendPage, BackendView } from '../src/pool/views.ts';

export interface BackendPatch {
  readonly weight?: number;
  /** Null = no limit. */
  readonly maxConnections?: number | null;
  readonly adminState?: AdminState;
}

/** At once, or when other gateways or a store have answered. */
export type Awaitable<T> = T | Promise<T>;

export interface AdminTarget {
  readonly events: EventStream;
  /** The other gateways, where there are any. Left out = this one is alone. */
  gateways?(): GatewayPage;
  backendPage(): Awaitable<BackendPage>;
  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  backend(id: string): Awaitable<BackendView>;
  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  backendByUrl(url: string): Awaitable<BackendView>;
  /** @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_EXISTS, HOLDFAST_ERR_GATEWAY_CLOSING, and as every change: HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_SHARED_CONFLICT */
  registerBackend(input: BackendInput): Awaitable<BackendView>;
  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING */
  updateBackend(id: string, patch: BackendPatch): Awaitable<BackendView>;
  /**
   * Null = gone at once; a view = it drains, and goes when its last pipe has moved.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING, HOLDFAST_ERR_BACKEND_DISCOVERED
   */
  removeBackend(id: string, options: { mode: RemovalMode; timeoutMs?: number }): Awaitable<BackendView | null>;
  /**
   * Moves quiet pipes to this backend until it has its fair share; `planned` of them.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING
   */
  rebalance(id: string, options: { pipesPerSecond?: number; timeoutMs?: number }): Awaitable<RebalanceView>;
  /**
   * Of all gateways, or of the one that the query names.
   * @throws HOLDFAST_ERR_CURSOR, HOLDFAST_ERR_GATEWAY_NOT_FOUND, and as all that is asked of one other gateway: HOLDFAST_ERR_PEER_SILENT,
   * HOLDFAST_ERR_PEER_FAILED, HOLDFAST_ERR_STORE_UNAVAILABLE
   */
  pipes(query: PipeQuery): Awaitable<PipePage>;
  /** Wherever it is; also one of the last that closed. @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  pipe(id: string): Awaitable<PipeDetail>;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND, HOLDFAST_ERR_PIPE_MOVING */
  closePipe(id: string, options?: { code?: number; reason?: string }): Awaitable<void>;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND, HOLDFAST_ERR_PIPE_NOT_ATTACHED, HOLDFAST_ERR_PIPE_MOVING */
  interruptPipe(id: string): Awaitable<PipeView>;
  heartbeat(): Revised<HeartbeatSettings>;
  /**
   * `pipes` = how many live pipes were retuned.
   * @throws HOLDFAST_ERR_HEARTBEAT, HOLDFAST_ERR_REVISION_STALE; nothing has changed then.
   */
  setHeartbeat(
    patch: HeartbeatPatch,
    ifRevision?: number,
  ): Awaitable<Revised<HeartbeatSettings> & { readonly pipes: number }>;
  buffer(): Revised<BufferSettings>;
  /** @throws HOLDFAST_ERR_BUFFER, HOLDFAST_ERR_REVISION_STALE; nothing has changed then. */
  setBuffer(patch: BufferPatch, ifRevision?: number): Awaitable<Revised<BufferSettings> & { readonly pipes: number }>;
  /** Of all gateways, or of the one that the query names. @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND */
  audit(query: AuditQuery): Awaitable<AuditView>;
  readiness(): Readiness;
  /** Of all gateways, or of the one that the query names. @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND */
  stats(query: StatsQuery): Awaitable<StatsView>;
}
