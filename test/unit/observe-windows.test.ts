import assert from 'node:assert/strict';
import test from 'node:test';
import { bucketMs, summarizeGaps, Windows } from '../../src/observe/windows.ts';

const minute = 60_000;

test('a window counts what lies in it and forgets what is older', () => {
  const windows = new Windows(1000);
  windows.count('clientSent', 1000);
  windows.count('clientSent', 1000 + 30_000);
  const later = 1000 + minute + bucketMs;
  windows.count('clientSent', later);
  assert.equal(windows.sum(minute, later).counts.clientSent, 2);
  assert.equal(windows.sum(5 * minute, later).counts.clientSent, 3);
  assert.equal(windows.sum(5 * minute, later + 6 * minute).counts.clientSent, 0);
  assert.equal(windows.sum(15 * minute, later + 6 * minute).counts.clientSent, 3);
  assert.equal(windows.sum(15 * minute, later + 16 * minute).counts.clientSent, 0);
});

test('kinds do not mix', () => {
  const windows = new Windows(0);
  windows.count('failures', 10);
  const { counts } = windows.sum(minute, 10);
  assert.equal(counts.failures, 1);
  assert.equal(
    Object.values(counts).reduce((sum, one) => sum + one),
    1,
  );
});

test('the same ring is right after hours of events and after hours of none', () => {
  const windows = new Windows(0);
  let now = 0;
  for (; now < 3 * 60 * minute; now += 1000) windows.count('backendSent', now);
  const last = now - 1000;
  const recent = windows.sum(minute, last).counts.backendSent;
  assert.ok(recent >= 60 && recent <= 65, `${recent}`);
  const most = windows.sum(15 * minute, last).counts.backendSent;
  assert.ok(most >= 900 && most <= 905, `${most}`);
  assert.equal(windows.sum(15 * minute, last + 10 * 60 * minute).counts.backendSent, 0);
  windows.count('backendSent', last + 10 * 60 * minute);
  assert.equal(windows.sum(15 * minute, last + 10 * 60 * minute).counts.backendSent, 1);
});

test('what is skipped at the end of a window and the rest add up to the whole', () => {
  const windows = new Windows(0);
  let now = 0;
  for (; now < 20 * minute; now += 700) windows.count('clientMissed', now);
  const whole = windows.sum(15 * minute, now).counts.clientMissed;
  const recent = windows.sum(minute, now).counts.clientMissed;
  const before = windows.sum(15 * minute, now, minute).counts.clientMissed;
  assert.equal(recent + before, whole);
  assert.ok(before > 0 && recent > 0);
  assert.equal(windows.covered(15 * minute, now, minute), 14 * minute);
  assert.equal(windows.covered(15 * minute, 90_000, minute), 30_000);
  assert.equal(windows.covered(15 * minute, 10_000, minute), 0);
});

test('percentiles of gaps are within 13 % of the exact ones, and the longest is exact', () => {
  const windows = new Windows(0);
  const gaps = Array.from({ length: 500 }, (_, index) => 12 + ((index * 7919) % 500) ** 1.7);
  for (const gap of gaps) windows.gap(gap, 1000);
  const sorted = [...gaps].sort((a, b) => a - b);
  const summary = summarizeGaps(windows.sum(minute, 1000).gaps);
  assert.equal(summary.count, 500);
  for (const [share, given] of [
    [0.5, summary.p50Ms],
    [0.99, summary.p99Ms],
  ] as const) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1]!;
    assert.ok(given !== null && Math.abs(given - exact) / exact < 0.13, `p${share}: ${given} against ${exact}`);
  }
  assert.ok(Math.abs(summary.maxMs! - sorted.at(-1)!) < 0.1);
});

test('one gap is its own median; none is null; one of an hour is not cut', () => {
  const windows = new Windows(0);
  assert.deepEqual(summarizeGaps(windows.sum(minute, 0).gaps), { count: 0, p50Ms: null, p99Ms: null, maxMs: null });
  windows.gap(3_600_000, 0);
  assert.deepEqual(summarizeGaps(windows.sum(minute, 0).gaps), {
    count: 1,
    p50Ms: 3_600_000,
    p99Ms: 3_600_000,
    maxMs: 3_600_000,
  });
  const small = new Windows(0);
  small.gap(0.4, 0);
  assert.ok(summarizeGaps(small.sum(minute, 0).gaps).p50Ms! <= 0.4);
});
