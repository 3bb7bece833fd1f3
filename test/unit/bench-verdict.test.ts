import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../bench/support/verdict.ts';

const limit = { cell: { connections: 50, inFlight: 4, bytes: 128 }, expected: 1.2 };
const sample = (cpuUs: number) => ({
  cpuUs,
  loadCpuUs: 1,
  messagesPerSecond: 1,
  busy: 1,
  p50Ms: 1,
  p99Ms: 1,
  p999Ms: 1,
});
/** The relay takes 4 us, or as much more as the machine is slow in that round. */
const samplesOf = (factors: readonly number[], machine: readonly number[] = []) => ({
  Holdfast: factors.map((factor, round) => sample(4 * factor * (machine[round] ?? 1))),
  relay: factors.map((_, round) => sample(4 * (machine[round] ?? 1))),
});
const tooSlow = (...given: Parameters<typeof samplesOf>): boolean =>
  judge(limit, samplesOf(...given), 'Holdfast', 'relay').tooSlow;

test('what is expected passes, also with some noise', () => {
  assert.equal(tooSlow([1.2, 1.2, 1.2]), false);
  assert.equal(tooSlow([1.32, 1.1, 1.3, 1.25, 1.32]), false);
});

test('a regression of 30 % is caught, also with noise of 10 %', () => {
  assert.equal(tooSlow([1.56, 1.56, 1.56]), true);
  assert.equal(tooSlow([1.51, 1.7, 1.52, 1.55, 1.51]), true);
  assert.equal(tooSlow([1.3, 1.3, 1.56, 1.6, 1.6]), true);
});

test('a machine that is slow in some rounds changes nothing', () => {
  assert.equal(tooSlow([1.2, 1.2, 1.2, 1.2, 1.2], [1, 5, 1, 3, 2]), false);
  assert.equal(tooSlow([1.56, 1.56, 1.56, 1.56, 1.56], [4, 1, 3, 1, 2]), true);
});

test('some spoilt rounds are outvoted', () => {
  assert.equal(tooSlow([9, 1.2, 1.2, 9, 1.2]), false);
});

test('too few rounds are no verdict', () => {
  assert.throws(() => tooSlow([1.2, 1.2]));
});

test('a cell that is less steady has a slack of its own', () => {
  const steady = judge(limit, samplesOf([1.8, 1.8, 1.8]), 'Holdfast', 'relay');
  const loose = judge({ ...limit, slack: 1.6 }, samplesOf([1.8, 1.8, 1.8]), 'Holdfast', 'relay');
  assert.deepEqual([steady.tooSlow, loose.tooSlow], [true, false]);
  assert.equal(judge({ ...limit, slack: 1.6 }, samplesOf([2, 2, 2]), 'Holdfast', 'relay').tooSlow, true);
});
