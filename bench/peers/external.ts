/** A program that is no child of Node's `fork`: started on core 0, with all it starts itself, and ended for certain. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { cleanEnvironment } from '../../test/support/clean-environment.ts';
import { withTimeout } from '../../test/support/wait.ts';
import { treeOf } from '../support/cpu.mjs';
import { canPin } from '../support/machine.ts';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) for (const pid of treeOf(child.pid ?? -1)) signal(pid, 'SIGKILL');
});
// Without this a signal ends the bench and leaves the relays.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => process.exit(1));

export class External {
  readonly #child: ChildProcess;
  readonly #what: string;
  #output = '';
  #ended = false;

  /** `core`: where it runs, if the machine has more than one. */
  constructor(what: string, command: readonly string[], environment: NodeJS.ProcessEnv = {}, core = 0) {
    this.#what = what;
    const [program = '', ...flags] = canPin() ? ['taskset', '-c', String(core), ...command] : command;
    const path = `${process.env['PATH']}:/usr/sbin:/sbin`;
    this.#child = spawn(program, flags, {
      env: { ...cleanEnvironment(), PATH: path, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-16_384);
      });
    }
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('exit', (code, signal) => this.#end(`ended with ${signal ?? code}`));
  }

  /** Itself and all it has started. */
  get pids(): number[] {
    return treeOf(this.#child.pid ?? -1);
  }

  /** The first match in what it wrote. @throws when it ends or is silent for 20 s. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(() => pattern.exec(this.#output) ?? undefined, `${this.#what} to write ${pattern}`);
  }

  /** @throws when it ends, or does not listen within 20 s. */
  async listening(port: number): Promise<void> {
    await this.#until(async () => ((await canConnect(port)) ? true : undefined), `${this.#what} to listen`);
  }

  async kill(): Promise<void> {
    if (this.#ended) return;
    const { pids } = this;
    const exited = once(this.#child, 'exit');
    // A master that is killed at once leaves its workers behind.
    for (const pid of pids) signal(pid, 'SIGTERM');
    await withTimeout(exited, 3000, `${this.#what} to end`).catch(() => {
      for (const pid of this.#ended ? [] : this.pids) signal(pid, 'SIGKILL');
      return exited;
    });
  }

  async #until<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`${this.#what} ended:\n${this.#output}`);
      if (performance.now() > deadline) throw new Error(`Waited 20 s for ${what}:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #end(why: string): void {
    this.#output += `\n${why}`;
    this.#ended = true;
    running.delete(this.#child);
  }
}

/** One that has ended since it was looked for needs none. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  const [event] = await Promise.race([
    once(socket, 'connect').then(() => ['connect']),
    once(socket, 'error').then(() => ['error']),
  ]).catch(() => ['error']);
  socket.destroy();
  return event === 'connect';
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
