/** What the admin API needs of the gateway. The PipeManager fits it by its shape; tests give a fake. */
import type { HeartbeatPatch, HeartbeatSettings } from '../src/heartbeat/settings.ts';
import type { EventStream } from '../src/observe/events.ts';
import type { BackendInput } from '../src/options.ts';
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

export interface HeartbeatConfig {
  /** 1 at the start, one more with each change. */
  readonly revision: number;
  readonly settings: HeartbeatSettings;
}

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
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING
   */
  removeBackend(id: string, options: { mode: RemovalMode; timeoutMs?: number }): BackendView | null;
  pipes(query: PipeQuery): PipePage;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  pipe(id: string): PipeDetail;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  closePipe(id: string, options?: { code?: number; reason?: string }): void;
  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND, HOLDFAST_ERR_PIPE_NOT_ATTACHED */
  interruptPipe(id: string): PipeView;
  heartbeat(): HeartbeatConfig;
  /**
   * `pipes` = how many live pipes were retuned.
   * @throws HOLDFAST_ERR_HEARTBEAT, HOLDFAST_ERR_REVISION_STALE; nothing has changed then.
   */
  setHeartbeat(patch: HeartbeatPatch, ifRevision?: number): HeartbeatConfig & { readonly pipes: number };
  readiness(): Readiness;
}
