/** The processes of a chaos run: a gateway, three backends (two of them behind a relay), the load; and what can be done to them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HoldfastSettings } from '../../src/options.ts';
import type { BackendView } from '../../src/pool/views.ts';
import { ManagedChild } from '../support/managed-child.ts';
import { startRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { sleep, until } from '../support/wait.ts';
import { slots } from './schedule.ts';

export type Delivery = 'at-least-once' | 'at-most-once';

export interface StageOptions {
  readonly seed: number;
  readonly clients: number;
  readonly delivery: Delivery;
  /** Where the records go. */
  readonly folder: string;
  /** Mean distance of a client's messages, and of a backend's to each client. */
  readonly sendMs: number;
  readonly pushMs: number;
}

export interface GatewayState {
  readonly pipes: number;
  readonly states: Readonly<Record<string, number>>;
  readonly moving: number;
  readonly journalMessages: number;
  readonly journalBytes: number;
  readonly usedBytes: number;
  readonly cpuMs: number;
}

export interface GatewayMemory {
  /** heapUsed + external after several collections, when what waits for use has been let go. */
  readonly heldBytes: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
}

export interface ClientReport {
  readonly name: string;
  readonly sent: number;
  readonly closed: { readonly code: number; readonly reason: string; readonly at: number } | null;
  /** Messages of each backend connection, in the order in which the connections came. */
  readonly from: readonly (readonly [string, number])[];
}

export interface LoadReport {
  readonly violations: readonly string[];
  readonly clients: readonly ClientReport[];
}

const token = 'chaos-token-0123456789';
/** One way, to the backend that is far away. */
const farMs = 30;
/** In load processes of so many. */
const clientsPerProcess = 150;

/** Nothing that the contract names as its end may come about: its ends have tests of their own. */
function gatewayOptions(delivery: Delivery): HoldfastSettings {
  return {
    delivery,
    maxMessageBytes: 1_200_000,
    buffer: { onFull: 'pause', maxTotalBytes: 256 * 1024 * 1024 },
    heartbeat: { client: { intervalMs: 1000, timeoutMs: 30_000 }, backend: { intervalMs: 400, timeoutMs: 1200 } },
    failover: { maxReplays: 1000, maxInterruptionMs: 0 },
    pool: { dialTimeoutMs: 1500, ejectMaxMs: 2000 },
    drain: { tailMs: 1000 },
  };
}

/** One backend's place in the pool: its process comes and goes, its address stays. */
export class Slot {
  readonly id: string;
  readonly #options: StageOptions;
  readonly #index: number;
  #epoch = 0;
  #port = 0;
  #child: ManagedChild | null = null;
  #relay: TcpRelay | null = null;

  constructor(options: StageOptions, index: number) {
    this.#options = options;
    this.#index = index;
    this.id = `b${index}`;
  }

  get url(): string {
    return this.#relay?.url ?? `ws://127.0.0.1:${this.#port}`;
  }

  get relay(): TcpRelay | null {
    return this.#relay;
  }

  get child(): ManagedChild {
    return this.#child!;
  }

  async start(): Promise<void> {
    this.#epoch += 1;
    const { folder, seed, pushMs } = this.#options;
    const name = `${this.id}.${this.#epoch}`;
    const { child, ready } = await ManagedChild.start<{ port: number }>({
      module: new URL('./backend-main.mjs', import.meta.url),
      argument: {
        name,
        seed: seed * 1000 + this.#index * 100 + this.#epoch,
        logFile: join(folder, `${name}.log`),
        port: this.#port,
        pushMs,
      },
      what: `backend ${name}`,
      readyTimeoutMs: 20_000,
    });
    this.#child = child;
    this.#port = ready.port;
    // The first has none, so that its end is seen as it is.
    if (this.#relay !== null || this.#index === 0) return;
    this.#relay = await startRelay(null, { targetPort: this.#port });
    // The last is far away: much is on its way to it when it dies.
    if (this.#index === slots - 1) this.#relay.delay(farMs);
  }

  async dispose(): Promise<void> {
    this.#relay?.heal();
    await this.#relay?.close();
    await this.#child?.kill();
  }
}

export class Stage {
  readonly slots: readonly Slot[];
  readonly gateway: ManagedChild;
  readonly loads: readonly ManagedChild[];
  readonly #baseUrl: string;

  private constructor(parts: {
    slots: readonly Slot[];
    gateway: ManagedChild;
    loads: ManagedChild[];
    baseUrl: string;
  }) {
    this.slots = parts.slots;
    this.gateway = parts.gateway;
    this.loads = parts.loads;
    this.#baseUrl = parts.baseUrl;
  }

  static async start(options: StageOptions): Promise<Stage> {
    mkdirSync(options.folder, { recursive: true });
    const places = Array.from({ length: slots }, (_, index) => new Slot(options, index));
    const [{ child: gateway, ready }] = await Promise.all([
      ManagedChild.start<{ port: number }>({
        module: new URL('./gateway-main.mjs', import.meta.url),
        argument: {
          options: gatewayOptions(options.delivery),
          token,
          eventFile: join(options.folder, 'gateway-events.log'),
        },
        what: 'the gateway',
        readyTimeoutMs: 30_000,
      }),
      ...places.map((slot) => slot.start()),
    ]);
    const loads: ManagedChild[] = [];
    const baseUrl = `http://127.0.0.1:${ready.port}`;
    const stage = new Stage({ slots: places, gateway, loads, baseUrl });
    try {
      for (const slot of places) await stage.register(slot);
      for (let first = 0; first < options.clients; first += clientsPerProcess) {
        const { child } = await ManagedChild.start({
          module: new URL('./load-main.mjs', import.meta.url),
          argument: {
            url: `ws://127.0.0.1:${ready.port}/ws`,
            first,
            count: Math.min(clientsPerProcess, options.clients - first),
            seed: options.seed * 100 + first,
            sendMs: options.sendMs,
          },
          what: 'the load',
          readyTimeoutMs: 30_000,
        });
        loads.push(child);
      }
    } catch (error) {
      await stage.dispose();
      throw error;
    }
    return stage;
  }

  async admin(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.#baseUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  }

  async register(slot: Slot): Promise<void> {
    const { status, body } = await this.admin('POST', '/backends', { id: slot.id, url: slot.url });
    if (status !== 201) throw new Error(`POST /backends ${slot.id}: ${status} ${JSON.stringify(body)}`);
  }

  /** Resolves when the backend has left the pool. */
  async gone(slot: Slot): Promise<void> {
    for (let left = 400; left > 0; left -= 1) {
      const { status } = await this.admin('GET', `/backends/${slot.id}`);
      if (status === 404) return;
      await sleep(50);
    }
    throw new Error(`${slot.id} did not leave the pool: ${JSON.stringify(await this.backends())}`);
  }

  async backends(): Promise<readonly BackendView[]> {
    return ((await this.admin('GET', '/backends')).body as { backends: BackendView[] }).backends;
  }

  state(): Promise<GatewayState> {
    return this.gateway.request<GatewayState>({ do: 'state' }, 20_000);
  }

  memory(): Promise<GatewayMemory> {
    return this.gateway.request<GatewayMemory>({ do: 'memory' }, 20_000);
  }

  async everyLoad<T>(command: string): Promise<T[]> {
    return Promise.all(this.loads.map((load) => load.request<T>({ do: command }, 20_000)));
  }

  async hush(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.child.request({ do: 'hush' })));
  }

  /** Until all pipes are open, nothing is left in a journal and nothing more comes to the clients. */
  async settled(clients: number, timeoutMs: number): Promise<void> {
    let state = await this.state();
    let before = -1;
    await until(
      async () => {
        state = await this.state();
        const progress = await this.everyLoad<{ received: number; closed: number }>('progress');
        const received = progress.reduce((sum, one) => sum + one.received, 0);
        const still = received === before;
        before = received;
        const closed = progress.reduce((sum, one) => sum + one.closed, 0);
        return (
          still && (state.states['open'] ?? 0) + closed === clients && state.moving === 0 && state.journalMessages === 0
        );
      },
      { timeoutMs, intervalMs: 250, what: () => `the pipes to settle: ${JSON.stringify(state)}` },
    );
  }

  async dispose(): Promise<void> {
    await Promise.all([
      this.gateway.kill(),
      ...this.loads.map((load) => load.kill()),
      ...this.slots.map((slot) => slot.dispose()),
    ]);
  }
}
