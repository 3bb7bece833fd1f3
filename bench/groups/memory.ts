/** Memory of idle connections: what the resident size of all processes of a relay grows by, and what they cost while nothing is sent. */

import { sleep } from '../../test/support/wait.ts';
import { startLoad } from '../load/load.ts';
import type { Contender } from '../peers/subject.ts';
import { cpuMsOf, residentBytesOf } from '../support/cpu.mjs';
import { pinTo } from '../support/machine.ts';

export interface MemoryPoint {
  readonly pipes: number;
  readonly bytesPerPipe: number;
  readonly residentBytes: number;
  /** To open the pipes that this point has more than the one before, CPU of the relay for each. */
  readonly setupCpuUs: number;
  /** Of one core, while idle. */
  readonly idleCpuPercent: number;
}

export type MemoryResult = Readonly<Record<string, readonly MemoryPoint[]>>;

const settleMs = 2000;
const idleMs = 1000;

/** One process of each contender, which gets more and more idle clients; `sizes` ascending. */
export async function measureMemory(
  contenders: readonly Contender[],
  sizes: readonly number[],
  onContender: (name: string) => void = () => {},
): Promise<MemoryResult> {
  const result: Record<string, MemoryPoint[]> = {};
  for (const { name, start } of contenders) {
    onContender(name);
    const load = await startLoad(null);
    pinTo(1, load.pid);
    const subject = await start(load.ports[0]!);
    const points: MemoryPoint[] = [];
    try {
      const sum = (of: (pid: number) => number): number => subject.pids().reduce((total, pid) => total + of(pid), 0);
      await sleep(settleMs);
      const before = sum(residentBytesOf);
      let open = 0;
      for (const pipes of sizes) {
        const cpuBefore = sum(cpuMsOf);
        const { port, path } = subject;
        await load.connect(name, { port, path, count: pipes - open, bytes: 128, inFlight: 1 });
        const cpuAfter = sum(cpuMsOf);
        await sleep(settleMs);
        const idleFrom = sum(cpuMsOf);
        const at = performance.now();
        await sleep(idleMs);
        const residentBytes = sum(residentBytesOf);
        points.push({
          pipes,
          bytesPerPipe: Math.round((residentBytes - before) / pipes),
          residentBytes,
          setupCpuUs: Math.round(((cpuAfter - cpuBefore) * 1000) / (pipes - open)),
          idleCpuPercent: Math.round(((sum(cpuMsOf) - idleFrom) / (performance.now() - at)) * 10_000) / 100,
        });
        open = pipes;
      }
      const { lost } = await load.state(name);
      if (lost > 0) throw new Error(`${name}: ${lost} of ${open} idle connections were lost`);
    } finally {
      await Promise.all([subject.stop(), load.kill()]);
    }
    result[name] = points;
  }
  return result;
}
