/** The primary process of `ipc`: it holds the store in memory, and serves it to the worker processes of node:cluster. */
import cluster, { type Worker } from 'node:cluster';
import { MemoryHub, MemoryStore } from '../memory-store.ts';
import { StoreFailure } from '../store.ts';
import {
  encodeAnswer,
  type IpcAnswer,
  type IpcCall,
  type IpcRequest,
  packRecord,
  parseCall,
  unpackRecord,
} from './ipc-messages.ts';

/** One store of a worker process: its own on the hub, and what it has subscribed to. */
class Guest {
  readonly #store: MemoryStore;
  readonly #number: number;
  readonly #send: (answer: IpcAnswer) => void;
  readonly #subscriptions = new Map<string, () => void>();

  constructor(hub: MemoryHub, number: number, send: (answer: IpcAnswer) => void) {
    this.#store = new MemoryStore(hub);
    this.#number = number;
    this.#send = send;
  }

  async serve({ id, body }: IpcRequest): Promise<void> {
    const store = this.#number;
    try {
      if (body === null) throw new StoreFailure('failed');
      this.#send({ store, id, result: (await this.#call(body)) ?? null });
    } catch (error) {
      this.#send({ store, id, failure: error instanceof StoreFailure ? error.reason : 'failed' });
    }
  }

  /** The process is gone: so are its members and subscriptions. */
  async end(): Promise<void> {
    await this.#store.close();
  }

  async #call(body: IpcCall): Promise<unknown> {
    const store = this.#store;
    switch (body.call) {
      case 'get':
        return packRecord(await store.get(body.key));
      case 'put': {
        const answer = await store.put(body.key, unpackRecord(body.record)!, body);
        return answer.stored ? answer : { stored: false, present: packRecord(answer.present) };
      }
      case 'remove':
        return packRecord(await store.remove(body.key, body.ifRevision));
      case 'touch':
        return store.touch(
          body.claims.map(([key, revision]) => ({ key, revision })),
          body.ttlMs,
        );
      case 'beat': {
        const { known, members } = await store.beat(body.key, Buffer.from(body.value, 'base64'), body.ttlMs);
        return { known, members: members.map((one) => ({ ...one, value: one.value.toString('base64') })) };
      }
      case 'leave':
        return store.leave(body.key);
      case 'publish':
        return store.publish(body.key, Buffer.from(body.value, 'base64'));
      case 'subscribe':
        return this.#subscribe(body.key);
      case 'unsubscribe':
        this.#subscriptions.get(body.key)?.();
        this.#subscriptions.delete(body.key);
        return undefined;
      case 'close':
        return this.end();
    }
  }

  #subscribe(channel: string): void {
    if (this.#subscriptions.has(channel)) return;
    const store = this.#number;
    const stop = this.#store.subscribe(channel, {
      message: (payload) => this.#send({ store, channel, value: payload.toString('base64') }),
      gap: () => this.#send({ store, gap: channel }),
    });
    this.#subscriptions.set(channel, stop);
  }
}

/**
 * Call it in the primary before the first worker is forked.
 * @param hub the memory. Default: a new one. With it a gateway of the primary's own may take part: `new MemoryStore(hub)`.
 * @returns an end that can be called twice.
 */
export function serveIpcStore(hub: MemoryHub = new MemoryHub()): () => void {
  const guests = new Map<Worker, Map<number, Guest>>();
  const onMessage = (worker: Worker, message: unknown): void => {
    const request = parseCall(message);
    if (request === null || !worker.isConnected()) return;
    const own = guests.get(worker) ?? new Map<number, Guest>();
    guests.set(worker, own);
    const guest =
      own.get(request.store) ??
      new Guest(hub, request.store, (answer) => {
        // One that is gone, or going, hears no answer, and is told nothing by an error either.
        if (worker.isConnected()) worker.send(encodeAnswer(answer), () => {});
      });
    if (request.body?.call === 'close') own.delete(request.store);
    else own.set(request.store, guest);
    void guest.serve(request);
  };
  const onGone = (worker: Worker): void => {
    for (const guest of guests.get(worker)?.values() ?? []) void guest.end();
    guests.delete(worker);
  };
  cluster.on('message', onMessage).on('disconnect', onGone).on('exit', onGone);
  return () => {
    cluster.off('message', onMessage).off('disconnect', onGone).off('exit', onGone);
    for (const worker of [...guests.keys()]) onGone(worker);
  };
}
