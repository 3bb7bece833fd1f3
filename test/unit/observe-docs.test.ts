import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { eventTable } from '../../src/observe/event-table.ts';
import { GatewayMetrics } from '../../src/observe/metrics.ts';
import { workerMetrics } from '../../src/workers/metrics-gathering.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

/** Rows of the table below a heading of docs/OPERATIONS.md: their cells, without back quotes. */
async function rows(heading: string): Promise<string[][]> {
  const page = await read('docs/OPERATIONS.md');
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  assert.ok(section !== undefined, `there is no section "${heading}"`);
  const lines = section.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
const names = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

test('docs/OPERATIONS.md lists every event with its level and its fields, and no other', async () => {
  const told = (await rows('Events in the log')).map(([name, level, fields]) => [
    names(name)[0],
    level,
    names(fields).sort(),
  ]);
  const known = Object.entries(eventTable).map(([name, row]) => [name, row.level, Object.keys(row.fields).sort()]);
  assert.deepEqual(told.sort(), known.sort());
});

test('every event has a meaning of its own', async () => {
  const meanings = (await rows('Events in the log')).map((cells) => cells[3] ?? '');
  assert.equal(new Set(meanings).size, Object.keys(eventTable).length);
  for (const meaning of meanings) assert.ok(meaning.length > 10, meaning);
});

test('docs/OPERATIONS.md lists every metric with its type, labels and help, and no other', async () => {
  const told = (await rows('Metrics')).map(([name, type, labels, help]) => [
    names(name)[0],
    type,
    names(labels).sort(),
    help,
  ]);
  const { registry } = new GatewayMetrics({ version: '0.0.0' });
  const known = (await registry.getMetricsAsJSON()).map(({ name, type, help }) => {
    const { labelNames } = registry.getSingleMetric(name) as unknown as { labelNames: string[] };
    return [name, String(type), [...labelNames].sort(), help];
  });
  assert.deepEqual(told.sort(), known.sort());
});

test('docs/OPERATIONS.md lists what is shown of the workers themselves', async () => {
  const told = (await rows('Workers')).map(([name, type, help]) => [names(name)[0], type, help]);
  assert.deepEqual(
    told,
    workerMetrics.map(({ name, type, help }) => [name, type, help]),
  );
});

test('metrics are named by the rules of Prometheus: a unit where there is one, _total for counters', async () => {
  for (const { name, type: kind } of await new GatewayMetrics({ version: '0.0.0' }).registry.getMetricsAsJSON()) {
    const type = String(kind);
    assert.match(name, /^holdfast_[a-z]+(_[a-z]+)*$/);
    assert.equal(type === 'counter', name.endsWith('_total'), name);
    if (type === 'histogram') assert.match(name, /_seconds$/);
    assert.doesNotMatch(name, /_(ms|milliseconds|kb|minutes)(_|$)/);
  }
});

test('docs/OPERATIONS.md has a row for every alert, and every metric it speaks of exists', async () => {
  const page = await read('docs/OPERATIONS.md');
  const alerts = [...(await read('deploy/prometheus/alerts.yml')).matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  assert.ok(alerts.length >= 6);
  const told = [...page.matchAll(/^\| `(Holdfast\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(told.sort(), alerts.sort());
  const ofWorkers = workerMetrics.map(({ name }) => name);
  const known = new Set<string>([...new GatewayMetrics({ version: '0.0.0' }).names, ...ofWorkers]);
  for (const [name] of page.matchAll(/\bholdfast_[a-z_]+/g)) assert.ok(known.has(name), name);
});

test('links inside docs/OPERATIONS.md lead to headings', async () => {
  const page = await read('docs/OPERATIONS.md');
  const anchors = [...page.matchAll(/^## (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
  assert.ok(links.length > 5);
  for (const link of links) assert.ok(anchors.includes(link ?? ''), link);
});
