/** Backends that can be killed and come back at their address, and clients that count what was lost or came twice. */
import { ManagedChild } from '../../test/support/managed-child.ts';
import { until } from '../../test/support/wait.ts';

/** What the clients found in the numbers of their echoes. */
export interface FlowReport {
  readonly clients: number;
  readonly sent: number;
  readonly lost: number;
  readonly twice: number;
  readonly closed: number;
  /** Since `mark`, of each client: until the echo of the message sent then; -1 = it never came. */
  readonly flowsAgainMs: readonly number[];
  /** Since `mark`, of each client: the slowest echo. */
  readonly worstMs: readonly number[];
}

export class FlowBackend {
  #port = 0;
  #child: ManagedChild | null = null;

  /** At the same port as before, if it was there before. */
  async start(): Promise<this> {
    const { child, ready } = await ManagedChild.start<{ port: number }>({
      module: new URL('./flow-backend-main.mjs', import.meta.url),
      argument: { port: this.#port },
      what: 'a backend',
      readyTimeoutMs: 20_000,
    });
    this.#child = child;
    this.#port = ready.port;
    return this;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** SIGTERM: Close 1001 to all, then the end. */
  async stop(): Promise<void> {
    await this.#child?.stop();
  }
}

export function startFlowBackends(count: number): Promise<FlowBackend[]> {
  return Promise.all(Array.from({ length: count }, () => new FlowBackend().start()));
}

export class FlowClients {
  readonly #child: ManagedChild;

  private constructor(child: ManagedChild) {
    this.#child = child;
  }

  static async start(): Promise<FlowClients> {
    const { child } = await ManagedChild.start({
      module: new URL('./flow-clients-main.mjs', import.meta.url),
      argument: {},
      what: 'the clients',
    });
    return new FlowClients(child);
  }

  /** So many more. @throws unless all are open. */
  async connect(port: number, path: string, count: number): Promise<void> {
    const { open, firstError } = await this.#do<{ open: number; firstError: string }>(
      { do: 'connect', port, path, count },
      60_000,
    );
    if (open < count || firstError !== '') throw new Error(`${open} of ${count} clients are open: ${firstError}`);
  }

  /** Each client a message every `intervalMs`. */
  async load(intervalMs: number): Promise<void> {
    await this.#do({ do: 'load', intervalMs });
  }

  /** Each sends one more message now; see FlowReport. */
  async mark(): Promise<void> {
    await this.#do({ do: 'mark' });
  }

  /** Stops the load, waits for what is on its way, and tells. */
  async finish(): Promise<FlowReport> {
    await this.#do({ do: 'stop' });
    let before = -1;
    const still = async (): Promise<boolean> => {
      const received = await this.#do<number>({ do: 'received' });
      const same = received === before;
      before = received;
      return same;
    };
    await until(still, { timeoutMs: 30_000, intervalMs: 500, what: 'the echoes to end' });
    return this.#do<FlowReport>({ do: 'report' });
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }

  #do<T>(command: { readonly do: string } & Record<string, unknown>, timeoutMs = 30_000): Promise<T> {
    return this.#child.request<T>(command, timeoutMs);
  }
}
