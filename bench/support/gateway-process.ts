/** A gateway in a process of its own, to block, freeze, pin to a core and measure. */
import type { EventName, HoldfastEvents } from '../../src/observe/events.ts';
import type { HoldfastSettings } from '../../src/options.ts';
import { adminToken } from '../../test/support/gateway.ts';
import { ManagedChild } from '../../test/support/managed-child.ts';
import { endWith, type OptionalOwner } from '../../test/support/owner.ts';
import { cpuMsOf } from './cpu.mjs';

export interface GatewayUsage {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly pipes: number;
}

/** Events that are kept whole, not only counted. */
type KeptEvent = Extract<
  EventName,
  'heartbeat.missed' | 'heartbeat.timeout' | 'pipe.closed' | 'pipe.interrupted' | 'gateway.stalled' | 'config.changed'
>;

export class GatewayProcess {
  readonly port: number;
  readonly #child: ManagedChild;

  constructor(child: ManagedChild, port: number) {
    this.#child = child;
    this.port = port;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Keeps its event loop busy so long. */
  block(ms: number): Promise<void> {
    return this.#child.request({ do: 'block', ms }, ms + 20_000);
  }

  freeze(): Promise<void> {
    return this.#child.freeze();
  }

  thaw(): void {
    this.#child.thaw();
  }

  /** How many events of each name there were. */
  counts(): Promise<Partial<Record<EventName, number>>> {
    return this.#child.request({ do: 'counts' }, 20_000);
  }

  events<N extends KeptEvent>(name: N): Promise<HoldfastEvents[N][]> {
    return this.#child.request({ do: 'events', name }, 20_000);
  }

  /** After a garbage collection. */
  usage(): Promise<GatewayUsage> {
    return this.#child.request({ do: 'usage' }, 20_000);
  }

  pipes(): Promise<number> {
    return this.#child.request({ do: 'pipes' }, 20_000);
  }

  /** Writes a CPU profile of the next `ms`. */
  profile(ms: number, file: string): Promise<void> {
    return this.#child.request({ do: 'profile', ms, file }, ms + 20_000);
  }

  /** CPU time of each round of its event loop in the next `ms`, milliseconds. Its loop does not sleep meanwhile. */
  rounds(ms: number): Promise<Float64Array> {
    return this.#child.request({ do: 'rounds', ms }, ms + 30_000);
  }

  async admin(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  /** CPU time so far of all its threads, milliseconds. */
  cpuMs(): number {
    return cpuMsOf(this.pid);
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }
}

/**
 * @param how `count` = count and keep events; a bench leaves it out, so that only what a real gateway has listens. `build` = url of the
 * index.js of a build (`buildGateway`), to run that with the flags of the command; default the sources, through tsx.
 */
export async function startGatewayProcess(
  t: OptionalOwner,
  options: HoldfastSettings,
  { count = true, build }: { readonly count?: boolean; readonly build?: string } = {},
): Promise<GatewayProcess> {
  const { child, ready } = await ManagedChild.start<{ readonly port: number }>({
    module: new URL('./gateway-main.mjs', import.meta.url),
    argument: { options, token: adminToken, count, build },
    what: 'the gateway process',
    readyTimeoutMs: 20_000,
  });
  endWith(t, () => child.kill());
  return new GatewayProcess(child, ready.port);
}
