/** Starts the demo's processes and ends every one of them, however the demo ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const leash = new URL('./end-with-parent.mjs', import.meta.url).href;

const running = new Set<DemoProcess>();
process.on('exit', () => {
  for (const one of running) one.kill('SIGKILL');
});

export interface DemoProcessOrder {
  readonly name: string;
  /** Arguments of node. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Each line on stdout. */
  readonly onLine?: (line: string) => void;
  /** Each line on stderr. */
  readonly onErrorLine?: (line: string) => void;
}

export class DemoProcess {
  readonly name: string;
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  #running = true;
  /** While it is frozen: thaws it when the demo ends without doing so, because a frozen process notices nothing. */
  #guard: ChildProcess | null = null;
  /** The last lines on stderr, for the message when it ends unexpectedly. */
  #errors: string[] = [];

  constructor(order: DemoProcessOrder) {
    this.name = order.name;
    // The settings of whoever calls the demo are not those of the demo.
    const own = Object.entries(process.env).filter(
      ([name]) => !name.startsWith('HOLDFAST_') && name !== 'NODE_OPTIONS' && name !== 'NODE_TEST_CONTEXT',
    );
    // A process group of its own: Ctrl-C reaches the demo alone, which ends the others in order.
    this.#child = spawn(process.execPath, ['--import', leash, ...order.args], {
      cwd: root,
      env: { ...Object.fromEntries(own), ...order.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(this);
    const { stdin, stdout, stderr } = this.#child;
    stdin?.on('error', () => {});
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => order.onLine?.(line));
    if (stderr !== null) {
      createInterface({ input: stderr }).on('line', (line) => {
        this.#errors = [...this.#errors, line].slice(-5);
        order.onErrorLine?.(line);
      });
    }
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#running = false;
        this.#endGuard();
        running.delete(this);
        resolve(how);
      };
      this.#child.on('error', (error) => ended(error.message));
      this.#child.on('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get running(): boolean {
    return this.#running;
  }

  get frozen(): boolean {
    return this.#guard !== null;
  }

  get errors(): string {
    return this.#errors.join('\n');
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#running) this.#child.kill(signal);
  }

  /** SIGSTOP: it stands still, and its kernel still answers for it. */
  freeze(): void {
    if (!this.#running || this.#guard !== null) return;
    const script = `read _; kill -CONT ${this.pid}`;
    this.#guard = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    for (const end of [this.#guard, this.#guard.stdin]) end?.on('error', () => {});
    this.kill('SIGSTOP');
  }

  /** SIGCONT. */
  thaw(): void {
    this.kill('SIGCONT');
    this.#endGuard();
  }

  #endGuard(): void {
    this.#guard?.kill('SIGKILL');
    this.#guard = null;
  }

  /** SIGTERM, and SIGKILL when that does not end it within `ms`. */
  async stop(ms: number): Promise<void> {
    this.kill('SIGTERM');
    this.thaw();
    const timer = setTimeout(() => this.kill('SIGKILL'), ms);
    await this.exited;
    clearTimeout(timer);
  }
}

/** Starts one and waits until a line of its stdout fits. @throws Error when it ends or is silent for 20 s. */
export function startProcess(order: DemoProcessOrder, isReady: (line: string) => boolean): Promise<DemoProcess> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      started.kill('SIGKILL');
      reject(new Error(`${order.name} did not start within 20 s. ${started.errors}`));
    }, 20_000);
    const started = new DemoProcess({
      ...order,
      onLine: (line) => {
        if (isReady(line)) {
          clearTimeout(timer);
          resolve(started);
        }
        order.onLine?.(line);
      },
    });
    void started.exited.then((how) => {
      clearTimeout(timer);
      reject(new Error(`${order.name} did not start: ${how}. ${started.errors}`));
    });
  });
}

/** `wanted` if it is free on 127.0.0.1, else any other that is. */
export async function freePort(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const { port: found } = server.address() as { port: number };
      server.close(() => resolve(found));
    });
  });
}
