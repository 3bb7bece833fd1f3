/**
 * What a flood on some connections does to the round trips of others: 20 good clients send 128 bytes 40 times a second each, beside each flood,
 * beside none, and beside the same flood of a bare server: what the machine does of itself is in that as well, and the gateway not.
 *
 *     npm run bench:floods -- [--seconds 3] [--rounds 3] [--only pings,TCP] [--gateway revision] [--priority] [--spread] [--json file]
 *
 * The gateway is compiled, of this checkout or of a revision, and runs with the flags of the command.
 * Four processes: the gateway alone on core 0, where the bare server has at idle priority what the gateway leaves; on core 1 the good clients
 * with their backend, and at idle priority the hostile ones with a backend of theirs. Where there is no flood ("before"), the hostile process computes instead. Rounds take turns, so that a disturbance from outside hits both; medians are shown.
 * With --spread the threads that V8 has besides (its collector) are on core 1, as where there are more cores than one; without it they share core 0 with the gateway.
 * With --priority (root) all go before whatever else the machine does, and the good clients before all others: they wait for the gateway, and not for core 1. Hostile clients come from addresses of their own (127.1.0.0/16), which are not exempt from the limits.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ManagedChild } from '../test/support/managed-child.ts';
import { sleep } from '../test/support/wait.ts';
import { buildGateway } from './support/build.ts';
import { startGatewayProcess } from './support/gateway-process.ts';
import { canPin, describeMachine, pinTo, takePriority } from './support/machine.ts';

/** A good client's p99 at most doubles: beside what it is without the flood, or, where the machine alone makes more of it, beside the same flood of the bare server. */
const goal = 2;
const settleMs = 500;
const roundsMs = 1000;
/** Nothing was done in it. */
const emptyRoundMs = 0.02;

interface Flood {
  readonly name: string;
  readonly kind: 'pour' | 'knock' | 'refused' | 'malformed' | 'pipelined' | 'idle' | 'deaf' | 'drip';
  readonly frames?: 'pings' | 'pongs' | 'json-pings' | 'empty' | 'small' | 'fragments' | 'large' | 'acks';
  readonly connections: number;
  /** They come from so many; default 1. */
  readonly addresses?: number;
}
const floods: readonly Flood[] = [
  { name: 'pings', kind: 'pour', frames: 'pings', connections: 10 },
  { name: 'pongs', kind: 'pour', frames: 'pongs', connections: 10 },
  { name: 'JSON pings', kind: 'pour', frames: 'json-pings', connections: 10 },
  { name: 'empty messages', kind: 'pour', frames: 'empty', connections: 10 },
  { name: 'messages of 10 B', kind: 'pour', frames: 'small', connections: 10 },
  { name: 'fragments of 1 B', kind: 'pour', frames: 'fragments', connections: 10 },
  { name: 'messages of 1 MiB', kind: 'pour', frames: 'large', connections: 10 },
  { name: 'acks of holdfast.v1', kind: 'pour', frames: 'acks', connections: 10 },
  { name: 'connect and leave, one address', kind: 'knock', connections: 20 },
  { name: 'connect and leave, 200 addresses', kind: 'knock', connections: 20, addresses: 200 },
  { name: 'refused by Origin, one address', kind: 'refused', connections: 20 },
  { name: 'refused by Origin, 200 addresses', kind: 'refused', connections: 20, addresses: 200 },
  { name: 'malformed upgrades', kind: 'malformed', connections: 20 },
  { name: 'pipelined requests', kind: 'pipelined', connections: 20 },
  { name: 'TCP connections that say nothing', kind: 'idle', connections: 500 },
  { name: 'clients that never read', kind: 'deaf', connections: 20 },
  { name: 'one byte a second', kind: 'drip', connections: 200 },
];

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '20' },
    interval: { type: 'string', default: '25' },
    only: { type: 'string', default: '' },
    gateway: { type: 'string' },
    priority: { type: 'boolean', default: false },
    spread: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const seconds = positive('seconds', values.seconds);
const rounds = positive('rounds', values.rounds);
const clients = positive('clients', values.clients);
const intervalMs = positive('interval', values.interval);
const words = values.only.split(',');
const chosen = floods.filter(({ name }) => words.some((word) => name.includes(word)));
if (chosen.length === 0)
  throw new Error(`--only ${values.only}: there is ${floods.map(({ name }) => name).join(', ')}`);

if (values.priority && !takePriority()) throw new Error('--priority: this user may not.');
const machine = describeMachine();

interface Trips {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}
interface Row {
  readonly flood: string;
  readonly connections: number;
  readonly before: Trips;
  readonly beside: Trips;
  /** Beside the same flood of a server that does nothing. */
  readonly bare: Trips;
  /** Of the p99 beside it to the one before. */
  readonly ratio: number;
  /** To the one beside the same flood of the bare server. */
  readonly ratioToBare: number;
  /** CPU time of a round of the gateway's event loop: 99 of 100 messages that come while it computes find a shorter one. */
  readonly roundMs: number;
  /** How long the gateway's main thread could have run and something else did, of the whole time. */
  readonly keptWaitingPercent: number;
  readonly gatewayCpuPercent: number;
  readonly megabytesPerSecond: number;
  readonly accepted: number;
  readonly refused: number;
  readonly goodClosed: number;
}
type Counts = Readonly<Record<'bytes' | 'connections' | 'refused' | 'closed', number>>;

const build = buildGateway(values.gateway);
const startSide = (file: string) =>
  ManagedChild.start<{ readonly port: number }>({
    module: new URL(`./support/${file}`, import.meta.url),
    argument: {},
    what: file,
  });
const [good, bad, bare] = await Promise.all([
  startSide('flood-good.mjs'),
  startSide('flood-bad.mjs'),
  startSide('flood-bare.mjs'),
]);
const gateway = await startGatewayProcess(
  null,
  { backends: [{ id: 'good', url: `ws://127.0.0.1:${good.ready.port}` }], limits: { exemptAddresses: ['127.0.0.1'] } },
  { count: false, build: new URL('index.js', pathToFileURL(build.command)).href },
);
const rows: Row[] = [];
try {
  const pinned =
    canPin() &&
    pinTo(0, gateway.pid) &&
    pinTo(0, bare.child.pid) &&
    pinTo(1, good.child.pid) &&
    pinTo(1, bad.child.pid);
  if (pinned && values.priority) goFirst(good.child.pid);
  const idle = pinned && makeIdle(bare.child.pid) && makeIdle(bad.child.pid);
  if (pinned && values.spread) spreadThreads(gateway.pid);
  await good.child.request({ do: 'connect', port: gateway.port, path: '/ws', count: clients, intervalMs }, 20_000);
  // What is hostile gets a backend of its own: it is the gateway that is measured.
  await gateway.admin('PATCH', '/backends/good', { adminState: 'disabled' });
  await gateway.admin('POST', '/backends', { id: 'bad', url: `ws://127.0.0.1:${bad.ready.port}` });
  for (const flood of chosen) rows.push(await measureBeside(flood));
  print(pinned, idle);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  await Promise.all([gateway.kill(), ...[good, bad, bare].map(({ child }) => child.kill())]);
}

async function measureBeside(flood: Flood): Promise<Row> {
  const before: Trips[] = [];
  const beside: Trips[] = [];
  const besideBare: Trips[] = [];
  const rounded: number[] = [];
  const kept: number[] = [];
  let cpuMs = 0;
  let goodClosed = 0;
  const counts = { bytes: 0, connections: 0, refused: 0 };
  for (let round = 0; round < rounds; round += 1) {
    await bad.child.request({ do: 'compute' }, 30_000);
    await sleep(settleMs);
    before.push(tripsOf((await measure()).times));
    await stop();
    await start(flood, bare.ready.port);
    besideBare.push(tripsOf((await measure()).times));
    await stop();
    await start(flood, gateway.port);
    const cpuAtStart = gateway.cpuMs();
    const waitedAtStart = waitedMs(gateway.pid);
    const measured = await measure();
    kept.push((waitedMs(gateway.pid) - waitedAtStart) / (seconds * 10));
    cpuMs += gateway.cpuMs() - cpuAtStart;
    beside.push(tripsOf(measured.times));
    rounded.push(roundOf(await gateway.rounds(roundsMs)));
    goodClosed += measured.closed;
    const { bytes, connections, refused } = await stop();
    counts.bytes += bytes;
    counts.connections += connections;
    counts.refused += refused;
  }
  const one = { before: medianOf(before), beside: medianOf(beside), bare: medianOf(besideBare) };
  const totalSeconds = rounds * (seconds + settleMs / 1000);
  return {
    flood: flood.name,
    connections: flood.connections,
    ...one,
    ratio: one.beside.p99 / one.before.p99,
    ratioToBare: one.beside.p99 / one.bare.p99,
    roundMs: rounded.sort((a, b) => a - b)[Math.floor((rounds - 1) / 2)] ?? Number.NaN,
    keptWaitingPercent: kept.reduce((sum, one) => sum + one, 0) / rounds,
    gatewayCpuPercent: cpuMs / (rounds * seconds * 10),
    megabytesPerSecond: counts.bytes / 1e6 / totalSeconds,
    accepted: counts.connections,
    refused: counts.refused,
    goodClosed,
  };
}

async function start(flood: Flood, port: number): Promise<void> {
  await bad.child.request({ do: 'start', port, path: '/ws', flood }, 30_000);
  await sleep(settleMs);
}

function measure(): Promise<{ readonly times: Float64Array; readonly closed: number }> {
  return good.child.request({ do: 'measure', ms: seconds * 1000 }, seconds * 1000 + 30_000);
}

async function stop(): Promise<Counts> {
  const counts = await bad.child.request<Counts>({ do: 'stop' }, 30_000);
  // What lies in buffers is worked through.
  await sleep(settleMs);
  return counts;
}

function tripsOf(times: Float64Array): Trips {
  const sorted = times.slice().sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}

function roundOf(all: Float64Array): number {
  const busy = all.filter((ms) => ms > emptyRoundMs).sort();
  const total = busy.reduce((sum, ms) => sum + ms, 0);
  let below = 0;
  // The longer a round lasts, the likelier it is that a message comes in it.
  for (const ms of busy) {
    below += ms;
    if (below >= 0.99 * total) return ms;
  }
  return 0;
}

function medianOf(all: readonly Trips[]): Trips {
  const middle = (of: 'count' | 'p50' | 'p99'): number =>
    all.map((trips) => trips[of]).sort((a, b) => a - b)[Math.floor((all.length - 1) / 2)] ?? 0;
  return { count: middle('count'), p50: middle('p50'), p99: middle('p99') };
}

function print(pinned: boolean, idle: boolean): void {
  const where = pinned
    ? `Gateway on core 0, ${values.spread ? "V8's other threads on core 1" : 'alone'}; good clients and flood on core 1, the flood at ${idle ? 'idle' : 'the same'} priority`
    : 'Not pinned to cores';
  console.log(`
Round trips of ${clients} good clients, 128 B each ${intervalMs} ms, beside a flood. ${where}.
${new Date().toISOString().slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, load average ${machine.loadAverage} before, commit ${build.commit}. Medians of ${rounds} rounds of ${seconds} s.

| flood | connections | p50 before, ms | p50 beside | p99 before | p99 beside | p99 beside it at a bare server | ratio to before | ratio to bare | round, CPU ms | kept waiting | gateway CPU | flood, MB/s | let in | refused |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|`);
  for (const row of rows) {
    const cells = [
      row.flood,
      row.connections,
      row.before.p50.toFixed(2),
      row.beside.p50.toFixed(2),
      row.before.p99.toFixed(2),
      row.beside.p99.toFixed(2),
      row.bare.p99.toFixed(2),
      row.ratio.toFixed(1),
      row.ratioToBare.toFixed(1),
      row.roundMs.toFixed(2),
      `${row.keptWaitingPercent.toFixed(0)} %`,
      `${row.gatewayCpuPercent.toFixed(0)} %`,
      row.megabytesPerSecond.toFixed(1),
      row.accepted,
      row.refused,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  const closed = rows.reduce((sum, row) => sum + row.goodClosed, 0);
  const named = (over: (row: Row) => number): string =>
    rows
      .filter((row) => !(over(row) <= goal))
      .map((row) => `${row.flood} (${over(row).toFixed(1)})`)
      .join(', ') || 'none';
  const missed = named(({ ratio, ratioToBare }) => Math.min(ratio, ratioToBare));
  console.log(`
Good clients closed: ${closed}. p99 more than doubles beside: ${named(({ ratio }) => ratio)}. More than twice what it is beside the bare server as well: ${missed}.`);
  if (closed > 0 || missed !== 'none') process.exitCode = 1;
}

/** Time its main thread could have run and did not, milliseconds since its start. */
function waitedMs(pid: number): number {
  const [, waited = '0'] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ');
  return Number(waited) / 1e6;
}

/** All threads of a process but the first to core 1. */
function spreadThreads(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`))
    if (Number(thread) !== pid) execFileSync('taskset', ['-pc', '1', thread], { stdio: 'ignore' });
}

/** Whenever it has something to do, it does it. */
function goFirst(pid: number): void {
  execFileSync('chrt', ['--rr', '--all-tasks', '--pid', '1', String(pid)], { stdio: 'ignore' });
}

/** It computes only where nobody else wants to; false where that cannot be set. */
function makeIdle(pid: number): boolean {
  try {
    execFileSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`--${name} must be a positive integer, not ${text}`);
  return value;
}
