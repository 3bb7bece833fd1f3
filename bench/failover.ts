/**
 * What clients notice of backends that die and are replaced, beside @fastify/http-proxy, and what the journal costs.
 *
 *   npm run bench:failover -- [--pipes 2000] [--restart-pipes 5000] [--only kill,restart,rolling,journal] [--rounds 6]
 *
 * Every pipe sends 2 messages a second, which the backends echo; lost and twice are counted by the clients, from the numbers in the echoes.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { HoldfastSettings } from '../src/options.ts';
import { ManagedChild } from '../test/support/managed-child.ts';
import { sleep, until } from '../test/support/wait.ts';
import { type GatewayProcess, pinTo, startGatewayProcess } from './support/gateway-process.ts';

const { values } = parseArgs({
  options: {
    pipes: { type: 'string', default: '2000' },
    'restart-pipes': { type: 'string', default: '5000' },
    only: { type: 'string', default: 'kill,restart,rolling,journal' },
    rounds: { type: 'string', default: '6' },
  },
});
const wanted = values.only.split(',');
const intervalMs = 500;
const settleMs = 3000;

interface Report {
  readonly clients: number;
  readonly sent: number;
  readonly lost: number;
  readonly twice: number;
  readonly closed: number;
  readonly flowsAgainMs: readonly number[];
  readonly worstMs: readonly number[];
}

class Backend {
  port = 0;
  #child: ManagedChild | null = null;

  async start(): Promise<this> {
    const { child, ready } = await ManagedChild.start<{ port: number }>({
      module: new URL('./support/flow-backend-main.mjs', import.meta.url),
      argument: { port: this.port },
      what: 'a backend',
      readyTimeoutMs: 20_000,
    });
    this.#child = child;
    this.port = ready.port;
    return this;
  }

  get child(): ManagedChild {
    return this.#child!;
  }
  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }
}

const startBackends = (count: number): Promise<Backend[]> =>
  Promise.all(Array.from({ length: count }, () => new Backend().start()));

class Clients {
  readonly child: ManagedChild;

  constructor(child: ManagedChild) {
    this.child = child;
  }

  static async start(): Promise<Clients> {
    const { child } = await ManagedChild.start({
      module: new URL('./support/flow-clients-main.mjs', import.meta.url),
      argument: {},
      what: 'the clients',
    });
    return new Clients(child);
  }

  async connect(port: number, path: string, count: number): Promise<void> {
    const { open, firstError } = await this.do<{ open: number; firstError: string }>(
      { do: 'connect', port, path, count },
      60_000,
    );
    if (open < count || firstError !== '') throw new Error(`${open} of ${count} clients are open: ${firstError}`);
  }

  do<T = unknown>(command: { readonly do: string } & Record<string, unknown>, timeoutMs = 30_000): Promise<T> {
    return this.child.request<T>(command, timeoutMs);
  }

  /** Stops the load, waits for what is on its way, and tells. */
  async finish(): Promise<Report> {
    await this.do({ do: 'stop' });
    let before = -1;
    await until(
      async () => {
        const received = await this.do<number>({ do: 'received' });
        const still = received === before;
        before = received;
        return still;
      },
      { timeoutMs: 30_000, intervalMs: 500 },
    );
    return this.do<Report>({ do: 'report' });
  }
}

/** Two descriptors a pipe in the gateway, one more while it moves. */
function affordable(pipes: number): number {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1024);
  const most = Math.floor((limit - 500) / 3);
  if (pipes <= most) return pipes;
  console.log(`  ${pipes} pipes need more than the ${limit} descriptors allowed here: ${most} are taken`);
  return most;
}

function percentiles(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${sorted.at(-1)?.toFixed(0)} ms`;
}

function print(who: string, report: Report, times: string): void {
  const { clients, sent, lost, twice, closed } = report;
  console.log(
    `  ${who.padEnd(20)} ${times}; ${sent} sent, ${lost} lost, ${twice} twice, ${closed} of ${clients} closed`,
  );
}

function flows({ flowsAgainMs }: Report): string {
  const flowing = flowsAgainMs.filter((ms) => ms >= 0);
  const never = flowsAgainMs.length - flowing.length;
  return `flows again after ${percentiles(flowing)}${never > 0 ? ` (${never} never)` : ''}`;
}

/** Ends what it is given, also when the scenario fails. */
async function using(children: (() => Promise<void>)[], run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } finally {
    await Promise.all(children.map((end) => end()));
  }
}

const gatewayOptions: HoldfastSettings = { delivery: 'at-least-once' };

async function startHoldfast(backends: readonly Backend[], options = gatewayOptions): Promise<GatewayProcess> {
  const urls = backends.map(({ url }, index) => ({ id: `b${index}`, url }));
  const gateway = await startGatewayProcess(null, { ...options, backends: urls }, { count: false });
  pinTo(0, gateway.pid);
  return gateway;
}

async function startRival(backends: readonly Backend[]): Promise<{ child: ManagedChild; port: number }> {
  const { child, ready } = await ManagedChild.start<{ port: number }>({
    module: new URL('./support/http-proxy-main.mjs', import.meta.url),
    argument: { upstreams: backends.map(({ port }) => `http://127.0.0.1:${port}`) },
    what: '@fastify/http-proxy',
    readyTimeoutMs: 20_000,
  });
  pinTo(0, child.pid);
  return { child, port: ready.port };
}

type Subject = { readonly backends: readonly Backend[]; readonly clients: Clients; readonly gateway?: GatewayProcess };

/** Backends, a gateway before them and clients under load; `run` is told of them. */
async function onHoldfast(
  backendCount: number,
  pipes: number,
  run: (subject: Subject) => Promise<void>,
): Promise<void> {
  const backends = await startBackends(backendCount);
  const clients = await Clients.start();
  const gateway = await startHoldfast(backends);
  const ends = [() => gateway.kill(), () => clients.child.kill(), ...backends.map((one) => () => one.child.kill())];
  await using(ends, async () => {
    await clients.connect(gateway.port, '/ws', pipes);
    await clients.do({ do: 'load', intervalMs });
    await sleep(settleMs);
    await run({ backends, clients, gateway });
  });
}

async function onRival(backendCount: number, pipes: number, run: (subject: Subject) => Promise<void>): Promise<void> {
  const backends = await startBackends(backendCount);
  const clients = await Clients.start();
  const { child, port } = await startRival(backends);
  const ends = [() => child.kill(), () => clients.child.kill(), ...backends.map((one) => () => one.child.kill())];
  await using(ends, async () => {
    for (let index = 0; index < backendCount; index += 1) {
      const before = Math.floor((pipes * index) / backendCount);
      const upTo = Math.floor((pipes * (index + 1)) / backendCount);
      await clients.do({ do: 'connect', port, path: `/${index}/`, count: upTo - before }, 60_000);
    }
    await clients.do({ do: 'load', intervalMs });
    await sleep(settleMs);
    await run({ backends, clients });
  });
}

async function kill(): Promise<void> {
  const pipes = affordable(Number(values.pipes));
  console.log(`\nkill -9 of one of two backends, ${pipes} pipes`);
  await onHoldfast(2, pipes, async ({ backends, clients }) => {
    await Promise.all([clients.do({ do: 'mark' }), backends[0]!.child.kill()]);
    await sleep(settleMs);
    const report = await clients.finish();
    print('Holdfast', report, flows(report));
  });
  await onRival(2, pipes, async ({ backends, clients }) => {
    await Promise.all([clients.do({ do: 'mark' }), backends[0]!.child.kill()]);
    // It knows one address: without a backend there it would wait for ever.
    await sleep(1000);
    await backends[0]!.start();
    await sleep(settleMs);
    const report = await clients.finish();
    print('http-proxy (back at its address after 1 s)', report, flows(report));
  });
}

async function restart(): Promise<void> {
  const pipes = affordable(Number(values['restart-pipes']));
  console.log(`\nthe only backend is killed and back after 300 ms, ${pipes} pipes`);
  const scenario =
    (who: string) =>
    async ({ backends, clients }: Subject): Promise<void> => {
      await Promise.all([clients.do({ do: 'mark' }), backends[0]!.child.kill()]);
      await sleep(300);
      await backends[0]!.start();
      await sleep(2 * settleMs);
      const report = await clients.finish();
      print(who, report, flows(report));
    };
  await onHoldfast(1, pipes, scenario('Holdfast'));
  await onRival(1, pipes, scenario('http-proxy'));
}

async function rolling(): Promise<void> {
  const pipes = affordable(Number(values.pipes));
  console.log(`\nrolling restart of three backends under load, ${pipes} pipes`);
  await onHoldfast(3, pipes, async ({ backends, clients, gateway }) => {
    await clients.do({ do: 'mark' });
    const from = performance.now();
    for (const [index, backend] of backends.entries()) {
      await fetchAdmin(gateway!, 'DELETE', `/backends/b${index}`);
      await until(async () => (await fetchAdmin(gateway!, 'GET', `/backends/b${index}`)) === 404, {
        timeoutMs: 40_000,
        intervalMs: 50,
      });
      await backend.child.stop();
      await backend.start();
      await fetchAdmin(gateway!, 'POST', '/backends', { id: `b${index}`, url: backend.url });
    }
    const tookMs = performance.now() - from;
    const report = await clients.finish();
    print(
      'Holdfast, by drain',
      report,
      `took ${(tookMs / 1000).toFixed(1)} s, slowest echo ${percentiles(report.worstMs)}`,
    );
  });
  await onRival(3, pipes, async ({ backends, clients }) => {
    await clients.do({ do: 'mark' });
    for (const backend of backends) {
      await backend.child.stop();
      await backend.start();
      await sleep(settleMs);
    }
    const report = await clients.finish();
    print('http-proxy, SIGTERM', report, `slowest echo ${percentiles(report.worstMs)}`);
  });
}

async function fetchAdmin(gateway: GatewayProcess, method: string, path: string, body?: unknown): Promise<number> {
  return (await gateway.admin(method, path, body)).status;
}

/** CPU of the gateway per echoed message, both delivery modes in turn, each time in a new process: one alone may be lucky with its heap. */
async function journal(): Promise<void> {
  const rounds = Number(values.rounds);
  console.log(`\ncost of the journal: CPU per echoed message, 50 clients, ${rounds} processes of each mode in turn`);
  const [backend] = await startBackends(1);
  pinTo(1, backend!.child.pid);
  await using([() => backend!.child.kill()], async () => {
    for (const [bytes, inFlight] of [
      [118, 4],
      [118, 1],
      [16_000, 4],
    ] as const) {
      const costs = { 'at-least-once': [] as number[], 'at-most-once': [] as number[] };
      for (let round = 0; round < rounds; round += 1) {
        const modes = ['at-least-once', 'at-most-once'] as const;
        for (const delivery of round % 2 === 0 ? modes : [...modes].reverse())
          costs[delivery].push(await costOf(backend!, delivery, { bytes, inFlight }));
      }
      const least = median(costs['at-least-once']);
      const most = median(costs['at-most-once']);
      console.log(
        `  ${bytes} bytes x ${inFlight} in flight: at-least-once ${least.toFixed(2)} us (${rangeOf(costs['at-least-once'])}), ` +
          `at-most-once ${most.toFixed(2)} us (${rangeOf(costs['at-most-once'])}): ${((least / most - 1) * 100).toFixed(1)} % more`,
      );
    }
  });
}

/** Microseconds of CPU of a gateway of its own. */
async function costOf(
  backend: Backend,
  delivery: 'at-least-once' | 'at-most-once',
  load: { readonly bytes: number; readonly inFlight: number },
): Promise<number> {
  const gateway = await startHoldfast([backend], { delivery });
  const clients = await Clients.start();
  let cost = 0;
  await using([() => gateway.kill(), () => clients.child.kill()], async () => {
    pinTo(1, clients.child.pid);
    await clients.connect(gateway.port, '/ws', 50);
    await clients.do({ do: 'pump', ...load });
    await sleep(800);
    const [cpu, received] = [gateway.cpuMs(), await clients.do<number>({ do: 'received' })];
    await sleep(1500);
    const [cpuAfter, after] = [gateway.cpuMs(), await clients.do<number>({ do: 'received' })];
    cost = ((cpuAfter - cpu) * 1000) / (after - received);
  });
  return cost;
}

function rangeOf(numbers: readonly number[]): string {
  return `${Math.min(...numbers).toFixed(1)} to ${Math.max(...numbers).toFixed(1)}`;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

const { version: rivalVersion } = JSON.parse(
  readFileSync(new URL('../node_modules/@fastify/http-proxy/package.json', import.meta.url), 'utf8'),
) as { version: string };
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
console.log(
  `${new Date().toISOString().slice(0, 10)}, Holdfast ${version}, @fastify/http-proxy ${rivalVersion}, Node ${process.version}, ` +
    `${cpus().length} x ${cpus()[0]?.model}`,
);
if (wanted.includes('kill')) await kill();
if (wanted.includes('restart')) await restart();
if (wanted.includes('rolling')) await rolling();
if (wanted.includes('journal')) await journal();
process.exit(0);
