import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Histogram } from 'prom-client';
import { GatewayMetrics } from '../../src/observe/metrics.ts';
import { needDebianPackages } from '../support/debian-packages.ts';

const run = promisify(execFile);
const path = (name: string) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const read = (name: string) => readFile(path(name), 'utf8');

/** Series names a query may use, with the labels they have. */
const series = new Map<string, readonly string[]>();
const { registry, names } = new GatewayMetrics({ version: '0.0.0' });
for (const name of names) {
  const metric = registry.getSingleMetric(name);
  const { labelNames } = metric as unknown as { labelNames: string[] };
  const labels = [...labelNames, 'instance', 'job'];
  if (!(metric instanceof Histogram)) series.set(name, labels);
  else for (const suffix of ['bucket', 'sum', 'count']) series.set(`${name}_${suffix}`, [...labels, 'le']);
}

function assertKnown(query: string): void {
  const used = [...query.matchAll(/\b(holdfast_\w+)(\{[^}]*\})?/g)];
  assert.ok(used.length > 0 || query.startsWith('up{'), query);
  for (const [, name = '', matchers = ''] of used) {
    const labels = series.get(name);
    assert.ok(labels !== undefined, `there is no metric ${name}: ${query}`);
    for (const [, label = ''] of matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g))
      assert.ok(labels.includes(label), `${name} has no label ${label}: ${query}`);
  }
  const known = new Set(used.flatMap(([, name = '']) => series.get(name) ?? []));
  for (const [, by = ''] of query.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of by.split(',')) assert.ok(known.has(label.trim()), `no label ${label.trim()}: ${query}`);
}

interface Dashboard {
  readonly panels: { id: number; type: string; title: string; targets?: { expr: string }[] }[];
  readonly templating: { list: { name: string; definition?: string }[] };
}
async function dashboardQueries(): Promise<string[]> {
  const { panels } = JSON.parse(await read('grafana/holdfast.json')) as Dashboard;
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

test('every query of the dashboard uses metrics and labels that exist', async () => {
  const queries = await dashboardQueries();
  assert.ok(queries.length > 40);
  for (const query of queries) assertKnown(query);
  const { panels, templating } = JSON.parse(await read('grafana/holdfast.json')) as Dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const { type, title, targets } of panels) assert.ok(type === 'row' || (targets ?? []).length > 0, title);
  for (const { definition } of templating.list)
    for (const [name] of definition?.matchAll(/holdfast_\w+/g) ?? []) assert.ok(series.has(name), name);
});

test('what these checks look for, they find', () => {
  for (const wrong of ['holdfast_nothing', 'holdfast_pipes{colour="red"}', 'sum by (colour) (holdfast_pipes)'])
    assert.throws(() => assertKnown(wrong), assert.AssertionError);
  assertKnown('sum by (state) (holdfast_pipes{state!="open"})');
});

test('the dashboard shows every metric', async () => {
  const shown = (await dashboardQueries()).join('\n');
  const missing = names.filter((name) => !shown.includes(name));
  assert.deepEqual(missing.sort(), [
    'holdfast_build_info',
    'holdfast_event_loop_stalls_total',
    'holdfast_links',
    'holdfast_pipes_limit',
  ]);
});

test('every alert uses metrics that exist, and is seen to fire and not to fire', async () => {
  const rules = (await read('prometheus/alerts.yml')).split('- alert: ').slice(1);
  const tests = await read('prometheus/alerts.test.yml');
  for (const rule of rules) {
    const name = /^\w+/.exec(rule)?.[0] ?? '';
    const expression = /expr: \|?([\s\S]*?)\n\s+(?:for|labels):/.exec(rule)?.[1] ?? '';
    assertKnown(expression.trim());
    assert.match(rule, /severity: (warning|critical)/, name);
    assert.match(tests, new RegExp(`alertname: ${name}, exp_alerts: \\[\\]`), `${name} is not seen to keep still`);
    assert.match(
      tests,
      new RegExp(`alertname: ${name}\\n\\s+exp_alerts:\\n\\s+- exp_labels`),
      `${name} is not seen to fire`,
    );
  }
});

test('promtool accepts the alerts, their tests and the configuration', async (t) => {
  if (!needDebianPackages(t, 'prometheus')) return;
  await run('promtool', ['check', 'rules', path('prometheus/alerts.yml')]);
  const { stdout } = await run('promtool', ['test', 'rules', path('prometheus/alerts.test.yml')]);
  assert.match(stdout, /SUCCESS/);
  await run('promtool', ['check', 'config', '--syntax-only', path('prometheus/prometheus.yml')]);
});

test('promtool finds no fault in GET /metrics nor in the queries of the dashboard', async (t) => {
  if (!needDebianPackages(t, 'prometheus')) return;
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-queries-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const rules = (await dashboardQueries()).map((query, index) => {
    const expr = query.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*');
    return `      - record: query:n${index}\n        expr: ${JSON.stringify(expr)}\n`;
  });
  const file = join(folder, 'queries.yml');
  await writeFile(file, `groups:\n  - name: dashboard\n    rules:\n${rules.join('')}`);
  await run('promtool', ['check', 'rules', file]);

  const { body } = await new GatewayMetrics({ version: '0.0.0' }).text();
  const checked = run('promtool', ['check', 'metrics']);
  checked.child.stdin?.end(body);
  const { stdout, stderr } = await checked;
  assert.equal(`${stdout}${stderr}`, '');
});
