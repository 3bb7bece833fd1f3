/** A gateway in a process of its own: it can be asked what it holds, and whether anything of its own went wrong. */
import type { HoldfastSettings } from '../../src/options.ts';
import { type Exit, ManagedChild } from './managed-child.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { until } from './wait.ts';

/** After several garbage collections. */
export interface GatewayFigures {
  /** heapUsed + external, when what waits for use has been let go. */
  readonly heldBytes: number;
  readonly rss: number;
  /** process.getActiveResourcesInfo(), counted. */
  readonly resources: Readonly<Record<string, number>>;
  readonly descriptors: number;
  readonly wheelTimers: number;
  readonly listeners: { readonly process: number; readonly server: number };
  readonly pipes: number;
  /** Clients that @fastify/websocket knows. */
  readonly upgraded: number;
  /** Places taken at backends. */
  readonly leases: number;
  readonly journalBytes: number;
  /** Of clients, with a pipe and on their way to one. */
  readonly slots: number;
  /** Kept by the limits; those that are full again are forgotten when others come. */
  readonly addresses: number;
  /** Clients of holdfast.v1 that have not said what they want. */
  readonly greetings: number;
  /** Of principals whose clients are closed. */
  readonly watches: number;
  /** Links, handshakes and requests. */
  readonly waitingTurns: number;
}

const token = 'process-token-0123456789';
/** A soak runs at the lowest priority, beside whatever else the machine does: late is not never. */
const patienceMs = 300_000;

export class GatewayProcess {
  readonly port: number;
  readonly #child: ManagedChild;

  constructor(child: ManagedChild, port: number) {
    this.#child = child;
    this.port = port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#child.exit;
  }

  get stderr(): string {
    return this.#child.stderr;
  }

  figures(): Promise<GatewayFigures> {
    return this.#child.request<GatewayFigures>({ do: 'figures' }, patienceMs);
  }

  /** How often each event was. */
  counts(): Promise<Readonly<Record<string, number>>> {
    return this.#child.request({ do: 'counts' }, patienceMs);
  }

  /** What it logged as a warning or worse that is no event, and process warnings: there must be none. */
  complaints(): Promise<readonly string[]> {
    return this.#child.request({ do: 'complaints' }, patienceMs);
  }

  /** Until it has no pipes. */
  async emptied(timeoutMs: number): Promise<void> {
    let size = -1;
    await until(
      async () => {
        size = await this.#child.request<number>({ do: 'size' }, patienceMs);
        return size === 0;
      },
      { timeoutMs, intervalMs: 100, what: () => `the pipes to end; there are ${size}` },
    );
  }

  /** A connection of its own for each request, so that none stays open. */
  async admin(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        connection: 'close',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(patienceMs),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  }

  async dispose(): Promise<void> {
    await this.#child.kill();
  }
}

export async function startGatewayProcess(t: OptionalOwner, options: HoldfastSettings): Promise<GatewayProcess> {
  const { child, ready } = await ManagedChild.start<{ port: number }>({
    module: new URL('./gateway-main.mjs', import.meta.url),
    argument: { options, token },
    what: 'the gateway',
    readyTimeoutMs: 60_000,
  });
  const gateway = new GatewayProcess(child, ready.port);
  endWith(t, () => gateway.dispose());
  return gateway;
}

/** What has grown between two looks at an idle gateway, in words; memory by over `memoryMargin` (a share) and `slackBytes`. */
export function leftBehind(
  before: GatewayFigures,
  after: GatewayFigures,
  { memoryMargin = 0.1, slackBytes = 2_097_152 } = {},
): string[] {
  const found: string[] = [];
  const compare = (what: string, from = 0, to = 0): void => {
    if (to > from) found.push(`${what}: ${from} before, ${to} after`);
  };
  for (const name of new Set([...Object.keys(before.resources), ...Object.keys(after.resources)]))
    compare(`active ${name}`, before.resources[name], after.resources[name]);
  compare('open descriptors', before.descriptors, after.descriptors);
  compare('timers of the wheel', before.wheelTimers, after.wheelTimers);
  compare('listeners of the process', before.listeners.process, after.listeners.process);
  compare('listeners of the server', before.listeners.server, after.listeners.server);
  compare('pipes', before.pipes, after.pipes);
  compare('upgraded clients', before.upgraded, after.upgraded);
  compare('places taken at backends', before.leases, after.leases);
  compare('bytes in journals', before.journalBytes, after.journalBytes);
  compare('slots of clients', before.slots, after.slots);
  compare('clients that are greeted', before.greetings, after.greetings);
  compare('watches of principals', before.watches, after.watches);
  compare('waiting for a turn', before.waitingTurns, after.waitingTurns);
  if (after.heldBytes > before.heldBytes * (1 + memoryMargin) + slackBytes)
    found.push(`memory held: ${before.heldBytes} bytes before, ${after.heldBytes} after`);
  return found;
}
