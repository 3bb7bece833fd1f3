import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitTally } from '../../src/limits/limit-tally.ts';

test('every hit is counted, and told at most once a second for each limit, with those that were not told', () => {
  let now = 0;
  const told: unknown[] = [];
  const tally = new LimitTally(
    () => now,
    (limit, times, { pipeId }) => told.push([limit, times, pipeId]),
  );
  tally.hit('pongs', { pipeId: 'a' });
  for (let n = 0; n < 500; n += 1) tally.hit('pongs', { pipeId: 'b' });
  tally.hit('fragments', { pipeId: 'c' });
  now = 999;
  tally.hit('pongs', { pipeId: 'd' });
  now = 1000;
  tally.hit('pongs', { pipeId: 'e' });
  assert.deepEqual(told, [
    ['pongs', 1, 'a'],
    ['fragments', 1, 'c'],
    ['pongs', 502, 'e'],
  ]);
  assert.deepEqual([tally.total('pongs'), tally.total('fragments'), tally.total('pipes')], [503, 1, 0]);
});
