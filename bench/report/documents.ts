/** The parts of README.md and docs/PERFORMANCE.md that follow from the published run: what stands between <!-- bench:name --> and <!-- /bench:name -->. */
import { cpuRatio, describeCell } from '../groups/relay.ts';
import { type BenchResult, groupNames } from '../support/result-file.ts';
import { figure, table } from '../support/table.ts';
import { chartsOf } from './charts.ts';
import { subject, tablesOf } from './tables.ts';

export const chartFolder = 'docs/charts';
export const documents = ['README.md', 'docs/PERFORMANCE.md'] as const;

/** Path and content of every file that follows from the result. @param read what a document holds now. */
export function filesOf(result: BenchResult, read: (path: string) => string): Readonly<Record<string, string>> {
  const charts = Object.entries(chartsOf(result)).map(([name, svg]) => [`${chartFolder}/${name}`, svg] as const);
  const texts = documents.map((path) => [path, fillIn(read(path), partsOf(result))] as const);
  return Object.fromEntries([...charts, ...texts]);
}

/** @throws for a mark that nothing belongs to, or that does not end: it would keep old figures. */
export function fillIn(document: string, parts: Readonly<Record<string, string>>): string {
  const begun = [...document.matchAll(/<!-- bench:([\w-]+) -->/g)].map(([, name]) => name!);
  let filled = document;
  for (const name of begun) {
    const part = parts[name];
    if (part === undefined) throw new Error(`<!-- bench:${name} -->: the published run has no ${name}`);
    const [from, to] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const start = filled.indexOf(from) + from.length;
    const end = filled.indexOf(to, start);
    if (end < 0) throw new Error(`${from} does not end`);
    filled = `${filled.slice(0, start)}\n\n${part}\n\n${filled.slice(end)}`;
  }
  return filled;
}

function partsOf(result: BenchResult): Readonly<Record<string, string>> {
  const parts: Record<string, string> = { machine: machineLine(result) };
  for (const name of groupNames) {
    const tables = tablesOf(result, name);
    if (tables.length > 0) parts[name] = tables.join('\n\n');
  }
  if (result.relay !== undefined) parts['matrix'] = tablesOf(result, 'relay')[0]!;
  if (result.goals !== undefined && result.memory !== undefined) parts['summary'] = summaryTable(result);
  return parts;
}

function machineLine({ at, commit, machine, pinned, priority = false, seconds, versions }: BenchResult): string {
  const programs = Object.entries(versions)
    .filter(([name, version]) => version !== '' && name !== 'net relay' && !name.endsWith('wsReconnect'))
    .map(([name, version]) => `${name === 'ws relay' ? 'ws' : name} ${version}`);
  const cores = pinned ? 'relays alone on core 0, load and backend on core 1' : 'not pinned to cores';
  const other = `load average ${machine.loadAverage} when it began${priority ? ', measured ahead of the rest' : ''}`;
  return (
    `Measured on ${at.slice(0, 10)} at commit ${commit} in ${Math.round(seconds / 60)} minutes: ${machine.cpu} (virtual, ${machine.cores} cores, ` +
    `${machine.memoryGiB} GiB), Linux ${machine.kernel.split('-')[0]}, Node ${machine.node.slice(1)}; ${programs.join(', ')}; ${cores}; ${other}.`
  );
}

/** What most people compare with. */
const compared = ['@fastify/http-proxy', 'http-proxy', 'ws relay', 'net relay', 'nginx', 'HAProxy'];
const comparedPipes = 5000;

function summaryTable({ goals = [], memory = {} }: BenchResult): string {
  const bytes = (name: string): number =>
    memory[name]?.find(({ pipes }) => pipes === comparedPipes)?.bytesPerPipe ?? Number.NaN;
  const there = compared.filter((name) => goals[0]?.samples[name] !== undefined);
  const rows = there.map((name) => [
    name,
    ...goals.map((result) => figure(cpuRatio(result, subject, name).median)),
    figure(bytes(subject) / bytes(name)),
  ]);
  const head = ['Holdfast to', ...goals.map(({ cell }) => `CPU, ${describeCell(cell)}`)];
  return table([...head, `memory of ${comparedPipes.toLocaleString('en')} idle`], rows);
}
