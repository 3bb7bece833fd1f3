/** The metrics of several workers as those of one: what adds up, what does not, and what is left of those that are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MetricJson } from '../../src/workers/messages.ts';
import { MetricsGathering } from '../../src/workers/metrics-gathering.ts';
import { MetricsSums } from '../../src/workers/metrics-sums.ts';

/** What one worker counts. */
class Counting {
  readonly registry = new Registry();
  readonly #registers = { registers: [this.registry] };
  readonly count = new Counter({ name: 'count_total', help: 'h', labelNames: ['backend'], ...this.#registers });
  readonly times = new Histogram({ name: 'times', help: 'h', buckets: [1], ...this.#registers });
  readonly sum = new Gauge({ name: 'sum', help: 'h', ...this.#registers });
  readonly least = new Gauge({ name: 'least', help: 'h', aggregator: 'min', ...this.#registers });

  async json(): Promise<MetricJson[]> {
    // As it comes over the channel.
    return JSON.parse(JSON.stringify(await this.registry.getMetricsAsJSON())) as MetricJson[];
  }
}

async function make(count: number): Promise<[Counting, MetricJson[]]> {
  const worker = new Counting();
  worker.count.inc({ backend: 'a' }, count);
  worker.times.observe(count);
  worker.sum.set(count);
  worker.least.set(count);
  return [worker, await worker.json()];
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('counters and histograms add up, gauges as they say', async () => {
  const sums = new MetricsSums();
  sums.note(1, (await make(1))[1]);
  sums.note(2, (await make(5))[1]);
  assert.deepEqual(lines(await sums.text(new Set([1, 2]), [])), [
    'count_total{backend="a"} 6',
    'times_bucket{le="1"} 1',
    'times_bucket{le="+Inf"} 2',
    'times_sum 6',
    'times_count 2',
    'sum 6',
    'least 1',
  ]);
});

test('who does not answer, and who is gone, still counts; their gauges do not', async () => {
  const sums = new MetricsSums();
  const [one, first] = await make(1);
  sums.note(1, first);
  sums.note(2, (await make(5))[1]);
  sums.note(3, (await make(7))[1]);
  sums.depart(3);
  const page = lines(await sums.text(new Set([1]), []));
  assert.deepEqual(page.slice(0, 1), ['count_total{backend="a"} 13']);
  assert.deepEqual(page.slice(-3), ['times_count 3', 'sum 1', 'least 1']);
  sums.depart(2);
  sums.depart(2);
  one.count.inc({ backend: 'a' });
  sums.note(1, await one.json());
  assert.equal(lines(await sums.text(new Set([1]), []))[0], 'count_total{backend="a"} 14');
});

test('of the gone no series is shown, or kept, that no living worker has', async () => {
  const sums = new MetricsSums();
  sums.note(1, (await make(5))[1]);
  sums.depart(1);
  const living = new Counting();
  living.count.inc({ backend: 'b' });
  sums.note(2, await living.json());
  assert.deepEqual(lines(await sums.text(new Set([2]), [])).slice(0, 1), ['count_total{backend="b"} 1']);
  living.count.inc({ backend: 'a' });
  sums.note(2, await living.json());
  assert.equal(lines(await sums.text(new Set([2]), []))[1], 'count_total{backend="a"} 1', 'the new one counts from 0');
});

test('between the end of the last worker and the first answer of the next nothing is forgotten', async () => {
  const sums = new MetricsSums();
  sums.note(1, (await make(5))[1]);
  sums.depart(1);
  assert.equal(lines(await sums.text(new Set(), []))[0], 'count_total{backend="a"} 5');
  sums.note(2, (await make(1))[1]);
  assert.equal(lines(await sums.text(new Set([2]), []))[0], 'count_total{backend="a"} 6');
});

test('a round waits for all, or for its time; whoever asks meanwhile gets the same page; a late answer counts next time', async () => {
  const asked: [number, number][] = [];
  const [, json] = await make(1);
  const gathering = new MetricsGathering({
    workers: () => [1, 2].map((id) => ({ id, collect: (round) => asked.push([id, round]) })),
    figures: () => ({ workers: 2, restarts: 0 }),
    timeoutMs: 50,
  });
  const answered = (text: string) => lines(text).find((line) => line.startsWith('holdfast_workers_answered'));
  const [one, two] = [gathering.page(), gathering.page()];
  gathering.take(1, json, 1);
  gathering.take(2, json, 1);
  assert.equal(await one, await two);
  assert.equal(answered(await one), 'holdfast_workers_answered 2');
  assert.deepEqual(asked, [
    [1, 1],
    [2, 1],
  ]);

  const partial = gathering.page();
  gathering.take(1, json, 2);
  gathering.take(2, json, 1);
  assert.equal(answered(await partial), 'holdfast_workers_answered 1', 'an answer to the round before is none');

  const bereft = gathering.page();
  gathering.take(1, json, 3);
  gathering.depart(2);
  const page = await bereft;
  assert.ok(lines(page).includes('count_total{backend="a"} 2'), 'what it said last still counts');
});
