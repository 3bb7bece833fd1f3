/** One worker process, as the primary sees it. */
import cluster, { type Worker } from 'node:cluster';
import type { CommandSettings } from '../config.ts';
import { pack, readInPrimary, type ToPrimary, type ToWorker } from './messages.ts';

export type Serving = Omit<Extract<ToPrimary, { kind: 'serving' }>, 'kind'>;
type Failure = Omit<Extract<ToPrimary, { kind: 'failed' }>, 'kind'>;

export interface MemberExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said before; null = nothing. */
  readonly failure: Failure | null;
  readonly livedMs: number;
  /** It was told that there is no terminal any more, and ends by SIGKILL. */
  readonly noTerminal: boolean;
}

export interface MemberListener {
  said(message: ToPrimary): void;
  gone(exit: MemberExit): void;
}

export class Member {
  /** Of the process: never given twice; 0 = there is none. */
  readonly id: number;
  /** Of its place, from 1: whoever comes after it has the same. */
  readonly index: number;
  /** What it is started with. */
  readonly settings: CommandSettings;
  /** starting: serves no client yet. leaving: it wants to end, and serves until another one has its place. ending: it was told to. */
  state: 'starting' | 'serving' | 'leaving' | 'ending' = 'starting';
  /** Pings in a row without a word from it. */
  silences = 0;
  readonly started: Promise<Serving | MemberExit>;
  readonly ended: Promise<void>;
  /** Null = no process could be made. */
  readonly #worker: Worker | null;
  readonly #listener: MemberListener;
  readonly #startedAt = performance.now();
  #resolveStarted: (outcome: Serving | MemberExit) => void = () => {};
  #resolveEnded: () => void = () => {};
  #failure: Failure | null = null;
  #noTerminal = false;
  #limit: NodeJS.Timeout | undefined;

  constructor(index: number, settings: CommandSettings, listener: MemberListener) {
    this.index = index;
    this.settings = settings;
    this.#listener = listener;
    this.started = new Promise((resolve) => {
      this.#resolveStarted = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#worker = this.#fork();
    this.id = this.#worker?.id ?? 0;
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid;
  }

  send(message: ToWorker): void {
    if (message.kind === 'end' && message.noTerminal) this.#noTerminal = true;
    // One that is gone, or going, hears nothing.
    if (this.#worker?.isConnected()) this.#worker.send(pack(message), () => {});
  }

  collect(id: number): void {
    this.send({ kind: 'collect', id });
  }

  /** It is killed unless it serves, or ends, by then. */
  limit(ms: number, beforehand: () => void): void {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => {
      beforehand();
      this.kill();
    }, ms).unref();
  }

  /** Without a process it would be a signal to our own process group: libuv sends it to pid 0. */
  kill(): void {
    if (this.pid !== undefined) this.#worker?.process.kill('SIGKILL');
  }

  /** Of what keeps a process from being made some is thrown here, and the rest told by the worker afterwards: all of it ends this member. */
  #fork(): Worker | null {
    let worker: Worker;
    try {
      worker = cluster.fork();
    } catch (error) {
      process.nextTick(() => this.#unmade(error as Error));
      return null;
    }
    worker.on('message', (message: unknown) => this.#hear(message));
    worker.on('error', (error) => {
      // Of those that follow, each is of a message to it.
      if (this.pid === undefined && this.#failure === null) this.#unmade(error);
    });
    // It is gone, and what it said at the end has been read. `disconnect` does not come where it was just being handed a connection.
    worker.process.once('close', (code: number | null, signal: string | null) => {
      if (this.pid !== undefined) this.#over({ code, signal });
    });
    return worker;
  }

  #unmade({ message }: Error): void {
    this.#failure = { code: 1, line: `no process could be made: ${message}` };
    this.#over({ code: null, signal: null });
  }

  #hear(raw: unknown): void {
    this.silences = 0;
    const message = readInPrimary(raw);
    if (message === null) return;
    if (message.kind === 'failed') {
      this.#failure = message;
    } else if (message.kind === 'serving' && this.state === 'starting') {
      clearTimeout(this.#limit);
      this.state = 'serving';
      this.#resolveStarted(message);
    }
    this.#listener.said(message);
  }

  #over(how: Pick<MemberExit, 'code' | 'signal'>): void {
    clearTimeout(this.#limit);
    const exit: MemberExit = {
      ...how,
      failure: this.#failure,
      livedMs: performance.now() - this.#startedAt,
      noTerminal: this.#noTerminal,
    };
    this.#resolveStarted(exit);
    this.#resolveEnded();
    this.#listener.gone(exit);
  }
}

/** Why it ended, for the log. */
export function reasonOf(exit: MemberExit): string {
  return exit.failure?.line ?? describe(exit);
}

export function describe({ code, signal }: Pick<MemberExit, 'code' | 'signal'>): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}
