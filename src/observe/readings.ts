/** What is read of a gateway at the moment it is asked for; the PipeManager fits by its shape. */
import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import type { AdminState } from '../pool/settings.ts';
import { type Health, type Initiator, type LivePipeState, livePipeStates, type PipeState } from './vocabulary.ts';

export interface Traffic {
  messagesToBackend: number;
  messagesToClient: number;
  bytesToBackend: number;
  bytesToClient: number;
}

/** In which of these a backend is: the first that fits. */
export const backendStates = ['disabled', 'draining', 'unhealthy', 'ejected', 'full', 'usable'] as const;
export type BackendState = (typeof backendStates)[number];

export interface PipeReading {
  readonly state: PipeState;
  readonly client: object | null;
  readonly backend: object | null;
  readonly traffic: Readonly<Traffic>;
}

export interface BackendReading {
  readonly id: string;
  readonly adminState: AdminState;
  readonly health: Health;
  /** Null = `health` is not that of health checks. */
  readonly lastCheck: object | null;
  readonly usable: boolean;
  readonly ejectedUntil: string | null;
  readonly connections: number;
}

export interface GatewayReadings {
  /** All live pipes. */
  readings(): Iterable<PipeReading>;
  readonly options: { readonly limits: { readonly maxPipes: number } };
  readonly budget: { readonly usedBytes: number; readonly maxBytes: number };
  readonly wheel: { lag(): { readonly maxMs: number; readonly lastMs: number } };
  backends(): readonly BackendReading[];
  heartbeat(): { readonly settings: HeartbeatSettings };
}

export interface PipeSums {
  readonly total: number;
  readonly byState: Record<LivePipeState, number>;
  readonly links: Record<Extract<Initiator, 'client' | 'backend'>, number>;
  readonly traffic: Traffic;
}

export function noTraffic(): Traffic {
  return { messagesToBackend: 0, messagesToClient: 0, bytesToBackend: 0, bytesToClient: 0 };
}

export function addTraffic(sum: Traffic, more: Readonly<Traffic>): void {
  sum.messagesToBackend += more.messagesToBackend;
  sum.messagesToClient += more.messagesToClient;
  sum.bytesToBackend += more.bytesToBackend;
  sum.bytesToClient += more.bytesToClient;
}

/** One walk over all pipes: about 1 ms for 10,000. */
export function sumPipes(pipes: Iterable<PipeReading>): PipeSums {
  const byState = Object.fromEntries(livePipeStates.map((state) => [state, 0])) as Record<LivePipeState, number>;
  const links = { client: 0, backend: 0 };
  const traffic = noTraffic();
  let total = 0;
  for (const pipe of pipes) {
    if (pipe.state === 'closed') continue;
    total += 1;
    byState[pipe.state] += 1;
    if (pipe.client !== null) links.client += 1;
    if (pipe.backend !== null) links.backend += 1;
    addTraffic(traffic, pipe.traffic);
  }
  return { total, byState, links, traffic };
}

export function backendState(backend: BackendReading): BackendState {
  if (backend.adminState !== 'enabled') return backend.adminState;
  if (backend.lastCheck !== null && backend.health === 'unhealthy') return 'unhealthy';
  if (backend.ejectedUntil !== null) return 'ejected';
  return backend.usable ? 'usable' : 'full';
}

export function countBackends(backends: readonly BackendReading[]): Record<BackendState, number> {
  const counts = Object.fromEntries(backendStates.map((state) => [state, 0])) as Record<BackendState, number>;
  for (const backend of backends) counts[backendState(backend)] += 1;
  return counts;
}
