/** What the admin API needs of the gateway. The PipeManager fits it by its shape; tests give a fake. */
import type { HeartbeatPatch, HeartbeatSettings } from '../src/heartbeat/settings.ts';
import type { EventStream } from '../src/observe/events.ts';
import type { StatsView } from '../src/observe/stats.ts';
import type { BackendInput } from '../src/options.ts';
import type { BufferPatch, BufferSettings } from '../src/pipe/buffer-settings.ts';
import type { Revised } from '../src/pipe/live-setting.ts';
import type { PipeDetail, PipePage, PipeQuery, PipeView } from '../src/pipe/views.ts';
import type { AdminState, BackendView } from '../src/pool/views.ts';

export interface BackendPatch {
  readonly weight?: number;
  /** Null = no limit. */
  readonly maxConnections?: number | null;
  readonly adminState?: AdminState;
}

/** migrate = its pipes move first, without loss; force = they fail over now. */
export type RemovalMode = 'migrate' | 'force';

export interface Readiness {
  readonly ready: boolean;
  /** Why not; null when ready. */
  readonly reason: string | null;
  readonly pipes: number;
  readonly usableBackends: number;
}

export interface AdminTarget {
  readonly events: EventStream;
  backends(): readonly BackendView[];
  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  backend(id: string): BackendView;
  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
  backendByUrl(url: string): BackendView;
  /** @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_EXISTS, HOLDFAST_ERR_GATEWAY_CLOSING */
  registerBackend(input: BackendInput): BackendView;
  /** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING */
  updateBackend(id: string, patch: BackendPatch): BackendView;
  /**
   * Null = gone at once; a view = it drains, and goes when its last pipe has moved.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING, HOLDFAST_ERR_BACKEND_DISCOVERED
   */
  removeBackend(id: string, options: { mode: RemovalMode; timeoutMs?: number }): BackendView | null;
  /**
   * Moves quiet pipes to this backend until it has its fair share; `planned` of them.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING
   */
  rebalance(
    id: string,
    options: { pipesPerSecond?: number; timeoutMs?: number },
  ): { readonly backendId: string; readonly planned: number };
  pipes(query: PipeQuery): PipePage;
  /** Also one of the last that closed. @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  pipe(id: string): PipeDetail;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  closePipe(id: string, options?: { code?: number; reason?: string }): void;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND, HOLDFAST_ERR_PIPE_NOT_ATTACHED */
  interruptPipe(id: string): PipeView;
  heartbeat(): Revised<HeartbeatSettings>;
  /**
   * `pipes` = how many live pipes were retuned.
   * @throws HOLDFAST_ERR_HEARTBEAT, HOLDFAST_ERR_REVISION_STALE; nothing has changed then.
   */
  setHeartbeat(patch: HeartbeatPatch, ifRevision?: number): Revised<HeartbeatSettings> & { readonly pipes: number };
  buffer(): Revised<BufferSettings>;
  /** @throws HOLDFAST_ERR_BUFFER, HOLDFAST_ERR_REVISION_STALE; nothing has changed then. */
  setBuffer(patch: BufferPatch, ifRevision?: number): Revised<BufferSettings> & { readonly pipes: number };
  readiness(): Readiness;
  stats(): StatsView;
}
