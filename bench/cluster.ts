/**
 * What it costs to be one of several gateways on one Redis: on the way of a message, by the number of gateways, and in Redis for each pipe.
 *
 *     npm run bench:cluster -- [--quick] [--only store,gateways,pipes,records] [--priority] [--json file]
 *
 *   store     CPU per message with a store and without one, in turns in one run
 *   gateways  1, 2 and 3 gateways under the same load
 *   pipes     keys, bytes, calls and CPU of Redis: gateways at rest, a resumable pipe that begins, one that is handed over
 *   records   the same of 100,000 records and of beats, and what is computed from it for 1,000,000 pipes
 *
 * Needs Linux and redis-server. With two cores or more all gateways have core 0; the load, its backend and Redis have core 1: with two cores more gateways
 * cannot do more, they only share one core. --priority (root) goes before whatever else the machine does. Exits with 1 where the store costs more than 3 %.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  cell,
  contenders,
  type GatewaysRow,
  measureGateways,
  measurePipes,
  measureStore,
  type PipesRow,
} from './groups/cluster.ts';
import { type Model, measureRecords, modelOf, type RecordsRow } from './groups/cluster-records.ts';
import { describeCell } from './groups/relay.ts';
import { buildGateway } from './support/build.ts';
import { canPin, commit, describeMachine, needProc, ownVersion, takePriority } from './support/machine.ts';
import { BenchRedis } from './support/redis.ts';
import { median, type Ratio } from './support/statistics.ts';
import { figure, table } from './support/table.ts';

/** "CPU per message with Redis within 3 % of without." */
const goal = 1.03;
const all = ['store', 'gateways', 'pipes', 'records'] as const;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: all.join(',') },
    priority: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const wanted = values.only.split(',');
for (const name of wanted)
  if (!(all as readonly string[]).includes(name)) throw new Error(`--only knows ${all.join(', ')}, not ${name}`);
needProc();
if (values.priority && !takePriority()) throw new Error('--priority: this user may not.');
const machine = describeMachine();
const redis = await BenchRedis.start();
const subject = { build: buildGateway(), version: ownVersion(), redis };
console.log(
  `${machine.cores} x ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}, Redis ${redis.version}, commit ${commit()}, load average ${machine.loadAverage} before.`,
);
console.log(canPin() ? 'Gateways on core 0; load, backend and Redis on core 1.' : 'Not pinned to cores.');

const measured: Record<string, unknown> = {};
try {
  if (wanted.includes('store')) {
    const plan = values.quick ? { rounds: 2, slices: 6, sliceMs: 250 } : { rounds: 6, slices: 12, sliceMs: 300 };
    const { result, ratio, equal } = await measureStore(subject, plan);
    measured['store'] = { result, ratio, equal };
    const cost = (name: string): string => figure(median(result.samples[name]!.map(({ cpuUs }) => cpuUs)));
    print(
      [`${describeCell(cell)}, CPU us/message`, contenders.without, contenders.with, 'Redis to none', 'none to none'],
      [['', cost(contenders.without), cost(contenders.with), showRatio(ratio), showRatio(equal)]],
    );
    console.log(`${ratio.rounds} pairs; medians of their ratios, and quartiles.`);
    if (ratio.median > goal) {
      console.log(`With Redis a message costs more than ${figure(100 * (goal - 1))} % more.`);
      process.exitCode = 1;
    }
  }
  if (wanted.includes('gateways')) {
    const plan = values.quick ? { rounds: 1, sliceMs: 3000 } : { rounds: 5, sliceMs: 5000 };
    const rows = await measureGateways(subject, { numbers: [1, 2, 3], ...plan });
    measured['gateways'] = rows;
    printGateways(rows);
  }
  if (wanted.includes('pipes')) {
    const rows = await measurePipes(subject, values.quick ? 150 : 900);
    measured['pipes'] = rows;
    printPipes(rows);
  }
  if (wanted.includes('records')) {
    const costs = await measureRecords(redis, values.quick ? 10_000 : 100_000);
    measured['records'] = costs;
    printRecords(Object.values(costs));
    printModel(modelOf(costs, 1_000_000));
  }
} finally {
  await redis.stop();
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ at: new Date().toISOString(), machine, ...measured }, null, 1)}\n`);

function printGateways(rows: readonly GatewaysRow[]): void {
  print(
    [
      'gateways',
      'messages/s',
      'CPU us/message',
      'of their core',
      'p50 ms',
      'p99 ms',
      'published/s',
      'scripts/s',
      'Redis CPU',
    ],
    rows.map((row) => [
      `${row.gateways}`,
      figure(row.messagesPerSecond),
      figure(row.cpuUs),
      `${figure(100 * row.busy)} %`,
      figure(row.p50Ms),
      figure(row.p99Ms),
      figure(row.publishedPerSecond),
      figure(row.scriptsPerSecond),
      `${figure(row.redisPercent)} %`,
    ]),
  );
}

function printPipes(rows: readonly PipesRow[]): void {
  print(
    ['in Redis', 'scripts', 'published', 'CPU us', 'keys left', 'bytes left'],
    rows.map(({ what, ...row }, index) => [
      what,
      figure(row.scripts),
      figure(row.published),
      figure(row.cpuUs),
      figure(row.keys),
      // Of the others it is those of connections that come and go.
      index === 1 ? figure(row.bytes) : '',
    ]),
  );
}

function printRecords(rows: readonly RecordsRow[]): void {
  print(
    ['measured, one of each', 'bytes in Redis', 'Redis CPU us', 'gateway CPU us', 'bytes of answer'],
    rows.map((row, index) => [
      row.what,
      index < 2 ? figure(row.bytes) : '',
      figure(row.redisUs),
      figure(row.gatewayUs),
      figure(row.answerBytes),
    ]),
  );
}

function printModel(model: Model): void {
  const share = (value: number): string => `${figure(100 * value)} %`;
  const many = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 0 });
  print(
    [
      `computed: ${many(model.pipes)} resumable pipes with ids of their own, ${model.gateways} gateways`,
      '',
      "of Redis' core",
    ],
    [
      ['memory', `${figure(model.bytes / 1e9)} GB`, ''],
      ['records kept', `${many(model.keptPerSecond)}/s`, share(model.keeping)],
      [
        'beats',
        `${model.gateways}/s, ${figure(model.answerBytesPerSecond / 1e6)} MB/s of answers`,
        share(model.beating),
      ],
      ['all connect anew within a minute', `${many(model.writtenPerSecond)} writes/s`, share(model.storm)],
    ],
  );
}

function print(head: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`\n${table(head, rows)}`);
}

function showRatio({ median: middle, low, high }: Ratio): string {
  return `**${middle.toFixed(3)}** (${low.toFixed(3)} to ${high.toFixed(3)})`;
}
