/** What grows with the number of backends and of pipes: choosing a backend, setting up a connection, listing the pipes. */
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ManagedChild } from '../../test/support/managed-child.ts';
import { startLoad } from '../load/load.ts';
import { benchToken, holdfast } from '../peers/subject.ts';
import type { Build } from '../support/build.ts';
import { cpuMsOf } from '../support/cpu.mjs';
import { pinTo } from '../support/machine.ts';
import { median, quantile } from '../support/statistics.ts';

export const strategies = ['least-connections', 'round-robin', 'random-two', 'hash'] as const;
export type Strategy = (typeof strategies)[number];

export interface GrowthResult {
  /** Microseconds to lease, attach and release, by number of backends. */
  readonly picks: readonly (Readonly<Record<Strategy, number>> & { readonly backends: number })[];
  /** Microseconds of CPU to set up a connection, by number of backends registered. */
  readonly setups: readonly { readonly backends: number; readonly cpuUs: number }[];
  readonly listings: readonly Listing[];
}

/** Of GET /pipes with so many pipes open; milliseconds until the whole answer is there. */
export interface Listing {
  readonly pipes: number;
  /** Rows of one page. */
  readonly limit: number;
  readonly p50Ms: number;
  readonly maxMs: number;
  readonly bytes: number;
}

export interface GrowthPlan {
  readonly build: Build;
  readonly backends: readonly number[];
  readonly pipes: readonly number[];
  /** Connections set up for each number of backends. */
  readonly connections: number;
}

export async function measureGrowth(plan: GrowthPlan): Promise<GrowthResult> {
  const picks: GrowthResult['picks'][number][] = [];
  const setups: GrowthResult['setups'][number][] = [];
  for (const backends of plan.backends) {
    const costs: Partial<Record<Strategy, number>> = {};
    for (const strategy of strategies) costs[strategy] = await pickCost(plan.build, backends, strategy);
    picks.push({ backends, ...(costs as Record<Strategy, number>) });
    setups.push({ backends, cpuUs: await setupCost(plan, backends) });
  }
  return { picks, setups, listings: await measureListings(plan) };
}

/** The median of three processes. */
async function pickCost(build: Build, backends: number, balancing: Strategy): Promise<number> {
  const root = pathToFileURL(`${dirname(dirname(build.command))}/`).href;
  const found: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const { child, ready } = await ManagedChild.start<{ readonly microseconds: number }>({
      module: new URL('./pool-main.mjs', import.meta.url),
      argument: { root, backends, balancing, picks: 50_000 },
      what: `${balancing} among ${backends} backends`,
      readyTimeoutMs: 60_000,
    });
    await child.kill();
    found.push(ready.microseconds);
  }
  return Math.round(median(found) * 100) / 100;
}

/** One backend at many addresses, which is the same to the gateway as many. */
async function setupCost({ build, connections }: GrowthPlan, backends: number): Promise<number> {
  const load = await startLoad(null);
  pinTo(1, load.pid);
  const urls = Array.from({ length: backends }, (_, n) => `ws://127.0.0.1:${load.ports[0]}/${n}`);
  const subject = await holdfast(build, '', { backends: urls }).start(0);
  try {
    const { port, path, pids } = subject;
    const cpuMs = (): number => pids().reduce((total, pid) => total + cpuMsOf(pid), 0);
    await load.connect('first', { port, path, count: connections, bytes: 32, inFlight: 1 });
    const before = cpuMs();
    await load.connect('measured', { port, path, count: connections, bytes: 32, inFlight: 1 });
    return Math.round(((cpuMs() - before) * 1000) / connections);
  } finally {
    await Promise.all([subject.stop(), load.kill()]);
  }
}

const requests = 15;

async function measureListings({ build, pipes }: GrowthPlan): Promise<Listing[]> {
  const load = await startLoad(null);
  pinTo(1, load.pid);
  const subject = await holdfast(build, '').start(load.ports[0]!);
  const listings: Listing[] = [];
  try {
    let open = 0;
    for (const count of pipes) {
      const { port, path } = subject;
      await load.connect('idle', { port, path, count: count - open, bytes: 32, inFlight: 1 });
      open = count;
      for (const limit of [100, 1000]) listings.push({ pipes: count, limit, ...(await list(port, limit)) });
    }
  } finally {
    await Promise.all([subject.stop(), load.kill()]);
  }
  return listings;
}

/** The first page, and pages from the end: cursors must cost nothing. */
async function list(port: number, limit: number): Promise<Pick<Listing, 'p50Ms' | 'maxMs' | 'bytes'>> {
  const times: number[] = [];
  let bytes = 0;
  let cursor: string | null = null;
  for (let request = 0; request < requests; request += 1) {
    const from = performance.now();
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const response = await fetch(`http://127.0.0.1:${port}/pipes?limit=${limit}${query}`, {
      headers: { authorization: `Bearer ${benchToken}` },
    });
    const text = await response.text();
    times.push(performance.now() - from);
    if (!response.ok) throw new Error(`GET /pipes answered ${response.status}: ${text.slice(0, 200)}`);
    bytes = Math.max(bytes, text.length);
    cursor = (JSON.parse(text) as { next: string | null }).next;
  }
  const round = (value: number): number => Math.round(value * 100) / 100;
  return { p50Ms: round(quantile(times, 0.5)), maxMs: round(quantile(times, 1)), bytes };
}
