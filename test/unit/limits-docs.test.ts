/** "Every limit" of docs/SECURITY.md against the code: no limit is missing, each has its default, a series, and a test that sets it and reads that series. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CommandSchema } from '../../src/command-schema.ts';
import { limitNames } from '../../src/limits/limit-tally.ts';
import { GatewayMetrics } from '../../src/observe/metrics.ts';

const root = new URL('../../', import.meta.url);

interface Schema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
}
interface Row {
  readonly option: string;
  readonly standard: string;
  /** Names of series, some with labels. */
  readonly series: readonly string[];
  readonly tests: readonly string[];
}

const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

async function tableOf(): Promise<Row[]> {
  const page = await readFile(new URL('docs/SECURITY.md', root), 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith('Every limit\n'));
  const lines = (section ?? '').split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) => {
    const [, option, standard = '', series, tests] = line.split('|').map((cell) => cell.trim());
    const named = quoted(series).filter((one) => one.startsWith('holdfast_'));
    return { option: quoted(option)[0] ?? '', standard, series: named, tests: quoted(tests) };
  });
}

/** Options and their defaults; undefined = it has none of its own. */
function optionsOf(schema: Schema, path = ''): [string, unknown][] {
  if (schema.properties === undefined) return [[path, schema.default]];
  return Object.entries(schema.properties).flatMap(([key, child]) =>
    optionsOf(child, path === '' ? key : `${path}.${key}`),
  );
}
const options = new Map(optionsOf(CommandSchema as unknown as Schema));

/** What bounds others, by its name; paces and sizes of our own doing are none. */
function isLimit(option: string): boolean {
  const noLimits = ['limits.ipv6PrefixBits', 'limits.exemptAddresses', 'discovery.dns.maxConnections'];
  // Of the gateways among themselves: see docs/SCALING.md.
  if (noLimits.includes(option) || option.startsWith('redis.')) return false;
  if (option.startsWith('limits.')) return true;
  return /(^|\.)(max[A-Z]\w*|\w*[tT]imeoutMs|lingerMs|handshakeMs|handshakeWaitMs|windowMs|ejectAfter)$/.test(option);
}

test('every limit that can be set is in the table, and nothing else', async () => {
  const told = (await tableOf()).map(({ option }) => option);
  assert.deepEqual(told.toSorted(), [...options.keys()].filter(isLimit).toSorted());
});

test('each has the default that the table says', async () => {
  for (const { option, standard } of await tableOf()) {
    const own = options.get(option) ?? null;
    if (own === null) assert.match(standard, /`\w/, `${option} follows from another`);
    else assert.equal(standard, String(own), option);
  }
});

test('each has a series, and each limit of what clients may do has a row', async () => {
  const page = await new GatewayMetrics({ version: '0.0.0' }).registry.metrics();
  const rows = await tableOf();
  for (const { option, series } of rows) {
    assert.ok(series.length > 0, option);
    for (const one of series) {
      const [, name = '', labels] = /^(\w+)(?:\{(.+)\})?$/.exec(one) ?? [];
      assert.match(page, new RegExp(`^# TYPE ${name} `, 'm'), one);
      // Series of backends, of codes, and what is read of a gateway, begin when there is one.
      if (labels === undefined || labels.startsWith('code=') || !page.includes(`\n${name}{`)) continue;
      assert.match(page, new RegExp(`^${name}\\{.*${labels}.*\\} 0$`, 'm'), one);
    }
  }
  const told = rows.flatMap(({ series }) => series.flatMap((one) => /limit="([^"]+)"/.exec(one)?.[1] ?? []));
  assert.deepEqual([...new Set(told)].toSorted(), limitNames.toSorted());
});

/** A test, and what it shares with those like it. */
async function withScenario(file: URL): Promise<string> {
  const text = await readFile(file, 'utf8');
  const shared = [...text.matchAll(/from '(\.\/[\w-]+-scenario\.ts)'/g)].map(([, path = '']) => new URL(path, file));
  return [text, ...(await Promise.all(shared.map((one) => readFile(one, 'utf8'))))].join('\n');
}

/** How a test reads that series after the limit was reached: see limits-scenario.ts. */
function readingOf(series: string): RegExp {
  const [, limit] = /^holdfast_limited_total\{limit="(.+)"\}$/.exec(series) ?? [];
  if (limit !== undefined) return new RegExp(`\\b(assertLimited|limited)\\([^;]*'${limit}'`);
  return new RegExp(`\\bassertReached\\(\\S+ '${series.replaceAll(/[{}]/g, '\\$&')}'`);
}

test('each is tried by a test that sets it and reads its series', async () => {
  for (const { option, series, tests } of await tableOf()) {
    assert.equal(tests.length, 1, option);
    const file = new URL(`test/integration/${tests[0]}.test.ts`, root);
    assert.ok(existsSync(file), `${option}: there is no test ${tests[0]}`);
    const text = await withScenario(file);
    assert.match(text, new RegExp(`\\b${option.split('.').at(-1)}\\b`), `${tests[0]}: ${option}`);
    for (const one of series) assert.match(text, readingOf(one), `${tests[0]}: ${option}`);
  }
});
