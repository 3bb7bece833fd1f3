/** Thousands of cheap WebSocket ends in a process of their own: clients that count what comes, backends that echo. */
import { ManagedChild } from '../../test/support/managed-child.ts';
import { endWith, type OptionalOwner } from '../../test/support/owner.ts';

export interface EndCounts {
  readonly clients: number;
  readonly backendEnds: number;
  /** Pings that came from the gateway; each was answered. */
  readonly clientPings: number;
  readonly backendPings: number;
  readonly sent: number;
  readonly echoed: number;
  /** Echoes that were not the next of their client: lost, twice or out of order. */
  readonly misplaced: number;
  readonly clientsClosed: number;
  readonly backendsClosed: number;
  readonly closeFrames: number;
}

export class ManyEnds {
  /** One per backend. */
  readonly ports: readonly number[];
  readonly #child: ManagedChild;

  constructor(child: ManagedChild, ports: readonly number[]) {
    this.#child = child;
    this.ports = ports;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get urls(): string[] {
    return this.ports.map((port) => `ws://127.0.0.1:${port}`);
  }

  /** Opens so many clients more. */
  connect(port: number, count: number, timeoutMs = 60_000): Promise<number> {
    return this.#child.request<number>({ do: 'connect', port, path: '/ws', count }, timeoutMs);
  }

  /** All clients in turn, so many messages a second together. */
  startLoad(messagesPerSecond: number, bytes = 64): Promise<void> {
    return this.#child.request({ do: 'load', messagesPerSecond, bytes });
  }

  stopLoad(): Promise<void> {
    return this.#child.request({ do: 'stop-load' });
  }

  counts(): Promise<EndCounts> {
    return this.#child.request<EndCounts>({ do: 'counts' }, 20_000);
  }

  freeze(): Promise<void> {
    return this.#child.freeze();
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }
}

export async function startManyEnds(t: OptionalOwner, backends = 1): Promise<ManyEnds> {
  const { child, ready } = await ManagedChild.start<{ readonly ports: number[] }>({
    module: new URL('./many-ends-main.mjs', import.meta.url),
    argument: { backends },
    what: 'the process with many ends',
  });
  endWith(t, () => child.kill());
  return new ManyEnds(child, ready.ports);
}
