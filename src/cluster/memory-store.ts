/**
 * The store in memory: of a gateway that is alone, of several in one process, and what the primary process of `ipc` keeps. What is shared
 * is the MemoryHub; each gateway has a MemoryStore of its own on it.
 */
import {
  type Beat,
  type Claim,
  type ClusterStore,
  checkBeat,
  checkKey,
  checkPublish,
  checkPut,
  checkTouch,
  type PutAnswer,
  type PutCondition,
  type StoredRecord,
  StoreFailure,
  type StoreSubscriber,
  storeBounds,
} from './store.ts';

interface Entry {
  record: StoredRecord;
  expiresAt: number;
}
interface Present {
  value: Buffer;
  beatAt: number;
  expiresAt: number;
}

export interface MemoryHubSettings {
  /** Most bytes of all keys and records together; beyond it `put` fails as full. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** Between two sweeps of what has expired, milliseconds. */
const sweepMs = 1000;

/** What several MemoryStores share. Has no timer: what has expired is not seen, and swept when something is written. */
export class MemoryHub {
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #members = new Map<string, Present>();
  readonly #subscribers = new Map<string, Set<StoreSubscriber>>();
  #bytes = 0;
  #sweptAt: number;

  constructor({ maxBytes = 268_435_456, now = () => performance.now() }: MemoryHubSettings = {}) {
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.#sweptAt = now();
  }

  /** Bytes of keys and records, those not yet swept too. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): StoredRecord | null {
    return this.#live(key)?.record ?? null;
  }

  put(key: string, { revision, value }: StoredRecord, { ifRevision, ttlMs }: PutCondition): PutAnswer {
    this.#sweep();
    const present = this.#live(key);
    if ((present?.record.revision ?? 0) !== ifRevision) return { stored: false, present: present?.record ?? null };
    const more = key.length + value.length - (present === undefined ? 0 : key.length + present.record.value.length);
    if (more > 0 && this.#bytes + more > this.#maxBytes) throw new StoreFailure('full');
    this.#bytes += more;
    this.#entries.set(key, { record: { revision, value: Buffer.from(value) }, expiresAt: this.#now() + ttlMs });
    return { stored: true };
  }

  remove(key: string, ifRevision?: number): StoredRecord | null {
    const present = this.#live(key);
    if (present === undefined || (ifRevision !== undefined && present.record.revision !== ifRevision)) return null;
    this.#forget(key, present);
    return present.record;
  }

  touch(claims: readonly Claim[], ttlMs: number): boolean[] {
    const expiresAt = this.#now() + ttlMs;
    return claims.map(({ key, revision }) => {
      const present = this.#live(key);
      if (present?.record.revision !== revision) return false;
      present.expiresAt = expiresAt;
      return true;
    });
  }

  beat(id: string, value: Buffer, ttlMs: number): Beat {
    this.#sweep();
    const now = this.#now();
    for (const [other, { expiresAt }] of this.#members) if (expiresAt <= now) this.#members.delete(other);
    const known = this.#members.has(id);
    if (!known && this.#members.size >= storeBounds.members) throw new StoreFailure('full');
    this.#members.set(id, { value: Buffer.from(value), beatAt: now, expiresAt: now + ttlMs });
    const members = [...this.#members].map(([name, one]) => ({ id: name, value: one.value, ageMs: now - one.beatAt }));
    return { known, members: members.sort((a, b) => (a.id < b.id ? -1 : 1)) };
  }

  leave(id: string): void {
    this.#members.delete(id);
  }

  /** Each subscriber hears of it later, so that nobody is called while it calls. */
  publish(channel: string, payload: Buffer): void {
    const copy = Buffer.from(payload);
    for (const one of this.#subscribers.get(channel) ?? []) this.#later(channel, one, () => one.message(copy));
  }

  subscribe(channel: string, subscriber: StoreSubscriber): () => void {
    const all = this.#subscribers.get(channel) ?? new Set();
    this.#subscribers.set(channel, all);
    const own: StoreSubscriber = { message: (payload) => subscriber.message(payload), gap: () => subscriber.gap() };
    all.add(own);
    this.#later(channel, own, () => own.gap());
    return () => {
      all.delete(own);
      if (all.size === 0 && this.#subscribers.get(channel) === all) this.#subscribers.delete(channel);
    };
  }

  #later(channel: string, subscriber: StoreSubscriber, call: () => void): void {
    queueMicrotask(() => {
      if (this.#subscribers.get(channel)?.has(subscriber)) call();
    });
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAt > this.#now()) return entry;
    this.#forget(key, entry);
    return undefined;
  }

  #forget(key: string, { record }: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= key.length + record.value.length;
  }

  #sweep(): void {
    const now = this.#now();
    if (now - this.#sweptAt < sweepMs) return;
    this.#sweptAt = now;
    for (const [key, entry] of this.#entries) if (entry.expiresAt <= now) this.#forget(key, entry);
  }
}

export class MemoryStore implements ClusterStore {
  readonly kind = 'memory';
  readonly #hub: MemoryHub;
  readonly #members = new Set<string>();
  readonly #subscriptions = new Set<() => void>();
  #closed = false;

  /** @param hub shared with other gateways of this process. Default: one of its own. */
  constructor(hub: MemoryHub = new MemoryHub()) {
    this.#hub = hub;
  }

  async get(key: string): Promise<StoredRecord | null> {
    this.#check(() => checkKey(key));
    return this.#hub.get(key);
  }

  async put(key: string, record: StoredRecord, condition: PutCondition): Promise<PutAnswer> {
    this.#check(() => checkPut(key, record, condition));
    return this.#hub.put(key, record, condition);
  }

  async remove(key: string, ifRevision?: number): Promise<StoredRecord | null> {
    this.#check(() => checkKey(key));
    return this.#hub.remove(key, ifRevision);
  }

  async touch(claims: readonly Claim[], ttlMs: number): Promise<boolean[]> {
    this.#check(() => checkTouch(claims, ttlMs));
    return this.#hub.touch(claims, ttlMs);
  }

  async beat(id: string, value: Buffer, ttlMs: number): Promise<Beat> {
    this.#check(() => checkBeat(id, value, ttlMs));
    const beat = this.#hub.beat(id, value, ttlMs);
    this.#members.add(id);
    return beat;
  }

  async leave(id: string): Promise<void> {
    this.#check(() => checkKey(id));
    this.#members.delete(id);
    this.#hub.leave(id);
  }

  async publish(channel: string, payload: Buffer): Promise<void> {
    this.#check(() => checkPublish(channel, payload));
    this.#hub.publish(channel, payload);
  }

  subscribe(channel: string, subscriber: StoreSubscriber): () => void {
    this.#check(() => checkKey(channel));
    const stop = this.#hub.subscribe(channel, subscriber);
    const own = (): void => {
      this.#subscriptions.delete(own);
      stop();
    };
    this.#subscriptions.add(own);
    return own;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const id of this.#members) this.#hub.leave(id);
    this.#members.clear();
    for (const stop of [...this.#subscriptions]) stop();
  }

  #check(argumentsFit: () => void): void {
    if (this.#closed) throw new StoreFailure('closed');
    argumentsFit();
  }
}
