/** The charts of a result. */

import { strategies } from '../groups/growth.ts';
import { describeBytes, describeCell } from '../groups/relay.ts';
import type { BenchResult } from '../support/result-file.ts';
import { median } from '../support/statistics.ts';
import { figure } from '../support/table.ts';
import { type Axis, type Bar, barChart, lineChart, type Series } from './svg.ts';
import { subject } from './tables.ts';

/** By file name, without those whose group was not measured. */
export function chartsOf(result: BenchResult): Readonly<Record<string, string>> {
  const charts: Record<string, string | undefined> = {
    'cpu.svg': cpuChart(result),
    'size.svg': sizeChart(result),
    'memory.svg': memoryChart(result),
    'picks.svg': picksChart(result),
  };
  return Object.fromEntries(Object.entries(charts).filter(([, svg]) => svg !== undefined)) as Record<string, string>;
}

function where({ at, machine }: BenchResult): string {
  return `${machine.cpu}, ${machine.cores} cores, Node ${machine.node.slice(1)}, ${at.slice(0, 10)}`;
}

const cpuOf = (samples: readonly { readonly cpuUs: number }[]): number => median(samples.map(({ cpuUs }) => cpuUs));

function bar(name: string, value: number, text: string): Bar {
  return { label: name, value, text, ours: name === subject };
}

function cpuChart(result: BenchResult): string | undefined {
  const { goals } = result;
  if (goals === undefined) return undefined;
  const panels = goals.map(({ cell, samples }) => ({
    title: describeCell(cell),
    bars: Object.entries(samples)
      .filter(([name]) => name !== 'direct')
      .map(([name, all]) => bar(name, cpuOf(all), figure(cpuOf(all)))),
  }));
  const note = `Microseconds; connections x messages in flight x size. Less is better. ${where(result)}`;
  return barChart('CPU of the relay for one message there and back', note, panels);
}

function memoryChart(result: BenchResult): string | undefined {
  const { memory } = result;
  if (memory === undefined) return undefined;
  const sizes = (Object.values(memory)[0] ?? []).map(({ pipes }) => pipes).filter((pipes) => pipes >= 1000);
  const panels = sizes.map((pipes) => ({
    title: `${pipes.toLocaleString('en')} connections`,
    bars: Object.entries(memory).map(([name, points]) => {
      const kib = (points.find((point) => point.pipes === pipes)?.bytesPerPipe ?? Number.NaN) / 1024;
      return bar(name, kib, figure(kib));
    }),
  }));
  const note = `KiB by which the relay's resident memory grows. Less is better. ${where(result)}`;
  return barChart('Memory for each idle connection', note, panels);
}

function sizeChart(result: BenchResult): string | undefined {
  const cells = [...(result.goals ?? []), ...(result.relay ?? [])].filter(
    ({ cell }) => cell.inFlight > 1 && cell.inFlight < 64 && cell.connections <= 50,
  );
  if (result.relay === undefined) return undefined;
  const bySize = new Map(cells.map((one) => [one.cell.bytes, one] as const));
  const sizes = [...bySize.keys()].sort((a, b) => a - b);
  const names = Object.keys(result.relay[0]?.samples ?? {}).filter((name) => name !== 'direct');
  const series = names.map((name): Series => {
    const points = sizes.map((size) => [size, cpuOf(bySize.get(size)!.samples[name] ?? [])] as const);
    return { name, points, ours: name === subject };
  });
  const x: Axis = {
    title: 'bytes of a message',
    ticks: sizes.map((value) => ({ value, label: describeBytes(value) })),
  };
  const y = { title: 'microseconds of CPU', ticks: decades(series) };
  return lineChart('CPU of the relay for one message, by its size', where(result), x, y, series);
}

function picksChart(result: BenchResult): string | undefined {
  const { growth } = result;
  if (growth === undefined) return undefined;
  const series = strategies.map(
    (name): Series => ({ name, points: growth.picks.map((row) => [row.backends, row[name]] as const), ours: false }),
  );
  const x: Axis = {
    title: 'backends registered',
    ticks: growth.picks.map(({ backends }) => ({ value: backends, label: backends.toLocaleString('en') })),
  };
  const y = { title: 'microseconds', ticks: decades(series) };
  return lineChart('To pick a backend, lease it and give it back', where(result), x, y, series);
}

/** Powers of ten around all values. */
function decades(series: readonly Series[]): Axis['ticks'] {
  const values = series.flatMap(({ points }) => points.map(([, y]) => y));
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: high - low + 1 }, (_, step) => {
    const value = 10 ** (low + step);
    return { value, label: value.toLocaleString('en') };
  });
}
