/** The store of a worker process of node:cluster: every call goes to the primary process (ipc-primary.ts). */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { startDeadline } from '../deadline.ts';
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
  type StoreFailureReason,
  type StoreSubscriber,
} from '../store.ts';
import { answerSchemas, encodeCall, type IpcCall, packRecord, parseAnswer, unpackRecord } from './ipc-messages.ts';

/** What it needs of the process: `process` of a worker has it. */
export interface IpcChannel {
  readonly connected: boolean;
  send?(message: object, handle?: undefined, options?: undefined, sent?: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'disconnect', listener: () => void): unknown;
}

export interface IpcStoreSettings {
  /** Longest wait for the primary, milliseconds. Default 1,000. */
  readonly timeoutMs?: number;
  /** Default: this process. */
  readonly channel?: IpcChannel;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: StoreFailure) => void;
  readonly endDeadline: () => void;
}

let storesMade = 0;

/** Calls under way; more fail at once. */
const maxWaiting = 20_000;
const knownReasons: readonly string[] = ['full', 'closed'] satisfies StoreFailureReason[];

export class IpcStore implements ClusterStore {
  readonly kind = 'ipc';
  readonly #number: number;
  readonly #channel: IpcChannel;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #subscribers = new Map<string, Set<StoreSubscriber>>();
  #calls = 0;
  #closed = false;
  readonly #onMessage = (message: unknown): void => this.#hear(message);
  readonly #onDisconnect = (): void => this.#failAll('disconnected');

  constructor({ timeoutMs = 1000, channel = process }: IpcStoreSettings = {}) {
    storesMade += 1;
    this.#number = storesMade;
    this.#timeoutMs = timeoutMs;
    this.#channel = channel;
    channel.on('message', this.#onMessage);
    channel.on('disconnect', this.#onDisconnect);
  }

  async get(key: string): Promise<StoredRecord | null> {
    checkKey(key);
    return unpackRecord(await this.#ask({ call: 'get', key }, answerSchemas.get));
  }

  async put(key: string, record: StoredRecord, { ifRevision, ttlMs }: PutCondition): Promise<PutAnswer> {
    checkPut(key, record, { ifRevision, ttlMs });
    const call = { call: 'put', key, record: packRecord(record)!, ifRevision, ttlMs } as const;
    const answer = await this.#ask(call, answerSchemas.put);
    return answer.stored ? answer : { stored: false, present: unpackRecord(answer.present) };
  }

  async remove(key: string, ifRevision?: number): Promise<StoredRecord | null> {
    checkKey(key);
    const call: IpcCall = { call: 'remove', key, ...(ifRevision === undefined ? {} : { ifRevision }) };
    return unpackRecord(await this.#ask(call, answerSchemas.remove));
  }

  async touch(claims: readonly Claim[], ttlMs: number): Promise<boolean[]> {
    checkTouch(claims, ttlMs);
    const pairs = claims.map(({ key, revision }): [string, number] => [key, revision]);
    return this.#ask({ call: 'touch', claims: pairs, ttlMs }, answerSchemas.touch);
  }

  async beat(id: string, value: Buffer, ttlMs: number): Promise<Beat> {
    checkBeat(id, value, ttlMs);
    const call = { call: 'beat', key: id, value: value.toString('base64'), ttlMs } as const;
    const { known, members } = await this.#ask(call, answerSchemas.beat);
    return { known, members: members.map((one) => ({ ...one, value: Buffer.from(one.value, 'base64') })) };
  }

  async leave(id: string): Promise<void> {
    checkKey(id);
    await this.#call({ call: 'leave', key: id });
  }

  async publish(channel: string, payload: Buffer): Promise<void> {
    checkPublish(channel, payload);
    await this.#call({ call: 'publish', key: channel, value: payload.toString('base64') });
  }

  subscribe(channel: string, subscriber: StoreSubscriber): () => void {
    checkKey(channel);
    if (this.#closed) throw new StoreFailure('closed');
    const all = this.#subscribers.get(channel) ?? new Set();
    this.#subscribers.set(channel, all);
    const own: StoreSubscriber = { message: (payload) => subscriber.message(payload), gap: () => subscriber.gap() };
    all.add(own);
    // The channel to the primary is ordered and loses nothing: only its end can make this fail, and then there is nobody to tell.
    if (all.size === 1) this.#call({ call: 'subscribe', key: channel }).catch(() => {});
    else queueMicrotask(() => all.has(own) && own.gap());
    return () => {
      if (!all.delete(own) || all.size > 0) return;
      this.#subscribers.delete(channel);
      this.#call({ call: 'unsubscribe', key: channel }).catch(() => {});
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#subscribers.clear();
    await this.#call({ call: 'close' }).catch(() => {});
    this.#closed = true;
    this.#channel.off('message', this.#onMessage);
    this.#channel.off('disconnect', this.#onDisconnect);
    this.#failAll('closed');
  }

  async #ask<S extends TSchema>(body: IpcCall, schema: S): Promise<Static<S>> {
    const result = await this.#call(body);
    if (!Value.Check(schema, result)) throw new StoreFailure('failed');
    return result as Static<S>;
  }

  #call(body: IpcCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new StoreFailure('closed');
      if (!this.#channel.connected || this.#channel.send === undefined) throw new StoreFailure('disconnected');
      if (this.#waiting.size >= maxWaiting) throw new StoreFailure('full');
      this.#calls += 1;
      const id = this.#calls;
      const late = (): void => this.#settle(id)?.reject(new StoreFailure('timeout'));
      this.#waiting.set(id, { resolve, reject, endDeadline: startDeadline(this.#timeoutMs, late) });
      this.#channel.send(encodeCall({ store: this.#number, id, body }), undefined, undefined, (error) => {
        if (error) this.#settle(id)?.reject(new StoreFailure('disconnected', error));
      });
    });
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.endDeadline();
    return waiting;
  }

  #hear(message: unknown): void {
    const answer = parseAnswer(message);
    if (answer === null || answer.store !== this.#number) return;
    if ('result' in answer) {
      this.#settle(answer.id)?.resolve(answer.result);
    } else if ('failure' in answer) {
      const reason = knownReasons.includes(answer.failure) ? (answer.failure as StoreFailureReason) : 'failed';
      this.#settle(answer.id)?.reject(new StoreFailure(reason));
    } else if ('gap' in answer) {
      for (const one of [...(this.#subscribers.get(answer.gap) ?? [])]) one.gap();
    } else {
      const payload = Buffer.from(answer.value, 'base64');
      for (const one of [...(this.#subscribers.get(answer.channel) ?? [])]) one.message(payload);
    }
  }

  #failAll(reason: StoreFailureReason): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(new StoreFailure(reason));
  }
}
