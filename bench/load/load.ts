/** The load of a bench, a process of its own: clients that keep messages in flight, and the backend that echoes them. */
import { ManagedChild } from '../../test/support/managed-child.ts';
import { endWith, type OptionalOwner } from '../../test/support/owner.ts';

/** What was seen while a group of clients sent. */
export interface Slice {
  /** Echoes that came. */
  readonly messages: number;
  readonly wallMs: number;
  /** Of the processes that were asked for. */
  readonly cpuMs: number;
  /** Of this load and its backend. */
  readonly loadCpuMs: number;
  /** Echoes so far that came out of order, twice, or with another length or content. */
  readonly wrong: number;
  /** Connections so far that ended early. */
  readonly lost: number;
  /** Round-trip times. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface GroupInit {
  readonly port: number;
  readonly path: string;
  readonly count: number;
  /** Payload of each message, 4 to 2^20. */
  readonly bytes: number;
  /** Messages of one client. */
  readonly inFlight: number;
  /** Handshakes at once. Default 50. */
  readonly concurrency?: number;
}

export interface GroupState {
  readonly clients: number;
  readonly lost: number;
  readonly wrong: number;
  readonly received: number;
  /** Answered so far, by all clients and backends. */
  readonly pings: number;
  /** Of all groups. */
  readonly backend: { readonly open: number; readonly wrong: number };
}

export class Load {
  /** Of its backends. */
  readonly ports: readonly number[];
  readonly #child: ManagedChild;

  constructor(child: ManagedChild, ports: readonly number[]) {
    this.#child = child;
    this.ports = ports;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Opens clients; a group that is there gets more of its kind. @returns milliseconds until all were open. */
  connect(group: string, { concurrency = 50, ...init }: GroupInit): Promise<number> {
    return this.#child.request<number>({ do: 'connect', group, concurrency, ...init }, 120_000);
  }

  /** All clients of the group send, first unwatched for `warmMs`, then for `ms`; ends when every echo is there. `pids`: whose CPU is told. */
  slice(group: string, pids: readonly number[], { warmMs, ms }: { readonly warmMs: number; readonly ms: number }) {
    return this.#child.request<Slice>({ do: 'slice', group, warmMs, ms, pids }, warmMs + ms + 40_000);
  }

  state(group: string): Promise<GroupState> {
    return this.#child.request<GroupState>({ do: 'state', group }, 20_000);
  }

  close(group: string): Promise<void> {
    return this.#child.request({ do: 'close', group }, 30_000);
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }
}

export async function startLoad(t: OptionalOwner, backends = 1): Promise<Load> {
  const { child, ready } = await ManagedChild.start<{ readonly ports: number[] }>({
    module: new URL('./load-main.mjs', import.meta.url),
    argument: { backends },
    what: 'the load',
  });
  endWith(t, () => child.kill());
  return new Load(child, ready.ports);
}
