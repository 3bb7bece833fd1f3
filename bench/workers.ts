/**
 * What worker processes cost: CPU per message of a gateway with one worker, with two, and without any, in turns in one run.
 *
 *     npm run bench:workers -- [--rounds n] [--workers 2] [--gateway <folder or git revision>] [--json file]
 *
 * All processes of the gateway count, the primary too. They share core 0, the load has core 1, so messages per second do not grow with the
 * workers here: that takes a core for each, and as much again for what loads them.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Cell, cpuRatio, describeCell, measureRelays } from './groups/relay.ts';
import { holdfast } from './peers/subject.ts';
import { buildGateway } from './support/build.ts';
import { canPin, describeMachine, needProc, ownVersion, takePriority } from './support/machine.ts';
import { median } from './support/statistics.ts';
import { figure, table } from './support/table.ts';

/** CPU per message with several workers to that with one. */
const goal = 1.1;
const cells: readonly Cell[] = [
  { connections: 50, inFlight: 4, bytes: 128 },
  { connections: 50, inFlight: 1, bytes: 128 },
  { connections: 20, inFlight: 4, bytes: 16_384 },
  { connections: 1000, inFlight: 1, bytes: 128 },
];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    workers: { type: 'string', default: '2' },
    gateway: { type: 'string' },
    json: { type: 'string' },
  },
});
const several = Number(values.workers);
const rounds = Number(values.rounds);
if (!(Number.isInteger(several) && several > 1 && Number.isInteger(rounds) && rounds > 0))
  throw new Error('--workers must be a whole number from 2, --rounds one from 1');
needProc();
if (!canPin()) console.log('One core, or no taskset: the ratios are less steady.');
const build = buildGateway(values.gateway);
takePriority();
const names = { none: 'no workers', one: '1 worker', several: `${several} workers` };
const withWorkers = (name: string, workers: number) => holdfast(build, ownVersion(), { workers }, name);
const gateways = [withWorkers(names.none, 0), withWorkers(names.one, 1), withWorkers(names.several, several)];
const results = await measureRelays(gateways, { cells, rounds, slices: 2, sliceMs: 400 });
const showRatio = ({ median: middle, low, high }: ReturnType<typeof cpuRatio>) =>
  `**${figure(middle)}** (${figure(low)} to ${figure(high)})`;
const rows = results.map((result) => {
  const middle = (name: string, key: 'cpuUs' | 'messagesPerSecond') =>
    figure(median((result.samples[name] ?? []).map((sample) => sample[key])));
  return [
    describeCell(result.cell),
    showRatio(cpuRatio(result, names.several, names.one)),
    showRatio(cpuRatio(result, names.one, names.none)),
    ...Object.values(names).map((name) => middle(name, 'cpuUs')),
    ...Object.values(names).map((name) => middle(name, 'messagesPerSecond')),
  ];
});
const of = (what: string) => Object.values(names).map((name) => `${name}, ${what}`);
const { cores, cpu, node } = describeMachine();
console.log(`${cores} x ${cpu}, Node ${node}, commit ${build.commit}, ${rounds} rounds\n`);
console.log(
  table(
    [
      'connections x in flight x size',
      `CPU of ${names.several} to ${names.one}`,
      'of 1 worker to none',
      ...of('us/message'),
      ...of('messages/s'),
    ],
    rows,
  ),
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results)}\n`);
const over = results.filter((result) => cpuRatio(result, names.several, names.one).median > goal);
for (const { cell } of over) console.error(`${describeCell(cell)}: over ${goal} times the CPU of one worker.`);
process.exit(over.length > 0 ? 1 : 0);
