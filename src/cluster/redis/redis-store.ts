/** The store in Redis 7 or Valkey. Keys, messages and members all lie below one prefix. */
import { highestRevision } from '../keys.ts';
import {
  type Beat,
  type Claim,
  type ClusterStore,
  checkBeat,
  checkKey,
  checkPublish,
  checkPut,
  checkTouch,
  type Member,
  type PutAnswer,
  type PutCondition,
  type StoredRecord,
  StoreFailure,
  type StoreSubscriber,
  storeBounds,
} from '../store.ts';
import { RedisConnection, type RedisConnectionSettings } from './redis-connection.ts';
import { beatScript, putScript, removeScript, touchScript } from './scripts.ts';

export type RedisStoreSettings = Pick<
  RedisConnectionSettings,
  'makeClient' | 'makeSubscriber' | 'owned' | 'timeoutMs'
> & {
  /** Before every key and channel. */
  readonly prefix: string;
};

/** A record's bytes with its revision before them, and one more to see that it is longer than allowed. */
const lastByte = String(storeBounds.valueBytes + 17);

export class RedisStore implements ClusterStore {
  readonly kind = 'redis';
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #members = new Set<string>();
  readonly #subscribers = new Map<string, Set<StoreSubscriber>>();
  #closing: Promise<void> | null = null;

  constructor({ prefix, ...settings }: RedisStoreSettings) {
    this.#prefix = prefix;
    this.#connection = new RedisConnection({
      ...settings,
      subscribed: (channel) => {
        for (const one of this.#subscribersOf(channel)) one.gap();
      },
      published: (channel, payload) => {
        for (const one of this.#subscribersOf(channel)) one.message(payload);
      },
    });
  }

  async get(key: string): Promise<StoredRecord | null> {
    checkKey(key);
    try {
      return parseRecord(
        await this.#connection.run((commands) => commands.getRange(this.#key(key), 0, Number(lastByte))),
      );
    } catch (error) {
      if (error instanceof StoreFailure && isWrongType(error.cause)) return null;
      throw error;
    }
  }

  async put(key: string, record: StoredRecord, condition: PutCondition): Promise<PutAnswer> {
    checkPut(key, record, condition);
    const { ifRevision, ttlMs } = condition;
    const answer = await this.#connection.script(putScript, {
      keys: [this.#key(key)],
      arguments: [String(ifRevision), encodeRecord(record), String(ttlMs), lastByte, highest()],
    });
    return answer === null ? { stored: true } : { stored: false, present: parseRecord(answer) };
  }

  async remove(key: string, ifRevision?: number): Promise<StoredRecord | null> {
    checkKey(key);
    const answer = await this.#connection.script(removeScript, {
      keys: [this.#key(key)],
      arguments: [ifRevision === undefined ? '' : String(ifRevision), lastByte, highest()],
    });
    return parseRecord(answer);
  }

  async touch(claims: readonly Claim[], ttlMs: number): Promise<boolean[]> {
    checkTouch(claims, ttlMs);
    // One key a script, so that they may lie on different servers; the client sends all of them together.
    const last = highest();
    const answers = claims.map(({ key, revision }) =>
      this.#connection.script(touchScript, {
        keys: [this.#key(key)],
        arguments: [String(revision), String(ttlMs), last],
      }),
    );
    const settled = await Promise.allSettled(answers);
    return settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return Number(one.value) === 1;
    });
  }

  async beat(id: string, value: Buffer, ttlMs: number): Promise<Beat> {
    checkBeat(id, value, ttlMs);
    const answer = await this.#connection.script(beatScript, {
      keys: [this.#membersKey],
      arguments: [id, value, String(ttlMs), String(storeBounds.members)],
    });
    if (!Array.isArray(answer)) throw new StoreFailure('full');
    this.#members.add(id);
    const members: Member[] = [];
    for (let at = 1; at + 2 < answer.length; at += 3) {
      members.push({ id: String(answer[at]), value: answer[at + 2] as Buffer, ageMs: Number(answer[at + 1]) });
    }
    members.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { known: Number(answer[0]) === 1, members };
  }

  async leave(id: string): Promise<void> {
    checkKey(id);
    this.#members.delete(id);
    await this.#connection.run((commands) => commands.hDel(this.#membersKey, id));
  }

  async publish(channel: string, payload: Buffer): Promise<void> {
    checkPublish(channel, payload);
    await this.#connection.run((commands) => commands.publish(this.#key(channel), payload));
  }

  subscribe(channel: string, subscriber: StoreSubscriber): () => void {
    checkKey(channel);
    if (this.#closing !== null) throw new StoreFailure('closed');
    const name = this.#key(channel);
    const all = this.#subscribers.get(name) ?? new Set();
    this.#subscribers.set(name, all);
    const own: StoreSubscriber = { message: (payload) => subscriber.message(payload), gap: () => subscriber.gap() };
    all.add(own);
    if (all.size === 1) this.#connection.subscribe(name);
    else queueMicrotask(() => all.has(own) && own.gap());
    return () => {
      if (!all.delete(own) || all.size > 0) return;
      this.#subscribers.delete(name);
      this.#connection.unsubscribe(name);
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#subscribers.clear();
    await Promise.all([...this.#members].map((id) => this.leave(id).catch(() => {})));
    this.#connection.close();
  }

  get #membersKey(): string {
    return this.#key('members');
  }

  #key(key: string): string {
    return `${this.#prefix}${key}`;
  }

  /** A copy: who hears of it may subscribe. */
  #subscribersOf(channel: string): StoreSubscriber[] {
    return [...(this.#subscribers.get(channel) ?? [])];
  }
}

function encodeRecord({ revision, value }: StoredRecord): Buffer {
  return Buffer.concat([Buffer.from(`${revision}\n`), value]);
}

const highest = (): string => String(highestRevision());

/** @returns null for what is no record of ours. */
function parseRecord(answer: unknown): StoredRecord | null {
  if (!Buffer.isBuffer(answer)) return null;
  const border = answer.indexOf(10);
  const digits = answer.toString('latin1', 0, Math.max(0, Math.min(border, 16)));
  const revision = /^[1-9]\d*$/.test(digits) && border === digits.length ? Number(digits) : 0;
  const value = answer.subarray(border + 1);
  if (revision === 0 || revision > highestRevision() || value.length > storeBounds.valueBytes) return null;
  return { revision, value };
}

function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE');
}
