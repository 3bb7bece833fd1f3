/** How fast connections are set up: handshake of the client, handshake with the backend, the first message there and back. */
import { type Load, startLoad } from '../load/load.ts';
import type { Contender, Subject } from '../peers/subject.ts';
import { cpuMsOf } from '../support/cpu.mjs';
import { pinTo } from '../support/machine.ts';

export interface SetupSample {
  readonly perSecond: number;
  /** Microseconds of CPU for one connection; 0 of a direct one. */
  readonly cpuUs: number;
}

export type SetupResult = Readonly<Record<string, readonly SetupSample[]>>;

export interface SetupPlan {
  /** Connections of one measurement. */
  readonly connections: number;
  /** Handshakes at once. */
  readonly concurrency: number;
  readonly rounds: number;
}

export async function measureSetup(contenders: readonly Contender[], plan: SetupPlan): Promise<SetupResult> {
  const result = Object.fromEntries(contenders.map(({ name }) => [name, [] as SetupSample[]]));
  for (let round = 0; round < plan.rounds; round += 1) {
    const load = await startLoad(null);
    pinTo(1, load.pid);
    const subjects = new Map<string, Subject>();
    try {
      for (const { name, start } of contenders) subjects.set(name, await start(load.ports[0]!));
      for (const [name, subject] of subjects) {
        // Not the first ones: the code is not compiled yet. They stay, so that nobody is busy with their end.
        const first = `${name} first`;
        await open(load, first, subject, plan, Math.ceil(plan.connections / 2));
        result[name]?.push(await open(load, name, subject, plan, plan.connections));
        await Promise.all([load.close(name), load.close(first)]);
      }
    } finally {
      await Promise.all([...[...subjects.values()].map((subject) => subject.stop()), load.kill()]);
    }
  }
  return result;
}

async function open(
  load: Load,
  group: string,
  { port, path, pids }: Subject,
  { concurrency }: SetupPlan,
  count: number,
): Promise<SetupSample> {
  const cpuMs = (): number => pids().reduce((total, pid) => total + cpuMsOf(pid), 0);
  const before = cpuMs();
  const tookMs = await load.connect(group, { port, path, count, bytes: 32, inFlight: 1, concurrency });
  await load.slice(group, [], { warmMs: 0, ms: 0 });
  const after = cpuMs();
  return { perSecond: Math.round((count * 1000) / tookMs), cpuUs: Math.round(((after - before) * 1000) / count) };
}
