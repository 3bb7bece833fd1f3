import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './clean-environment.ts';
import { deferred, until, WaitError, withTimeout } from './wait.ts';

/** `code` or `signal` as node gives them. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface ChildMessage {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly event?: string;
  readonly data?: unknown;
}

export interface ManagedChildInit {
  /** A plain .mjs file: it starts without tsx. Gets `argument` as JSON in argv[2]. */
  readonly module: URL;
  readonly argument: unknown;
  /** For error messages. */
  readonly what: string;
  readonly onEvent?: ((event: string, data: unknown) => void) | undefined;
  readonly readyTimeoutMs?: number | undefined;
}

// Only processes started here are ever killed, each by its own pid, and none outlives us.
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A child that answers commands over IPC, can be frozen, and is never left behind. */
export class ManagedChild {
  readonly #child: ChildProcess;
  readonly #what: string;
  readonly #exited = deferred<Exit>();
  readonly #pending = new Map<number, (message: ChildMessage) => void>();
  #nextId = 1;
  #stderr = '';
  #exit: Exit | undefined;
  #frozen = false;

  private constructor(child: ChildProcess, init: ManagedChildInit, onEvent: (event: string, data: unknown) => void) {
    this.#child = child;
    this.#what = init.what;
    running.add(child);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-16_384);
    });
    child.on('error', (error) => this.#ended({ code: null, signal: null }, error.message));
    child.on('exit', (code, signal) => this.#ended({ code, signal }));
    child.on('message', (message: ChildMessage) => {
      if (message.event !== undefined) {
        onEvent(message.event, message.data);
      } else if (message.id !== undefined) {
        this.#pending.get(message.id)?.(message);
      }
    });
  }

  /** Forks and waits for the child's event 'ready'; answers what came with it. */
  static async start<T>(init: ManagedChildInit): Promise<{ readonly child: ManagedChild; readonly ready: T }> {
    // The loaders and reporters of the test run are slow to start and would count the child as a test.
    const forked = fork(fileURLToPath(init.module), [JSON.stringify(init.argument)], {
      execArgv: [],
      env: cleanEnvironment(),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const ready = deferred<T>();
    const child = new ManagedChild(forked, init, (event, data) => {
      if (event === 'ready') ready.resolve(data as T);
      else init.onEvent?.(event, data);
    });
    try {
      const first = await withTimeout(
        Promise.race([ready.promise, child.exited.then(() => null)]),
        init.readyTimeoutMs ?? 10_000,
        () => `${init.what} to start\n${child.stderr}`,
      );
      if (first === null) throw new WaitError(`${init.what} did not start\n${child.stderr}`);
      return { child, ready: first };
    } catch (error) {
      await child.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  /** Undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** The end of what it wrote there. */
  get stderr(): string {
    return this.#stderr;
  }

  async request<T>(command: object, timeoutMs = 5_000): Promise<T> {
    const name = `the answer of ${this.#what} to ${JSON.stringify(command).slice(0, 200)}`;
    if (this.#exit) throw new WaitError(`No hope for ${name}: ${this.#describeExit()}`);
    const id = this.#nextId++;
    const answer = deferred<ChildMessage>();
    this.#pending.set(id, answer.resolve);
    try {
      this.#child.send({ id, command }, (error) => {
        if (error) answer.resolve({ error: error.message });
      });
      const state = () => (this.#frozen ? `${name} (it is frozen)` : name);
      const message = await withTimeout(answer.promise, timeoutMs, state);
      if (message.error !== undefined) throw new WaitError(`Waited for ${name}: ${message.error}`);
      return message.result as T;
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Resolves when it has exited, also when it had before. A frozen child dies of SIGKILL only. */
  async kill(signal: NodeJS.Signals = 'SIGKILL', timeoutMs = 10_000): Promise<void> {
    if (!this.#exit) {
      this.#child.kill(signal);
      await withTimeout(
        this.exited,
        timeoutMs,
        () => `${this.#what} to die of ${signal}${this.#frozen ? ' (frozen)' : ''}`,
      );
    }
  }

  /** SIGTERM, and SIGKILL when that is not enough within `timeoutMs`. */
  async stop(timeoutMs = 3_000): Promise<void> {
    if (this.#frozen) this.thaw();
    await this.kill('SIGTERM', timeoutMs).catch(() => this.kill());
  }

  /** SIGSTOP; resolves when the kernel has really stopped it. */
  async freeze(): Promise<void> {
    if (this.#exit) throw new WaitError(`${this.#what} cannot be frozen: ${this.#describeExit()}`);
    this.#frozen = true;
    this.#child.kill('SIGSTOP');
    if (process.platform !== 'linux') return;
    const stopped = () => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${this.pid}/stat`, 'latin1'));
    await until(stopped, { what: `${this.#what} to stop`, intervalMs: 1 });
  }

  /** SIGCONT. */
  thaw(): void {
    this.#frozen = false;
    if (!this.#exit) this.#child.kill('SIGCONT');
  }

  #describeExit(): string {
    return `it has exited (${this.#exit?.signal ?? this.#exit?.code})`;
  }

  #ended(exit: Exit, problem = ''): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#frozen = false;
    running.delete(this.#child);
    this.#stderr += problem;
    for (const answer of [...this.#pending.values()]) answer({ error: this.#describeExit() });
    this.#exited.resolve(exit);
  }
}
