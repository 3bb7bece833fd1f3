import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../src/client/backoff.ts';

const settings = { minBackoffMs: 500, maxBackoffMs: 20_000, maxAttempts: 10, minUptimeMs: 5_000 };

test('the bound doubles up to its most, and the tenth attempt is the last', () => {
  const backoff = new Backoff(settings, () => 1);
  const waits = Array.from({ length: 11 }, () => backoff.next(false));
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000, 20_000, null]);
});

test('full jitter: anything from 0 on', () => {
  assert.equal(new Backoff(settings, () => 0).next(false), 0);
  assert.equal(new Backoff(settings, () => 0.5).next(false), 250);
});

test('attempts count anew only after a minimum uptime', () => {
  const backoff = new Backoff(settings, () => 1);
  backoff.next(false);
  backoff.next(false);
  backoff.opened(1_000);
  backoff.lost(5_999);
  assert.equal(backoff.attempt, 2);
  backoff.opened(10_000);
  backoff.lost(15_000);
  assert.equal(backoff.attempt, 0);
});

test('an attempt that never opened is no uptime', () => {
  const backoff = new Backoff(settings, () => 1);
  backoff.opened(0);
  backoff.lost(1);
  backoff.next(false);
  backoff.lost(1_000_000);
  assert.equal(backoff.attempt, 1);
});

test('a free attempt is not counted and is given when none is left', () => {
  const backoff = new Backoff({ ...settings, maxAttempts: 1 }, () => 1);
  assert.equal(backoff.next(true), 500);
  assert.equal(backoff.next(false), 500);
  assert.equal(backoff.next(false), null);
  assert.equal(backoff.next(true), 1000);
  backoff.refund();
  assert.equal(backoff.next(false), 500);
});
