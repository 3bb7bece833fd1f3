/**
 * The pool that all gateways share: what is registered, changed or removed on one of them holds on all. Health, ejection and connections stay
 * with each gateway, and so do backends that are in no record, which it found by itself.
 */
import { firstRevision, keyKinds, poolKey } from '../cluster/keys.ts';
import { SharedRecord, type SharingSettings, type Snapshot } from '../cluster/shared-record.ts';
import { GatewayClosing, SharedConflict } from '../errors.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import type { BackendInput } from '../pool/settings.ts';
import { backendsQuestion, figuresOf } from './backend-figures.ts';
import {
  changeEntry,
  drainEntry,
  type EntryChange,
  findEntry,
  keyOf,
  type PoolEntry,
  PoolRecord,
  type Removal,
  withEntry,
  withoutEntry,
} from './pool-record.ts';
import { Removals, same } from './removals.ts';

/** No entry has this version: whatever the record says is laid over it. */
const neverApplied = -1;
const empty: PoolRecord = { v: 1, backends: [] };

export class SharedPool {
  readonly #manager: PipeManager;
  readonly #sharing: SharingSettings;
  readonly #record: SharedRecord<typeof PoolRecord>;
  readonly #removals: Removals;
  /** What this gateway has been told to have, by id: as it was laid over the pool last. */
  #applied = new Map<string, PoolEntry>();
  #stopServing: () => void = () => {};

  constructor(manager: PipeManager, sharing: SharingSettings) {
    this.#manager = manager;
    this.#sharing = sharing;
    // Those of the options: the first record of a pool that has none, else they give way to it.
    const given = manager.pool.list().filter(({ origin }) => origin === 'registered');
    const backends = given.map((backend): PoolEntry => {
      const { id, url, weight, maxConnections, labels, registeredAt } = backend;
      const input = { id, url: url.href, weight, maxConnections, labels: { ...labels } };
      return { ...input, adminState: 'enabled', removal: null, registeredAt, version: 0 };
    });
    const first: PoolRecord = { v: 1, backends };
    for (const entry of backends) this.#applied.set(entry.id, { ...entry, version: neverApplied });
    this.#record = new SharedRecord({
      ...sharing,
      key: poolKey,
      kind: keyKinds.pool,
      schema: PoolRecord,
      what: 'the pool',
      first: () => first,
      apply: (present) => this.#apply(present),
    });
    this.#removals = new Removals({
      gateway: sharing.membership.id,
      idle: (id) => this.#idle(id),
      drop: (id, removal) => this.#finish(id, removal),
      onError: sharing.onError,
    });
  }

  /** As it was last seen; null = the store was never reached. */
  get present(): Snapshot<PoolRecord> | null {
    return this.#record.present;
  }

  start(): void {
    this.#stopServing = this.#sharing.courier.serve(backendsQuestion, ({ id }) =>
      this.#manager
        .backends()
        .filter((backend) => id === null || backend.id === id)
        .map(figuresOf),
    );
    this.#record.start();
  }

  stop(): void {
    this.#stopServing();
    this.#removals.stop();
    this.#record.stop();
  }

  look(): Promise<void> {
    return this.#record.look();
  }

  entry(id: string): PoolEntry | undefined {
    return this.present === null ? undefined : findEntry(this.present.value, id);
  }

  /**
   * @returns the id.
   * @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_NOT_ALLOWED, HOLDFAST_ERR_BACKEND_EXISTS, HOLDFAST_ERR_GATEWAY_CLOSING,
   * HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_STORE_VALUE_TOO_BIG
   */
  async register(input: BackendInput): Promise<string> {
    const manager = this.#manager;
    if (manager.closing) throw new GatewayClosing();
    let id = '';
    await this.#record.change((present) => {
      const checked = manager.pool.check(input);
      id = checked.id;
      return withEntry(present?.value ?? empty, checked, firstRevision());
    });
    return id;
  }

  /**
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_SHARED_CONFLICT, HOLDFAST_ERR_STORE_UNAVAILABLE,
   * HOLDFAST_ERR_STORE_VALUE_TOO_BIG
   */
  async update(id: string, change: EntryChange): Promise<void> {
    await this.#change(id, (record) => changeEntry(record, id, change));
  }

  /**
   * @param timeoutMs when what has not moved fails over; null = it is gone at once everywhere.
   * @returns whether it is gone.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING, HOLDFAST_ERR_SHARED_CONFLICT,
   * HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_STORE_VALUE_TOO_BIG
   */
  async remove(id: string, timeoutMs: number | null): Promise<boolean> {
    if (timeoutMs === null) {
      await this.#change(id, (record) => withoutEntry(record, id));
      return true;
    }
    const removal = { startedAt: Date.now(), timeoutMs, gateway: this.#sharing.membership.id };
    await this.#change(id, (record) => drainEntry(record, id, removal));
    if (!(await this.#idle(id))) return false;
    await this.#finish(id, removal);
    return this.entry(id) === undefined;
  }

  /** Takes a backend out, if it is still this removal that it is in: judged anew where another gateway was faster. */
  async #finish(id: string, removal: Removal): Promise<void> {
    await this.#record.change((present) => {
      const record = present?.value ?? empty;
      return same(findEntry(record, id)?.removal, removal) ? withoutEntry(record, id) : record;
    });
  }

  /** Lays a change of one backend over the pool: again where others were changed meanwhile, but not over a change of the same one. */
  async #change(id: string, merge: (record: PoolRecord) => PoolRecord): Promise<void> {
    let base: PoolEntry | undefined;
    let begun = false;
    await this.#record.change((present) => {
      const record = present?.value ?? empty;
      const entry = findEntry(record, id);
      if (begun && entry?.version !== base?.version) throw new SharedConflict(`backend ${id}`, present?.revision ?? 0);
      begun = true;
      base = entry;
      return merge(record);
    });
  }

  /** No gateway that can be asked has a pipe there, or would give it one. */
  async #idle(id: string): Promise<boolean> {
    const own = this.#manager.pool.find(id);
    if (own !== undefined && (own.enabled || own.connections > 0)) return false;
    const { answers, missing } = await this.#sharing.courier.askAll(backendsQuestion, { id });
    const busy = answers.some(({ answer }) => answer.some(({ enabled, connections }) => enabled || connections > 0));
    return !busy && missing.length === 0;
  }

  #apply({ value: { backends } }: Snapshot<PoolRecord>): void {
    const manager = this.#manager;
    if (manager.closing) return;
    const next = new Map(backends.map((entry) => [entry.id, entry]));
    for (const [id, entry] of this.#applied) {
      const kept = next.get(id);
      if (kept === undefined || keyOf(kept) !== keyOf(entry)) this.#attempt(() => this.#drop(id));
    }
    for (const entry of backends) {
      const before = this.#applied.get(entry.id);
      if (before === undefined || before.version !== entry.version) this.#attempt(() => this.#lay(entry, before));
    }
    this.#applied = next;
    this.#removals.watch(backends);
  }

  /** One backend that this gateway cannot have, keeps it from no other. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#sharing.onError(error);
    }
  }

  #drop(id: string): void {
    const manager = this.#manager;
    if (manager.pool.find(id) !== undefined) manager.removeBackend(id, { mode: 'force' });
  }

  #lay(entry: PoolEntry, before: PoolEntry | undefined): void {
    const manager = this.#manager;
    const { id, url, weight, maxConnections, labels, adminState, removal } = entry;
    if (manager.pool.find(id) === undefined) {
      // It has no pipe here that would have to move.
      if (removal !== null) return;
      manager.registerBackend({ id, url, weight, maxConnections, labels });
    }
    manager.updateBackend(id, { weight, maxConnections, ...(removal === null ? { adminState } : {}) });
    if (removal === null || same(before?.removal, removal)) return;
    manager.removeBackend(id, { mode: 'migrate', timeoutMs: removal.timeoutMs });
  }
}
