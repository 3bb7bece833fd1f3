/** Tries of one address that are under way at once: no more of them than may fail, and nobody is refused for being many. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailedTries, type Turn } from '../../src/limits/failed-tries.ts';
import { FakeClock } from '../support/fake-clock.ts';

const windowMs = 1000;

/** Begins `count` tries. @returns those that have their turn, and those that were refused, as they come. */
function beginMany(tries: FailedTries, count: number) {
  const turns: Turn[] = [];
  const refused: number[] = [];
  for (let n = 0; n < count; n += 1)
    void tries.begin('a').then((turn) => (typeof turn === 'number' ? refused.push(turn) : turns.push(turn)));
  return { turns, refused };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

test('of many that fail at once as many fail as may, the others are refused when that is known, for the rest of the window', async () => {
  const clock = new FakeClock();
  const tries = new FailedTries(3, windowMs, () => clock.now());
  const { turns, refused } = beginMany(tries, 100);
  await soon();
  assert.deepEqual([turns.length, refused.length], [3, 0]);
  turns[0]?.end(true);
  clock.advance(400);
  turns[1]?.end(true);
  await soon();
  assert.deepEqual([turns.length, refused.length], [3, 0], 'the third may still be right');
  turns[2]?.end(true);
  await soon();
  assert.deepEqual([turns.length, refused.length], [3, 97]);
  assert.deepEqual([...new Set(refused)], [600]);
  assert.equal(await tries.begin('a'), 600);
  assert.equal(typeof (await tries.begin('b')), 'object', 'another address');
  clock.advance(600);
  assert.equal(typeof (await tries.begin('a')), 'object');
});

test('who is right gives room to the next, also where others have failed', async () => {
  const tries = new FailedTries(3, windowMs);
  const { turns, refused } = beginMany(tries, 100);
  await soon();
  turns[0]?.end(true);
  turns[1]?.end(true);
  for (let n = 2; n < 100; n += 1) {
    assert.equal(turns.length, Math.max(3, n + 1), 'one at a time');
    turns[n]?.end(false);
    await soon();
  }
  assert.deepEqual([turns.length, refused.length], [100, 0]);
});

test('one that never ends keeps the others waiting for no longer than the window', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const tries = new FailedTries(1, windowMs);
  const { turns } = beginMany(tries, 2);
  await soon();
  t.mock.timers.tick(windowMs - 1);
  await soon();
  assert.equal(turns.length, 1);
  t.mock.timers.tick(1);
  await soon();
  assert.equal(turns.length, 2);
  // Its end, at last, frees no second turn.
  turns[0]?.end(false);
  const { turns: third } = beginMany(tries, 1);
  await soon();
  assert.equal(third.length, 0);
  turns[1]?.end(false);
  await soon();
  assert.equal(third.length, 1);
});

test('at the end of the window, whenever the clock is read, it is refused or has its turn, and waits for nobody', async () => {
  let now = 0;
  const tries = new FailedTries(1, windowMs, () => {
    now += 0.5;
    return now;
  });
  for (let window = 0; window < 20; window += 1) {
    const { turns } = beginMany(tries, 1);
    await soon();
    turns[0]?.end(true);
    now += windowMs - 10 + window / 7;
    for (let answers = 0, done = false; !done; answers += 1) {
      const { turns: again, refused } = beginMany(tries, 1);
      await soon();
      assert.equal(again.length + refused.length, 1, `answer ${answers} after window ${window}`);
      assert.ok((refused[0] ?? 1) > 0);
      again[0]?.end(false);
      done = again.length > 0;
    }
  }
});

test('a clock of the machine that is set back makes no window longer', async (t) => {
  const tries = new FailedTries(1, windowMs);
  const { turns } = beginMany(tries, 1);
  await soon();
  turns[0]?.end(true);
  const now = Date.now();
  t.mock.method(Date, 'now', () => now - 3_600_000);
  const refused = await tries.begin('a');
  assert.ok(typeof refused === 'number' && refused > 0 && refused <= windowMs, `${refused}`);
});
