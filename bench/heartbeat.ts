/**
 * CPU and memory of idle pipes at heartbeats of 1 s and 25 s on both hops.
 *
 *     npm run bench:heartbeat -- [--pipes 5000] [--seconds 10] [--json file] [--profile file.cpuprofile]
 *
 * The gateway runs alone in a process on core 0, all clients and backends in another on core 1. The heartbeat is changed by
 * PATCH /config/heartbeat on the same live pipes; with it off, the rest of the gateway is measured.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { sleep } from '../test/support/wait.ts';
import { cpuMsOf, type GatewayProcess, pinTo, startGatewayProcess } from './support/gateway-process.ts';
import { type ManyEnds, startManyEnds } from './support/many-ends.ts';

/** What each hop needs of the process that holds it, besides some of its own. */
const spareDescriptors = 200;
const settleMs = 5000;
/** DESIGN section 14. */
const goalPipes = 5000;

interface Row {
  readonly intervalMs: number;
  readonly cpuPercent: number;
  readonly loadCpuPercent: number;
  readonly pingsPerSecond: number;
  readonly expectedPerSecond: number;
  readonly microsecondsPerPing: number | null;
  readonly rssBytes: number;
  readonly goalPercent: number | null;
}

const { values } = parseArgs({
  options: {
    pipes: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
});
const wanted = positive('pipes', values.pipes);
const seconds = positive('seconds', values.seconds);

const limit = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()) || Number.POSITIVE_INFINITY;
const most = Math.floor((limit - spareDescriptors) / 2);
const pipes = Math.min(wanted, most);
if (pipes < wanted)
  console.log(`The limit of ${limit} descriptors allows ${pipes} pipes, not ${wanted} (ulimit -n raises it).`);

const ends = await startManyEnds(null, 2);
const gateway = await startGatewayProcess(
  null,
  { backends: ends.urls, heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } } },
  { count: false },
);
try {
  const cores = cpus().length;
  const pinned = cores > 1 && pinTo(0, gateway.pid) && pinTo(1, ends.pid);
  const before = await gateway.usage();
  const beganAt = performance.now();
  await ends.connect(gateway.port, pipes);
  const openedMs = performance.now() - beganAt;
  const rows = [await measure(1000, seconds), await measure(0, seconds), await measure(25_000, 25)];
  if (values.profile !== undefined) await gateway.profile(seconds * 1000, values.profile);
  const after = await gateway.usage();
  const { clients, clientsClosed } = await ends.counts();
  const machine = `${cpus()[0]?.model.trim()}, ${cores} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  const result = {
    at: new Date().toISOString(),
    machine,
    node: process.version,
    kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
    commit: commit(),
    runs: 'the sources through tsx',
    pinned,
    pipes,
    openedMs: Math.round(openedMs),
    closed: clientsClosed,
    bytesPerPipe: Math.round((after.heapUsed + after.external - before.heapUsed - before.external) / pipes),
    rows,
  };
  print(result);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  if (clients !== pipes || clientsClosed > 0) {
    console.error(`${clientsClosed} clients were closed: the figures are of no use.`);
    process.exitCode = 1;
  }
} finally {
  await Promise.all([gateway.kill(), ends.kill()]);
}

async function measure(intervalMs: number, forSeconds: number): Promise<Row> {
  const hop = { intervalMs };
  const { status } = await gateway.admin('PATCH', '/config/heartbeat', { client: hop, backend: hop });
  if (status !== 200) throw new Error(`PATCH /config/heartbeat answered ${status}`);
  // The collections that the change before has left behind are over, and so is the first round of pings.
  await sleep(settleMs);
  const start = await look(gateway, ends);
  await sleep(forSeconds * 1000);
  const end = await look(gateway, ends);
  const wallMs = end.at - start.at;
  const pings = end.pings - start.pings;
  const cpuMs = end.cpuMs - start.cpuMs;
  return {
    intervalMs,
    cpuPercent: (cpuMs / wallMs) * 100,
    loadCpuPercent: ((end.loadCpuMs - start.loadCpuMs) / wallMs) * 100,
    pingsPerSecond: (pings / wallMs) * 1000,
    expectedPerSecond: intervalMs === 0 ? 0 : (2 * pipes * 1000) / intervalMs,
    microsecondsPerPing: pings === 0 ? null : (cpuMs * 1000) / pings,
    rssBytes: gateway.rssBytes(),
    goalPercent: intervalMs === 1000 ? 25 : intervalMs === 25_000 ? 2 : null,
  };
}

async function look(gateway: GatewayProcess, ends: ManyEnds) {
  const { clientPings, backendPings } = await ends.counts();
  const loadCpuMs = cpuMsOf(ends.pid);
  return { at: performance.now(), cpuMs: gateway.cpuMs(), loadCpuMs, pings: clientPings + backendPings };
}

function print(result: {
  readonly at: string;
  readonly machine: string;
  readonly node: string;
  readonly kernel: string;
  readonly commit: string;
  readonly pinned: boolean;
  readonly pipes: number;
  readonly bytesPerPipe: number;
  readonly rows: readonly Row[];
}): void {
  const { rows, pinned } = result;
  const where = pinned ? 'Gateway alone on core 0, all clients and backends on core 1' : 'Not pinned to cores';
  console.log(`
${result.pipes.toLocaleString('en')} idle pipes, heartbeat on both hops. ${where}.
${result.at.slice(0, 10)}, ${result.machine}, Node ${result.node}, Linux ${result.kernel}, commit ${result.commit}, run from the sources through tsx.
CPU: /proc/<pid>/task/*/schedstat of the gateway over ${seconds} s (25 s at the interval of 25 s). Resident: the whole process, without a collection.
`);
  console.log(
    '| interval | CPU of one core | goal | pings/s | due | us per ping and pong | resident | load process CPU |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const cells = [
      row.intervalMs === 0 ? 'off' : `${row.intervalMs / 1000} s`,
      `${row.cpuPercent.toFixed(2)} %`,
      row.goalPercent === null ? '' : `<= ${row.goalPercent} %`,
      row.pingsPerSecond.toFixed(0),
      row.expectedPerSecond.toFixed(0),
      row.microsecondsPerPing?.toFixed(1) ?? '',
      `${(row.rssBytes / 2 ** 20).toFixed(0)} MiB`,
      `${row.loadCpuPercent.toFixed(1)} %`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  const missed = rows.filter((row) => row.goalPercent !== null && row.cpuPercent > row.goalPercent);
  const verdict =
    result.pipes < goalPipes
      ? `The goals are for ${goalPipes} pipes: not judged.`
      : missed.length === 0
        ? 'The goals are met.'
        : `Goal missed at ${missed.map((row) => `${row.intervalMs} ms`).join(', ')}.`;
  console.log(`
Heap and buffers ${(result.bytesPerPipe / 1024).toFixed(1)} KiB for each pipe, after a collection at the end.
${verdict}`);
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`--${name} must be a positive integer, not ${text}`);
  return value;
}
