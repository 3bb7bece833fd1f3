/** CPU per message, throughput and round-trip times of relays, in turns. */
import type { Load, Slice } from '../load/load.ts';
import { startLoad } from '../load/load.ts';
import type { Contender, Subject } from '../peers/subject.ts';
import { pinTo } from '../support/machine.ts';
import { median, pairedRatio, type Ratio } from '../support/statistics.ts';

export interface Cell {
  readonly connections: number;
  readonly inFlight: number;
  readonly bytes: number;
}

/** One contender in one round, or in one slice of it. */
export interface Sample {
  /** Microseconds of CPU for one message there and back; 0 of a direct connection. */
  readonly cpuUs: number;
  /** The same of the load and its backend. */
  readonly loadCpuUs: number;
  readonly messagesPerSecond: number;
  /** Share of one core that it used. */
  readonly busy: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface CellResult {
  readonly cell: Cell;
  /** By contender, one sample a round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

export interface RelayPlan {
  readonly cells: readonly Cell[];
  readonly rounds: number;
  /** Each round measures every contender so often, in turns. */
  readonly slices: number;
  readonly sliceMs: number;
  /** One sample for each slice, not for all slices of a round together. Default false. */
  readonly keepSlices?: boolean;
}

/** Each round starts all contenders anew, since a process alone may be lucky with its heap, and measures cell by cell. */
export async function measureRelays(
  contenders: readonly Contender[],
  plan: RelayPlan,
  onCell: (cell: Cell, round: number) => void = () => {},
): Promise<CellResult[]> {
  const samples = plan.cells.map(() => Object.fromEntries(contenders.map(({ name }) => [name, [] as Sample[]])));
  for (let round = 0; round < plan.rounds; round += 1) {
    const order = rotated(contenders, round);
    const load = await startLoad(null);
    pinTo(1, load.pid);
    const subjects = new Map<string, Subject>();
    try {
      for (const { name, start } of order) subjects.set(name, await start(load.ports[0]!));
      for (const [index, cell] of plan.cells.entries()) {
        onCell(cell, round);
        const found = await measureCell(load, subjects, cell, plan);
        for (const [name, all] of found) samples[index]?.[name]?.push(...all);
      }
    } finally {
      await Promise.all([...[...subjects.values()].map((subject) => subject.stop()), load.kill()]);
    }
  }
  return plan.cells.map((cell, index) => ({ cell, samples: samples[index]! }));
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** Until the code is compiled and the windows of TCP have opened. */
const warmMs = 300;
/** What a slice sends unwatched: the first messages after a pause find cold caches. */
const settleMs = 60;

async function measureCell(
  load: Load,
  subjects: ReadonlyMap<string, Subject>,
  cell: Cell,
  { slices, sliceMs, keepSlices = false }: RelayPlan,
): Promise<Map<string, Sample[]>> {
  const found = new Map<string, Slice[]>();
  for (const [name, { port, path, pids }] of subjects) {
    await load.connect(name, { port, path, count: cell.connections, ...cell });
    await load.slice(name, pids(), { warmMs, ms: 0 });
    found.set(name, []);
  }
  for (let slice = 0; slice < slices; slice += 1) {
    for (const [name, { pids }] of subjects)
      found.get(name)?.push(await load.slice(name, pids(), { warmMs: settleMs, ms: sliceMs }));
  }
  for (const name of subjects.keys()) {
    const { wrong, lost, backend } = await load.state(name);
    if (wrong > 0 || lost > 0 || backend.wrong > 0)
      throw new Error(
        `${name}: ${wrong} wrong echoes, ${backend.wrong} wrong at the backend, ${lost} connections lost`,
      );
    await load.close(name);
  }
  return new Map(
    [...found].map(([name, all]) => [name, keepSlices ? all.map((slice) => summed([slice])) : [summed(all)]]),
  );
}

function summed(slices: readonly Slice[]): Sample {
  const sum = (of: (slice: Slice) => number): number => slices.reduce((total, slice) => total + of(slice), 0);
  const messages = sum(({ messages }) => messages);
  const wallMs = sum(({ wallMs }) => wallMs);
  const cpuMs = sum(({ cpuMs }) => cpuMs);
  return {
    cpuUs: rounded((cpuMs * 1000) / messages),
    loadCpuUs: rounded((sum(({ loadCpuMs }) => loadCpuMs) * 1000) / messages),
    messagesPerSecond: Math.round((messages * 1000) / wallMs),
    busy: rounded(cpuMs / wallMs),
    p50Ms: rounded(median(slices.map(({ p50Ms }) => p50Ms))),
    p99Ms: rounded(median(slices.map(({ p99Ms }) => p99Ms))),
    p999Ms: rounded(median(slices.map(({ p999Ms }) => p999Ms))),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** CPU per message of one contender to that of another. */
export function cpuRatio({ samples }: CellResult, of: string, to: string): Ratio {
  const costs = (name: string): number[] => (samples[name] ?? []).map(({ cpuUs }) => cpuUs);
  return pairedRatio(costs(of), costs(to));
}

export function describeCell({ connections, inFlight, bytes }: Cell): string {
  return `${connections.toLocaleString('en')} x ${inFlight} x ${describeBytes(bytes)}`;
}

export function describeBytes(bytes: number): string {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`;
  return bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
