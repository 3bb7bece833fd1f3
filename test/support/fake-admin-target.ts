/** A gateway that only remembers what it was asked, and an app around it. */
import type { TestContext } from 'node:test';
import fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import admin from '../../plugins/admin.ts';
import type { AdminTarget, BackendPatch } from '../../routes/admin-target.ts';
import { exampleBackend } from '../../routes/schemas/backend.ts';
import { examplePipe, examplePipeDetail, interruptedPipe } from '../../routes/schemas/pipe.ts';
import {
  BackendDraining,
  BackendExists,
  BackendNotFound,
  BackendUrlInvalid,
  PipeNotAttached,
  PipeNotFound,
  RevisionStale,
} from '../../src/errors.ts';
import {
  defaultHeartbeat,
  type HeartbeatPatch,
  type HeartbeatSettings,
  mergeHeartbeat,
} from '../../src/heartbeat/settings.ts';
import { AuditTrail, type AuditView } from '../../src/observe/audit-trail.ts';
import { EventStream } from '../../src/observe/events.ts';
import type { AdminOptions } from '../../src/options.ts';
import { type BufferPatch, type BufferSettings, mergeBuffer } from '../../src/pipe/buffer-settings.ts';
import type { Revised } from '../../src/pipe/live-setting.ts';
import type { PipeQuery, Readiness } from '../../src/pipe/views.ts';
import type { BackendInput, RemovalMode } from '../../src/pool/settings.ts';
import type { BackendPage, BackendView } from '../../src/pool/views.ts';

export const token = 'correct-horse';
export const authorization = `Bearer ${token}`;

export class FakeTarget implements AdminTarget {
  readonly events = new EventStream((error) => {
    throw error;
  });
  readonly calls: unknown[][] = [];
  readonly pool = new Map<string, BackendView>([
    ['b1', { ...exampleBackend, id: 'b1', url: 'ws://one:9000/' }],
    ['b2', { ...exampleBackend, id: 'b2', url: 'ws://two:9000/', adminState: 'draining' }],
  ]);
  config: Revised<HeartbeatSettings> = { revision: 7, settings: defaultHeartbeat };
  state: Readiness = { ready: true, reason: null, pipes: 1, usableBackends: 1 };
  failure: unknown;

  bounds: Revised<BufferSettings> = {
    revision: 2,
    settings: {
      maxBytesPerPipe: 5_242_880,
      maxTotalBytes: 1_073_741_824,
      maxDownstreamBytes: 1_048_576,
      onFull: 'close',
    },
  };

  readonly #trail = new AuditTrail();

  constructor() {
    this.events.tap(this.#trail.sink);
  }

  #called(...call: unknown[]): void {
    this.calls.push(call);
    if (this.failure !== undefined) throw this.failure;
  }
  rebalance(
    id: string,
    options: { pipesPerSecond?: number; timeoutMs?: number },
  ): { backendId: string; planned: number } {
    this.#called('rebalance', id, options);
    const { adminState } = this.backend(id);
    if (adminState !== 'enabled') throw new BackendDraining(id, adminState);
    return { backendId: id, planned: 3 };
  }
  buffer(): Revised<BufferSettings> {
    return this.bounds;
  }
  setBuffer(patch: BufferPatch, ifRevision?: number): Revised<BufferSettings> & { pipes: number } {
    this.#called('setBuffer', patch, ifRevision);
    const { revision, settings } = this.bounds;
    if (ifRevision !== undefined && ifRevision !== revision) throw new RevisionStale(String(ifRevision), revision);
    this.bounds = { revision: revision + 1, settings: mergeBuffer(settings, patch, 2_621_440) };
    return { ...this.bounds, pipes: 1 };
  }
  backendPage(): BackendPage {
    this.#called('backendPage');
    return { backends: [...this.pool.values()] };
  }
  backend(id: string): BackendView {
    const found = this.pool.get(id);
    if (found === undefined) throw new BackendNotFound(id);
    return found;
  }
  backendByUrl(url: string): BackendView {
    const found = [...this.pool.values()].find((backend) => backend.url === url);
    if (found === undefined) throw new BackendNotFound(url);
    return found;
  }
  registerBackend(input: BackendInput): BackendView {
    this.#called('registerBackend', input);
    if (!input.url.startsWith('ws')) throw new BackendUrlInvalid(input.url, 'the scheme is not ws or wss');
    const id = input.id ?? 'made-up';
    if (this.pool.has(id)) throw new BackendExists('id', id, id);
    return { ...exampleBackend, id, url: input.url };
  }
  updateBackend(id: string, patch: BackendPatch): BackendView {
    this.#called('updateBackend', id, patch);
    return { ...this.backend(id), ...patch };
  }
  removeBackend(id: string, options: { mode: RemovalMode; timeoutMs?: number }): BackendView | null {
    this.#called('removeBackend', id, options);
    const backend = this.backend(id);
    if (backend.adminState === 'draining') throw new BackendDraining(id, 'draining');
    return options.mode === 'force' ? null : { ...backend, adminState: 'draining' };
  }
  pipes(query: PipeQuery) {
    this.#called('pipes', query);
    return { pipes: [examplePipe], total: 1, next: null };
  }
  pipe(id: string) {
    if (id !== examplePipe.id && id !== 'idle') throw new PipeNotFound(id);
    return examplePipeDetail;
  }
  closePipe(id: string): void {
    this.#called('closePipe', id);
    this.pipe(id);
  }
  interruptPipe(id: string) {
    this.#called('interruptPipe', id);
    if (id === 'idle') throw new PipeNotAttached(id, 'interrupted');
    this.pipe(id);
    return interruptedPipe;
  }
  heartbeat(): Revised<HeartbeatSettings> {
    return this.config;
  }
  setHeartbeat(patch: HeartbeatPatch, ifRevision?: number) {
    this.#called('setHeartbeat', patch, ifRevision);
    if (ifRevision !== undefined && ifRevision !== this.config.revision) {
      throw new RevisionStale(String(ifRevision), this.config.revision);
    }
    const settings = mergeHeartbeat(this.config.settings, patch);
    this.config = { revision: this.config.revision + 1, settings };
    return { ...this.config, pipes: 3 };
  }
  audit(): AuditView {
    return this.#trail.view();
  }
  stats(): never {
    throw new Error('not asked for here');
  }
  readiness(): Readiness {
    return this.state;
  }
}

export type Ask = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD',
  url: string,
  payload?: unknown,
  headers?: Record<string, string>,
) => Promise<LightMyRequestResponse>;

/** An app with the admin API, closed after the test. `ask` sends the token unless told otherwise. */
export async function build(
  t: TestContext,
  options: Partial<AdminOptions> = {},
  prepare: (app: FastifyInstance) => unknown = () => {},
): Promise<{ app: FastifyInstance; target: FakeTarget; ask: Ask }> {
  const app = fastify();
  t.after(() => app.close());
  await prepare(app);
  const target = new FakeTarget();
  await app.register(admin, { target, admin: { auth: { tokens: ['another-token', token] }, ...options } });
  await app.ready();
  const ask: Ask = (method, url, payload, headers = {}) =>
    app.inject({
      method,
      url,
      headers: { authorization, ...headers },
      ...(payload === undefined ? {} : { payload: payload as object }),
    });
  return { app, target, ask };
}
