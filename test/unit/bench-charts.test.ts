import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chartFolder, documents, filesOf, fillIn } from '../../bench/report/documents.ts';
import { barChart, lineChart } from '../../bench/report/svg.ts';
import { groupNames, publishedFile, readResult } from '../../bench/support/result-file.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const published = readResult(publishedFile);

test('charts and tables are what the published run gives (else: npm run bench:charts)', () => {
  const files = filesOf(published, read);
  for (const [path, content] of Object.entries(files)) assert.equal(read(path), content, path);
  const charts = readdirSync(new URL(chartFolder, root)).map((name) => `${chartFolder}/${name}`);
  assert.deepEqual(
    charts.sort(),
    Object.keys(files)
      .filter((path) => !(documents as readonly string[]).includes(path))
      .sort(),
  );
});

test('the published run is a whole one: every group, nothing quick', () => {
  assert.equal(published.quick, false);
  for (const name of groupNames) assert.ok(published[name] !== undefined, name);
});

test('every chart is shown somewhere', () => {
  const shown = documents.map(read).join('\n');
  for (const name of readdirSync(new URL(chartFolder, root))) assert.ok(shown.includes(`charts/${name}`), name);
});

test('a mark that does not end, or that nothing belongs to, is an error: it would keep old figures', () => {
  const parts = { a: 'new' };
  assert.equal(
    fillIn('x <!-- bench:a -->old<!-- /bench:a --> y', parts),
    'x <!-- bench:a -->\n\nnew\n\n<!-- /bench:a --> y',
  );
  assert.throws(() => fillIn('<!-- bench:a -->old', parts));
  assert.throws(() => fillIn('<!-- bench:b -->old<!-- /bench:b -->', parts));
});

test('filling in twice changes nothing', () => {
  const once = fillIn('<!-- bench:a --><!-- /bench:a -->', { a: '| table |' });
  assert.equal(fillIn(once, { a: '| table |' }), once);
});

const numbersIn = (svg: string, attribute: string): number[] =>
  [...svg.matchAll(new RegExp(`<rect class="(?:ours|other)"[^>]* ${attribute}="([\\d.]+)"`, 'g'))].map(([, n]) =>
    Number(n),
  );

test('bars are as long as their values say, and inside the card', () => {
  const bars = [1, 2, 4].map((value) => ({ label: `b${value}`, value, text: `${value}`, ours: value === 2 }));
  const svg = barChart('a <b> & "c"', 'note', [
    { title: 'left', bars },
    { title: 'right', bars },
  ]);
  const widths = numbersIn(svg, 'width');
  assert.equal(widths.length, 6);
  assert.ok(Math.abs(widths[2]! / widths[0]! - 4) < 0.01 && Math.abs(widths[1]! / widths[0]! - 2) < 0.01);
  for (const [at, x] of numbersIn(svg, 'x').entries()) assert.ok(x + widths[at]! < 820);
  assert.ok(svg.includes('a &lt;b> &amp; &quot;c&quot;'));
  assert.equal(
    svg,
    barChart('a <b> & "c"', 'note', [
      { title: 'left', bars },
      { title: 'right', bars },
    ]),
  );
});

test('lines go through their points on logarithmic axes, and names do not cover each other', () => {
  const ticks = (...values: number[]) => values.map((value) => ({ value, label: `${value}` }));
  const points = [
    [1, 1],
    [10, 10],
    [100, 100],
  ] as const;
  const svg = lineChart('t', 'n', { title: 'x', ticks: ticks(1, 100) }, { title: 'y', ticks: ticks(1, 100) }, [
    { name: 'one', points, ours: true },
    { name: 'two', points, ours: false },
  ]);
  const [line = ''] = /points="([^"]+)"/.exec(svg)?.slice(1) ?? [];
  const [a, b, c] = line.split(' ').map((pair) => pair.split(',').map(Number));
  assert.ok(Math.abs(b![0]! - (a![0]! + c![0]!) / 2) < 0.2 && Math.abs(b![1]! - (a![1]! + c![1]!) / 2) < 0.2);
  const heights = [...svg.matchAll(/y="([\d.]+)" class="name/g)].map(([, y]) => Number(y));
  assert.equal(heights.length, 2);
  assert.ok(Math.abs(heights[0]! - heights[1]!) >= 15);
});
