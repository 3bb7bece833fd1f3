import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PingLimiter } from '../../src/heartbeat/ping-limiter.ts';

function allowed(limiter: PingLimiter, fromMs: number, toMs: number, everyMs: number): number {
  let count = 0;
  for (let at = fromMs; at < toMs; at += everyMs) if (limiter.allow(at)) count += 1;
  return count;
}

test('20 pings at once are answered, then 10 a second', () => {
  const limiter = new PingLimiter();
  assert.equal(allowed(limiter, 5_000, 5_001, 0.01), 20);
  assert.equal(allowed(limiter, 5_001, 15_001, 1), 100);
});

test('a client that pings ten times a second or less is always answered', () => {
  assert.equal(allowed(new PingLimiter(), 0, 60_000, 100), 600);
});

test('after a quiet while the whole burst is there again, and no more', () => {
  const limiter = new PingLimiter();
  allowed(limiter, 0, 10, 0.1);
  assert.equal(allowed(limiter, 1_000_000, 1_000_001, 0.01), 20);
});
