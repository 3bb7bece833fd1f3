import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram } from '../../bench/load/histogram.mjs';
import { growthExponent, median, pairedRatio, quantile } from '../../bench/support/statistics.ts';

test('the median is the middle one, or between the two in the middle, in any order and without what is missing', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([Number.NaN, 5]), 5);
  assert.ok(Number.isNaN(median([])));
});

test('quantiles lie between the two nearest', () => {
  const values = [10, 20, 30, 40, 50];
  assert.deepEqual(
    [0, 0.25, 0.5, 0.9, 1].map((share) => quantile(values, share)),
    [10, 20, 30, 46, 50],
  );
});

test('a ratio is formed within each round: what slows both does not show', () => {
  const machine = [1, 7, 2, 1, 3];
  const of = machine.map((slow) => 3 * slow);
  const to = machine.map((slow) => 2 * slow);
  assert.deepEqual(pairedRatio(of, to), { median: 1.5, low: 1.5, high: 1.5, rounds: 5 });
});

test('rounds in which one is missing do not count, nor do those that were spoilt for one', () => {
  const { median: middle, rounds } = pairedRatio([2, undefined, 4, 100, 6], [1, 5, 2, 1, 3, 9]);
  assert.deepEqual([middle, rounds], [2, 4]);
  assert.ok(Number.isNaN(pairedRatio([], []).median));
});

test('the growth exponent of constant, linear and square growth is 0, 1 and 2', () => {
  const points = (of: (x: number) => number) => [1, 10, 100, 1000].map((x) => [x, of(x)] as const);
  assert.ok(Math.abs(growthExponent(points(() => 7))) < 1e-9);
  assert.ok(Math.abs(growthExponent(points((x) => 3 * x)) - 1) < 1e-9);
  assert.ok(Math.abs(growthExponent(points((x) => x * x)) - 2) < 1e-9);
  assert.throws(() => growthExponent([[1, 1]]));
  assert.throws(() => growthExponent(points(() => 0)));
});

test('the histogram is right to 1.6 %', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 20_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0.5, 0.99, 0.999, 1),
      (times, share) => {
        const histogram = new Histogram();
        for (const ms of times) histogram.record(ms);
        const exact = [...times].sort((a, b) => a - b)[Math.ceil(times.length * share) - 1]!;
        assert.ok(
          Math.abs(histogram.at(share) - exact) <= exact * 0.016 + 0.0001,
          `${histogram.at(share)} of ${exact}`,
        );
        assert.equal(histogram.count, times.length);
      },
    ),
  );
  assert.ok(Number.isNaN(new Histogram().at(0.5)));
});
