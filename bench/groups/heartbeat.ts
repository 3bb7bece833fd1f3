/** CPU of idle pipes whose both hops are pinged, at several intervals. */

import { sleep } from '../../test/support/wait.ts';
import { startLoad } from '../load/load.ts';
import { askAdmin, type Contender } from '../peers/subject.ts';
import { cpuMsOf } from '../support/cpu.mjs';
import { pinTo } from '../support/machine.ts';

export interface HeartbeatRow {
  /** On both hops; 0 = off. */
  readonly intervalMs: number;
  readonly cpuPercent: number;
  readonly pingsPerSecond: number;
  /** Microseconds of CPU for one ping and its pong; null where there were none. */
  readonly cpuUsPerPing: number | null;
}

export interface HeartbeatResult {
  readonly pipes: number;
  readonly rows: readonly HeartbeatRow[];
}

export interface HeartbeatPlan {
  readonly pipes: number;
  readonly intervals: readonly { readonly intervalMs: number; readonly seconds: number }[];
}

/** What a change leaves behind is over by then: garbage, and the first round of pings. */
const settleMs = 4000;

/** The interval is changed by PATCH on the same live pipes. */
export async function measureHeartbeat(
  gateway: Contender,
  { pipes, intervals }: HeartbeatPlan,
): Promise<HeartbeatResult> {
  const load = await startLoad(null);
  pinTo(1, load.pid);
  const subject = await gateway.start(load.ports[0]!);
  const rows: HeartbeatRow[] = [];
  try {
    const { port, path, pids } = subject;
    await load.connect('idle', { port, path, count: pipes, bytes: 128, inFlight: 1 });
    const look = async () => {
      const { pings } = await load.state('idle');
      return { at: performance.now(), pings, cpuMs: pids().reduce((total, pid) => total + cpuMsOf(pid), 0) };
    };
    for (const { intervalMs, seconds } of intervals) {
      const hop = { intervalMs };
      await askAdmin(subject, 'PATCH', '/config/heartbeat', { client: hop, backend: hop });
      await sleep(settleMs);
      const from = await look();
      await sleep(seconds * 1000);
      const to = await look();
      const pings = to.pings - from.pings;
      const cpuMs = to.cpuMs - from.cpuMs;
      const wallMs = to.at - from.at;
      rows.push({
        intervalMs,
        cpuPercent: Math.round((cpuMs / wallMs) * 10_000) / 100,
        pingsPerSecond: Math.round((pings * 1000) / wallMs),
        cpuUsPerPing: intervalMs === 0 ? null : Math.round((cpuMs * 10_000) / pings) / 10,
      });
    }
    const { lost } = await load.state('idle');
    if (lost > 0) throw new Error(`${lost} idle connections were lost`);
  } finally {
    await Promise.all([subject.stop(), load.kill()]);
  }
  return { pipes, rows };
}
