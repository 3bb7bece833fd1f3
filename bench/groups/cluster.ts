/** What it costs to be one of several gateways: on each message, by their number, and in Redis for each pipe. */
import { ResumingClient } from '../../test/support/resuming-client.ts';
import { startRelay } from '../../test/support/tcp-relay.ts';
import { sleep, until } from '../../test/support/wait.ts';
import { startLoad } from '../load/load.ts';
import { type Contender, holdfast, type Subject } from '../peers/subject.ts';
import type { Build } from '../support/build.ts';
import { pinTo } from '../support/machine.ts';
import { type BenchRedis, between } from '../support/redis.ts';
import { median } from '../support/statistics.ts';
import { type Cell, type CellResult, cpuRatio, measureRelays } from './relay.ts';

export interface ClusterSubject {
  readonly build: Build;
  readonly version: string;
  readonly redis: BenchRedis;
}

export const cell: Cell = { connections: 50, inFlight: 4, bytes: 128 };
export const contenders = { without: 'no store', with: 'Redis', again: 'no store, again' } as const;

/** One of several: `name` is its own. It ends within a second, before it would be killed. */
function member({ build, version, redis }: ClusterSubject, name: string): Contender {
  const options = {
    redis: { url: redis.url },
    cluster: { name: name.replaceAll(' ', '-') },
    shutdown: { spreadMs: 1000 },
  };
  return holdfast(build, version, options, name);
}

/** CPU per message with a store and without one, in turns; one without twice, which tells how far two equal ones are apart. */
export async function measureStore(subject: ClusterSubject, plan: { rounds: number; slices: number; sliceMs: number }) {
  const { build, version, redis } = subject;
  const shared = member(subject, contenders.with);
  const all: Contender[] = [
    holdfast(build, version, {}, contenders.without),
    {
      ...shared,
      // The pool of the round before is another one.
      start: async (port) => {
        await redis.clear();
        return shared.start(port);
      },
    },
    holdfast(build, version, {}, contenders.again),
  ];
  const [result] = (await measureRelays(all, { cells: [cell], ...plan, keepSlices: true })) as [CellResult];
  return {
    result,
    ratio: cpuRatio(result, contenders.with, contenders.without),
    equal: cpuRatio(result, contenders.again, contenders.without),
  };
}

export interface GatewaysRow {
  readonly gateways: number;
  readonly messagesPerSecond: number;
  /** Of all gateways, for one message there and back. */
  readonly cpuUs: number;
  /** Share of their core that all gateways used. */
  readonly busy: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly scriptsPerSecond: number;
  readonly publishedPerSecond: number;
  readonly redisPercent: number;
}

const clients = 150;

/** The same load over 1, 2, ... gateways: all of them on one core. */
export async function measureGateways(
  subject: ClusterSubject,
  { numbers, rounds, sliceMs }: { numbers: readonly number[]; rounds: number; sliceMs: number },
): Promise<GatewaysRow[]> {
  const rows = numbers.map((): GatewaysRow[] => []);
  for (let round = 0; round < rounds; round += 1)
    for (const [index, number] of numbers.entries()) rows[index]!.push(await measureNumber(subject, number, sliceMs));
  return rows.map((all) => {
    const middle = (of: keyof GatewaysRow): number => median(all.map((row) => row[of]));
    const keys = Object.keys(all[0]!) as (keyof GatewaysRow)[];
    return Object.fromEntries(keys.map((key) => [key, middle(key)])) as unknown as GatewaysRow;
  });
}

async function measureNumber(subject: ClusterSubject, number: number, sliceMs: number): Promise<GatewaysRow> {
  const { redis } = subject;
  await redis.clear();
  const load = await startLoad(null);
  pinTo(1, load.pid);
  const gateways: Subject[] = [];
  try {
    for (let n = 0; n < number; n += 1) gateways.push(await member(subject, `gateway-${n}`).start(load.ports[0]!));
    for (const [n, { port, path }] of gateways.entries())
      await load.connect(`${n}`, { port, path, ...cell, count: clients / number });
    const slice = (times: { warmMs: number; ms: number }) =>
      Promise.all(gateways.map(({ pids }, n) => load.slice(`${n}`, pids(), times)));
    await slice({ warmMs: 1000, ms: 0 });
    const before = await redis.look();
    const slices = await slice({ warmMs: 0, ms: sliceMs });
    const store = between(before, await redis.look());
    const sum = (of: (one: (typeof slices)[number]) => number): number =>
      slices.reduce((total, one) => total + of(one), 0);
    if (sum(({ wrong, lost }) => wrong + lost) > 0) throw new Error('messages went wrong, or connections were lost');
    const messages = sum((one) => one.messages);
    const wallMs = median(slices.map((one) => one.wallMs));
    const cpuMs = sum((one) => one.cpuMs);
    return {
      gateways: number,
      messagesPerSecond: (1000 * messages) / wallMs,
      cpuUs: (1000 * cpuMs) / messages,
      busy: cpuMs / wallMs,
      p50Ms: median(slices.map((one) => one.p50Ms)),
      p99Ms: Math.max(...slices.map((one) => one.p99Ms)),
      scriptsPerSecond: store.scripts / store.seconds,
      publishedPerSecond: store.published / store.seconds,
      redisPercent: store.cpuMs / store.seconds / 10,
    };
  } finally {
    await Promise.all([...gateways.map((gateway) => gateway.stop()), load.kill()]);
  }
}

export interface PipesRow {
  readonly what: string;
  /** Of each pipe, without what gateways at rest need in the same time; at rest: of each second. */
  readonly scripts: number;
  readonly published: number;
  readonly cpuUs: number;
  /** What it left in Redis of each. */
  readonly keys: number;
  readonly bytes: number;
}

/** Resumable pipes of three gateways in Redis: they begin, rest, and go over to another gateway when theirs ends. */
export async function measurePipes(subject: ClusterSubject, pipes: number): Promise<PipesRow[]> {
  const { redis } = subject;
  await redis.clear();
  const load = await startLoad(null);
  pinTo(1, load.pid);
  const gateways: Subject[] = [];
  const open: ResumingClient[] = [];
  const rows: PipesRow[] = [];
  /** Of gateways at rest, in a second. */
  let rest = { scripts: 0, published: 0, cpuUs: 0 };
  const watch = async (what: string, run: () => Promise<number>): Promise<PipesRow> => {
    const before = await redis.look();
    const count = await run();
    // What is written behind is written.
    await sleep(500);
    const { seconds, scripts, published, cpuMs, keys, bytes } = between(before, await redis.look());
    const row = {
      what,
      scripts: (scripts - rest.scripts * seconds) / count,
      published: (published - rest.published * seconds) / count,
      cpuUs: (1000 * cpuMs - rest.cpuUs * seconds) / count,
      keys: keys / count,
      bytes: bytes / count,
    };
    rows.push(row);
    return row;
  };
  const relays: Awaited<ReturnType<typeof startRelay>>[] = [];
  try {
    for (let n = 0; n < 3; n += 1) gateways.push(await member(subject, `gateway-${n}`).start(load.ports[0]!));
    for (const { port } of gateways) relays.push(await startRelay(null, { targetPort: port }));
    await sleep(1500);
    rest = await watch('three gateways at rest, a second', async () => {
      await sleep(9500);
      return 10;
    });
    await watch('a resumable pipe begins', async () => {
      for (let n = 0; n < pipes; n += 1) {
        const { port } = relays[n % relays.length]!;
        // More at once would only wait for each other.
        if (n % 50 === 49) await until(() => open.every(({ isOpen }) => isOpen), { timeoutMs: 20_000 });
        open.push(new ResumingClient(null, `ws://127.0.0.1:${port}/ws`, { pingMs: 10_000, timeoutMs: 60_000 }));
      }
      await until(() => open.every(({ isOpen }) => isOpen), { timeoutMs: 20_000, what: 'all sessions' });
      return pipes;
    });
    const moved = open.filter((_, n) => n % relays.length === 0);
    await watch('a pipe goes over, as its gateway ends', async () => {
      relays[0]!.retarget(gateways[1]!.port);
      await gateways[0]!.stop();
      await until(() => moved.every(({ resumes, isOpen }) => resumes > 0 && isOpen), {
        timeoutMs: 60_000,
        what: 'all sessions of that gateway at another one',
      });
      return moved.length;
    });
    const lost = open.flatMap((client) => client.lost);
    if (lost.length > 0) throw new Error(`${lost.length} sessions began anew`);
    return rows;
  } finally {
    for (const client of open) client.close();
    await Promise.all([...relays.map((relay) => relay.close()), ...gateways.map((gateway) => gateway.stop())]);
    await load.kill();
  }
}
