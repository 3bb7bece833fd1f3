/**
 * The connections to Redis: one for commands, one for what is published. They come back by themselves; one that is open and does not
 * answer, or leads to a server that has been demoted, is made anew.
 */
import { RESP_TYPES } from 'redis';
import { startDeadline } from '../deadline.ts';
import { StoreFailure } from '../store.ts';
import { isDemoted, storeFailure } from './failures.ts';
import type { RedisClient, RedisCommands, RedisEval } from './redis-client.ts';
import type { Script } from './scripts.ts';

export interface RedisConnectionSettings {
  /** The client for commands; not connected yet, unless it is somebody else's. */
  readonly makeClient: () => RedisClient;
  /** A client for what is published, not connected yet. */
  readonly makeSubscriber: () => RedisClient;
  /** False where the client for commands belongs to somebody else: it is neither connected nor ended here. */
  readonly owned: boolean;
  /** Longest wait for an answer, milliseconds. */
  readonly timeoutMs: number;
  /** A subscription holds, at first or again. */
  readonly subscribed: (channel: string) => void;
  readonly published: (channel: string, payload: Buffer) => void;
}

/** Calls under way; more fail at once. */
const maxCalls = 20_000;
/** Pings without an answer after which a connection is made anew. */
const maxMissed = 3;
/** Answers are bytes. The time limit is ours: that of the client costs a timer and a signal a command, and ends when one has been sent. */
const commandOptions = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer }, timeout: 0 };

export class RedisConnection {
  readonly #settings: RedisConnectionSettings;
  #client: RedisClient;
  #commands: RedisCommands;
  #subscriber: RedisClient;
  #subscriberReady = false;
  /** Wanted; those that the present subscriber has are in `#held`, and those it is about to have or leave in `#changing`. */
  readonly #channels = new Set<string>();
  readonly #held = new Set<string>();
  readonly #changing = new Set<string>();
  readonly #missed = { client: 0, subscriber: 0 };
  readonly #watch: NodeJS.Timeout;
  #calls = 0;
  /** What the network or the server said last. */
  #lastError: unknown;
  /** Calls wait for the first connection, until it is there or has failed once. */
  #starting: (() => void)[] | null = [];
  #closed = false;

  constructor(settings: RedisConnectionSettings) {
    this.#settings = settings;
    this.#client = this.#openClient();
    this.#commands = this.#client.withCommandOptions(commandOptions) as RedisCommands;
    this.#subscriber = this.#openSubscriber();
    this.#watch = setInterval(() => this.#look(), settings.timeoutMs);
    this.#watch.unref();
  }

  /** @throws StoreFailure */
  async run<T>(call: (commands: RedisCommands) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreFailure('closed');
    if (this.#calls >= maxCalls) throw new StoreFailure('full');
    this.#calls += 1;
    const client = this.#client;
    try {
      return await this.#inTime(this.#started().then(() => this.#ask(call)));
    } catch (error) {
      if (isDemoted(error) && client === this.#client) this.#renewClient();
      throw storeFailure(error);
    } finally {
      this.#calls -= 1;
    }
  }

  /** @throws StoreFailure */
  script(script: Script, options: RedisEval): Promise<unknown> {
    return this.run((commands) =>
      commands.evalSha(script.sha, options).catch((error: unknown) => {
        // It is loaded once in the life of a server.
        if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return commands.eval(script.text, options);
        throw error;
      }),
    );
  }

  /** From now on, over every loss; `subscribed` is told when it holds. */
  subscribe(channel: string): void {
    this.#channels.add(channel);
    if (this.#held.has(channel) && !this.#changing.has(channel)) queueMicrotask(() => this.#tell(channel));
    else this.#follow(channel);
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel);
    this.#follow(channel);
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watch);
    this.#endStart();
    if (this.#settings.owned) end(this.#client);
    end(this.#subscriber);
  }

  #openClient(): RedisClient {
    const client = this.#settings.makeClient();
    client.on('error', (error) => {
      this.#lastError = error;
      this.#endStart();
    });
    client.on('ready', () => this.#endStart());
    if (this.#settings.owned) this.#connect(client);
    else if (client.isReady ?? client.isOpen) this.#endStart();
    return client;
  }

  #openSubscriber(): RedisClient {
    const subscriber = this.#settings.makeSubscriber();
    this.#subscriberReady = false;
    this.#held.clear();
    this.#changing.clear();
    subscriber.on('error', () => {
      if (subscriber === this.#subscriber) this.#subscriberReady = false;
    });
    subscriber.on('ready', () => this.#subscribeAll(subscriber));
    // A cluster says nothing of being ready.
    this.#connect(subscriber, () => this.#subscriberReady || this.#subscribeAll(subscriber));
    return subscriber;
  }

  #connect(client: RedisClient, done: () => void = () => {}): void {
    // It goes on trying until it is destroyed; that is the only rejection, and each failure is an event before.
    const connected = (): void => {
      // One of a cluster that was given up meanwhile has not heard of it.
      if (this.#closed || (client !== this.#client && client !== this.#subscriber)) end(client);
      else done();
    };
    client.connect().then(connected, () => {});
  }

  #endStart(): void {
    const waiting = this.#starting;
    this.#starting = null;
    for (const go of waiting ?? []) go();
  }

  #started(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#starting === null) resolve();
      else this.#starting.push(resolve);
    });
  }

  #ask<T>(call: (commands: RedisCommands) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreFailure('closed');
    if (isReady(this.#client)) return call(this.#commands);
    // Not queued until it is back: what is done then is no answer to what was asked now.
    const { reason } = storeFailure(this.#lastError);
    throw new StoreFailure(reason === 'failed' ? 'disconnected' : reason, this.#lastError);
  }

  async #inTime<T>(promise: Promise<T>): Promise<T> {
    let endDeadline = (): void => {};
    const late = new Promise<never>((_resolve, reject) => {
      endDeadline = startDeadline(this.#settings.timeoutMs, () => reject(new StoreFailure('timeout')));
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      endDeadline();
    }
  }

  #subscribeAll(subscriber: RedisClient): void {
    if (subscriber !== this.#subscriber) return;
    this.#subscriberReady = true;
    // What it had it has again.
    for (const channel of this.#held) this.#tell(channel);
    this.#followAll();
  }

  #followAll(): void {
    for (const channel of new Set([...this.#channels, ...this.#held])) this.#follow(channel);
  }

  /** Makes the subscriber have what is wanted. One change of a channel at a time: the client mixes up two that cross. */
  #follow(channel: string): void {
    const subscriber = this.#subscriber;
    const wanted = this.#channels.has(channel);
    if (!this.#subscriberReady || this.#changing.has(channel) || this.#held.has(channel) === wanted) return;
    this.#changing.add(channel);
    const change = wanted
      ? subscriber.subscribe(channel, (payload) => this.#settings.published(channel, payload), true)
      : subscriber.unsubscribe(channel);
    const done = (changed: boolean): void => {
      if (subscriber !== this.#subscriber) return;
      this.#changing.delete(channel);
      // What failed is tried again at the next look.
      if (!changed) return;
      if (wanted) this.#held.add(channel);
      else this.#held.delete(channel);
      if (wanted) this.#tell(channel);
      this.#follow(channel);
    };
    change.then(
      () => done(true),
      () => done(false),
    );
  }

  #tell(channel: string): void {
    if (!this.#closed && this.#channels.has(channel)) this.#settings.subscribed(channel);
  }

  /** Once in a while: does each connection still answer? */
  #look(): void {
    if (this.#settings.owned && isReady(this.#client)) this.#ping('client', this.#client);
    if (this.#subscriberReady) {
      this.#ping('subscriber', this.#subscriber);
      this.#followAll();
    }
  }

  #ping(which: 'client' | 'subscriber', client: RedisClient): void {
    this.#inTime(client.ping()).then(
      () => {
        this.#missed[which] = 0;
      },
      () => {
        this.#missed[which] += 1;
        if (this.#closed || this.#missed[which] < maxMissed) return;
        if (which === 'client' && client === this.#client) this.#renewClient();
        if (which === 'subscriber' && client === this.#subscriber) this.#renewSubscriber();
      },
    );
  }

  #renewClient(): void {
    if (!this.#settings.owned || this.#closed) return;
    this.#missed.client = 0;
    const old = this.#client;
    this.#client = this.#openClient();
    this.#commands = this.#client.withCommandOptions(commandOptions) as RedisCommands;
    end(old);
  }

  #renewSubscriber(): void {
    this.#missed.subscriber = 0;
    const old = this.#subscriber;
    this.#subscriber = this.#openSubscriber();
    end(old);
  }
}

function isReady(client: RedisClient): boolean {
  return client.isReady ?? client.isOpen;
}

/** Throws away what is under way; what is not open has nothing. */
function end(client: RedisClient): void {
  try {
    client.destroy();
  } catch {
    // It was closed already.
  }
}
