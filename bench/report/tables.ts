/** The tables of a result, for the terminal and for docs/PERFORMANCE.md. */
import { strategies } from '../groups/growth.ts';
import { type CellResult, cpuRatio, describeCell, type Sample } from '../groups/relay.ts';
import type { BenchResult, GroupName } from '../support/result-file.ts';
import { growthExponent, median, pairedRatio, type Ratio } from '../support/statistics.ts';
import { figure, table } from '../support/table.ts';

export const subject = 'Holdfast';

export function tablesOf(result: BenchResult, group: GroupName): string[] {
  switch (group) {
    case 'goals':
      return (result.goals ?? []).map(relayTable);
    case 'relay':
      return result.relay === undefined ? [] : [matrixTable(result.relay), ...result.relay.map(relayTable)];
    case 'journal':
      return result.journal === undefined ? [] : [journalTable(result.journal)];
    case 'setup':
      return result.setup === undefined ? [] : [setupTable(result.setup)];
    case 'memory':
      return result.memory === undefined ? [] : [memoryTable(result.memory)];
    case 'heartbeat':
      return result.heartbeat === undefined ? [] : [heartbeatTable(result.heartbeat)];
    case 'failover':
      return result.failover === undefined ? [] : [failoverTable(result.failover)];
    case 'growth':
      return result.growth === undefined ? [] : [...growthTables(result.growth), exponentTable(result)];
  }
}

function showRatio({ median: middle, low, high, rounds }: Ratio): string {
  if (Number.isNaN(middle)) return '';
  return rounds < 2 ? figure(middle) : `**${figure(middle)}** (${figure(low)} to ${figure(high)})`;
}

/** One cell, all contenders. */
export function relayTable(result: CellResult): string {
  const rows = Object.entries(result.samples).map(([name, samples]) => {
    const of = (key: keyof Sample): string => figure(median(samples.map((sample) => sample[key])));
    const relays = name !== 'direct';
    return [
      name,
      relays && name !== subject ? showRatio(cpuRatio(result, subject, name)) : '',
      relays ? of('cpuUs') : '',
      of('messagesPerSecond'),
      of('p50Ms'),
      of('p99Ms'),
      of('p999Ms'),
      relays ? `${figure(100 * median(samples.map(({ busy }) => busy)))} %` : '',
    ];
  });
  const head = ['CPU of Holdfast to it', 'CPU us/message', 'messages/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'of its core'];
  return table([describeCell(result.cell), ...head], rows);
}

/** All cells: CPU of Holdfast to that of each other. */
export function matrixTable(results: readonly CellResult[]): string {
  const names = Object.keys(results[0]?.samples ?? {});
  const others = names.filter((name) => name !== subject && name !== 'direct');
  const rows = results.map((result) => [
    describeCell(result.cell),
    figure(median((result.samples[subject] ?? []).map(({ cpuUs }) => cpuUs))),
    ...others.map((name) => figure(cpuRatio(result, subject, name).median)),
  ]);
  return table(['connections x in flight x size', 'CPU us', ...others.map((name) => `to ${name}`)], rows);
}

export const atLeastOnce = 'at-least-once';
export const atMostOnce = 'at-most-once';

function journalTable(results: readonly CellResult[]): string {
  const cost = ({ samples }: CellResult, name: string): string =>
    figure(median((samples[name] ?? []).map(({ cpuUs }) => cpuUs)));
  const rows = results.map((result) => [
    describeCell(result.cell),
    showRatio(cpuRatio(result, atLeastOnce, atMostOnce)),
    cost(result, atLeastOnce),
    cost(result, atMostOnce),
  ]);
  return table(['connections x in flight x size', 'journal on to off', 'on, CPU us', 'off, CPU us'], rows);
}

function setupTable(setup: NonNullable<BenchResult['setup']>): string {
  const costs = (name: string): number[] => (setup[name] ?? []).map(({ cpuUs }) => cpuUs);
  const rows = Object.entries(setup).map(([name, samples]) => {
    const relays = name !== 'direct';
    return [
      name,
      relays && name !== subject ? showRatio(pairedRatio(costs(subject), costs(name))) : '',
      relays ? figure(median(costs(name))) : '',
      figure(median(samples.map(({ perSecond }) => perSecond))),
    ];
  });
  return table(['set-up', 'CPU of Holdfast to it', 'CPU us/connection', 'connections/s'], rows);
}

function memoryTable(memory: NonNullable<BenchResult['memory']>): string {
  const sizes = Object.values(memory)[0]?.map(({ pipes }) => pipes) ?? [];
  const rows = Object.entries(memory).map(([name, points]) => [
    name,
    ...points.map(({ bytesPerPipe }) => `${figure(bytesPerPipe / 1024)} KiB`),
    `${figure((points.at(-1)?.residentBytes ?? 0) / 2 ** 20)} MiB`,
  ]);
  return table(['resident, for each idle pipe', ...sizes.map((size) => size.toLocaleString('en')), 'in all'], rows);
}

function heartbeatTable({ pipes, rows }: NonNullable<BenchResult['heartbeat']>): string {
  return table(
    [`${pipes.toLocaleString('en')} idle pipes, interval`, 'CPU of one core', 'pings/s', 'CPU us per ping and pong'],
    rows.map(({ intervalMs, cpuPercent, pingsPerSecond, cpuUsPerPing }) => [
      intervalMs === 0 ? 'off' : `${intervalMs / 1000} s`,
      `${figure(cpuPercent)} %`,
      pingsPerSecond.toLocaleString('en'),
      cpuUsPerPing === null ? '' : figure(cpuUsPerPing),
    ]),
  );
}

function failoverTable(rows: NonNullable<BenchResult['failover']>): string {
  return table(
    ['what', 'who', 'pipes', 'lost', 'twice', 'closed', 'of sent', 'what of', 'p50 ms', 'p99 ms', 'max ms'],
    rows.map((row) => [
      row.what,
      row.who,
      row.pipes.toLocaleString('en'),
      row.lost.toLocaleString('en'),
      row.twice.toLocaleString('en'),
      row.closed.toLocaleString('en'),
      row.sent.toLocaleString('en'),
      row.never === 0 ? row.times : `${row.times} (${row.never} never)`,
      row.p50Ms.toLocaleString('en'),
      row.p99Ms.toLocaleString('en'),
      row.maxMs.toLocaleString('en'),
    ]),
  );
}

/** Of y = c * x^k: 0 = constant, 1 = linear. */
function exponentTable(result: BenchResult): string {
  const { picks = [], setups = [], listings = [] } = result.growth ?? {};
  const idle = (result.memory?.[subject] ?? []).filter(({ pipes }) => pipes >= 1000);
  const sizes = [...(result.goals ?? []), ...(result.relay ?? [])].filter(
    ({ cell }) => cell.bytes >= 16_384 && cell.inFlight < 64,
  );
  const cost = ({ samples }: CellResult): number => median((samples[subject] ?? []).map(({ cpuUs }) => cpuUs));
  const rows: [string, string, (readonly [number, number])[]][] = [
    ...strategies.map((name): [string, string, (readonly [number, number])[]] => [
      `time to pick a backend, ${name}`,
      'backends',
      picks.map((row) => [row.backends, row[name]] as const),
    ]),
    ['CPU to set up a connection', 'backends', setups.map(({ backends, cpuUs }) => [backends, cpuUs] as const)],
    ['resident memory', 'pipes, from 1,000', idle.map(({ pipes, residentBytes }) => [pipes, residentBytes] as const)],
    [
      'time of GET /pipes, 100 rows',
      'pipes',
      listings.filter(({ limit }) => limit === 100).map(({ pipes, p50Ms }) => [pipes, p50Ms] as const),
    ],
    ['CPU for one message', 'its size, from 16 KiB', sizes.map((one) => [one.cell.bytes, cost(one)] as const)],
  ];
  return table(
    ['grows with x^k (0 = not at all, 1 = linear)', 'x', 'from', 'to', 'k'],
    rows
      .filter(([, , points]) => points.length > 1)
      .map(([what, x, points]) => {
        const all = points.map(([value]) => value);
        const range = [Math.min(...all), Math.max(...all)].map((value) => value.toLocaleString('en'));
        return [what, x, ...range, growthExponent(points).toFixed(2)];
      }),
  );
}

function growthTables({ picks, setups, listings }: NonNullable<BenchResult['growth']>): string[] {
  return [
    table(
      ['backends', ...strategies.map((name) => `${name}, us`), 'CPU us to set up a connection'],
      picks.map((row, index) => [
        row.backends.toLocaleString('en'),
        ...strategies.map((name) => figure(row[name])),
        figure(setups[index]?.cpuUs),
      ]),
    ),
    table(
      ['GET /pipes, pipes open', 'rows', 'p50 ms', 'max ms', 'KiB'],
      listings.map(({ pipes, limit, p50Ms, maxMs, bytes }) => [
        pipes.toLocaleString('en'),
        Math.min(pipes, limit).toLocaleString('en'),
        figure(p50Ms),
        figure(maxMs),
        figure(bytes / 1024),
      ]),
    ),
  ];
}
