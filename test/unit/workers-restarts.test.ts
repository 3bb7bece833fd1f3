import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Restarts } from '../../src/workers/restarts.ts';

test('after a long life at once; after short ones ever later, up to 10 s', () => {
  const restarts = new Restarts();
  const delays = Array.from({ length: 10 }, () => restarts.next(500));
  assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  assert.equal(restarts.next(10_000), 0);
  assert.deepEqual([restarts.next(9_999), restarts.next(0)], [100, 200]);
});

test('hopeless after eight short lives in a row', () => {
  const restarts = new Restarts();
  for (let n = 0; n < 7; n += 1) restarts.next(0);
  assert.equal(restarts.hopeless, false);
  restarts.next(0);
  assert.equal(restarts.hopeless, true);
  restarts.next(60_000);
  assert.equal(restarts.hopeless, false, 'a long life counts anew');
});
