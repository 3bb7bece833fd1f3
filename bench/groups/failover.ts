/** What clients notice of backends that die and are replaced, beside @fastify/http-proxy. Every pipe sends 2 messages a second. */
import { ManagedChild } from '../../test/support/managed-child.ts';
import { sleep, until } from '../../test/support/wait.ts';
import { type FlowBackend, FlowClients, type FlowReport, startFlowBackends } from '../load/flow.ts';
import { askAdmin, holdfast, type Subject } from '../peers/subject.ts';
import type { Build } from '../support/build.ts';
import { pinTo } from '../support/machine.ts';
import { quantile } from '../support/statistics.ts';

export interface FailoverRow {
  readonly what: string;
  readonly who: string;
  readonly pipes: number;
  readonly sent: number;
  readonly lost: number;
  readonly twice: number;
  readonly closed: number;
  /** What `p50Ms` to `maxMs` are of: the first echo after the failure, or the slowest echo while backends were replaced. */
  readonly times: 'flows again' | 'slowest echo';
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Clients that got no echo any more. */
  readonly never: number;
}

export interface FailoverPlan {
  readonly build: Build;
  /** Of the kill and the rolling restart. */
  readonly pipes: number;
  /** Of the restart of the only backend. */
  readonly restartPipes: number;
}

const intervalMs = 500;
const settleMs = 3000;
const rivalName = '@fastify/http-proxy wsReconnect';
/** How long the rival's backend is away: it knows one address only and waits for it. */
const rivalAwayMs = 1000;

interface Stage {
  readonly backends: readonly FlowBackend[];
  readonly clients: FlowClients;
  readonly subject: Subject;
}
type Scenario = (stage: Stage) => Promise<void>;

export async function measureFailover(plan: FailoverPlan, onScenario: (what: string) => void): Promise<FailoverRow[]> {
  const rows: FailoverRow[] = [];
  const { build, pipes, restartPipes } = plan;
  const run = async (
    what: string,
    who: 'Holdfast' | typeof rivalName,
    backends: number,
    count: number,
    scenario: Scenario,
    times: FailoverRow['times'] = 'flows again',
  ): Promise<void> => {
    onScenario(`${what}: ${who}`);
    const report = await onStage(who === 'Holdfast' ? build : null, backends, count, scenario);
    rows.push(rowOf(what, who, times, report));
  };

  const killed = 'kill -9 of one of two backends';
  await run(killed, 'Holdfast', 2, pipes, async ({ backends, clients }) => {
    await Promise.all([clients.mark(), backends[0]!.kill()]);
    await sleep(settleMs);
  });
  await run(killed, rivalName, 2, pipes, async ({ backends, clients }) => {
    await Promise.all([clients.mark(), backends[0]!.kill()]);
    await sleep(rivalAwayMs);
    await backends[0]!.start();
    await sleep(settleMs);
  });

  const restarted = 'the only backend killed, back after 300 ms';
  for (const who of ['Holdfast', rivalName] as const) {
    await run(restarted, who, 1, restartPipes, async ({ backends, clients }) => {
      await Promise.all([clients.mark(), backends[0]!.kill()]);
      await sleep(300);
      await backends[0]!.start();
      await sleep(2 * settleMs);
    });
  }

  const rolling = 'rolling restart of three backends';
  await run(rolling, 'Holdfast', 3, pipes, drainEach, 'slowest echo');
  await run(
    rolling,
    rivalName,
    3,
    pipes,
    async ({ backends, clients }) => {
      await clients.mark();
      for (const backend of backends) {
        await backend.stop();
        await backend.start();
        await sleep(settleMs);
      }
    },
    'slowest echo',
  );
  return rows;
}

async function drainEach({ backends, clients, subject }: Stage): Promise<void> {
  await clients.mark();
  for (const [index, backend] of backends.entries()) {
    await askAdmin(subject, 'DELETE', `/backends/b${index}`);
    const gone = async (): Promise<boolean> => {
      const list = (await askAdmin(subject, 'GET', '/backends')) as { backends: { id: string }[] };
      return list.backends.every(({ id }) => id !== `b${index}`);
    };
    await until(gone, { timeoutMs: 40_000, intervalMs: 50, what: `b${index} to be drained` });
    await backend.stop();
    await backend.start();
    await askAdmin(subject, 'POST', '/backends', { id: `b${index}`, url: backend.url });
  }
}

/** `build` null = the rival. */
async function onStage(build: Build | null, count: number, pipes: number, scenario: Scenario): Promise<FlowReport> {
  const backends = await startFlowBackends(count);
  const ends: (() => Promise<void>)[] = backends.map((backend) => () => backend.kill());
  try {
    const clients = await FlowClients.start();
    ends.push(() => clients.kill());
    const subject = build === null ? await startRival(backends) : await startGateway(build, backends);
    ends.push(() => subject.stop());
    if (build !== null) await clients.connect(subject.port, '/ws', pipes);
    else await connectToRival(clients, subject, count, pipes);
    await clients.load(intervalMs);
    await sleep(settleMs);
    await scenario({ backends, clients, subject });
    return await clients.finish();
  } finally {
    await Promise.all(ends.map((end) => end()));
  }
}

function startGateway(build: Build, backends: readonly FlowBackend[]): Promise<Subject> {
  const registered = backends.map(({ url }, index) => ({ id: `b${index}`, url }));
  return holdfast(build, '', { backends: registered }).start(0);
}

async function startRival(backends: readonly FlowBackend[]): Promise<Subject> {
  const { child, ready } = await ManagedChild.start<{ port: number }>({
    module: new URL('../peers/reconnecting-proxy-main.mjs', import.meta.url),
    argument: { upstreams: backends.map(({ port }) => `http://127.0.0.1:${port}`) },
    what: rivalName,
    readyTimeoutMs: 20_000,
  });
  pinTo(0, child.pid);
  return { port: ready.port, path: '/', pids: () => [child.pid], stop: () => child.kill() };
}

/** One route for each backend. */
async function connectToRival(clients: FlowClients, { port }: Subject, routes: number, pipes: number): Promise<void> {
  for (let index = 0; index < routes; index += 1) {
    const before = Math.floor((pipes * index) / routes);
    const upTo = Math.floor((pipes * (index + 1)) / routes);
    await clients.connect(port, `/${index}/`, upTo - before);
  }
}

function rowOf(what: string, who: string, times: FailoverRow['times'], report: FlowReport): FailoverRow {
  const { clients: pipes, sent, lost, twice, closed, flowsAgainMs, worstMs } = report;
  const all = times === 'flows again' ? flowsAgainMs : worstMs;
  const flowing = all.filter((ms) => ms >= 0);
  const at = (share: number): number => Math.round(quantile(flowing, share));
  const never = all.length - flowing.length;
  return { what, who, pipes, sent, lost, twice, closed, times, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), never };
}
