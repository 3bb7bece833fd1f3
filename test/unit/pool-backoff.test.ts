import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkedBackoff, fullJitterBackoff } from '../../src/pool/backoff.ts';

test('the bound doubles from baseMs to maxMs', () => {
  const almostOne = fullJitterBackoff({ baseMs: 50, maxMs: 2000, random: () => 0.5 });
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8].map(almostOne), [25, 50, 100, 200, 400, 800, 1000, 1000]);
});

test('jitter is full: the delay may be anything down to 0', () => {
  assert.equal(fullJitterBackoff({ baseMs: 50, maxMs: 2000, random: () => 0 })(5), 0);
});

test('attempt numbers of any size stay within the bound', () => {
  const backoff = fullJitterBackoff({ baseMs: 1, maxMs: 86_400_000, random: () => 1 });
  for (const attempt of [60, 2000, Number.MAX_SAFE_INTEGER]) assert.equal(backoff(attempt), 86_400_000);
  assert.equal(backoff(0), 1);
});

test("a user's own function is held between 0 and one day", () => {
  const given = [10, -5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e12];
  const backoff = checkedBackoff((attempt) => given[attempt - 1] as number);
  assert.deepEqual([1, 2, 3, 4, 5].map(backoff), [10, 0, 86_400_000, 0, 86_400_000]);
});

test("a user's own function that throws or answers no number does not make pipes spin", () => {
  const fallback = () => 777;
  const answers: unknown[] = [Number.NaN, undefined, '5'];
  for (const answer of answers) assert.equal(checkedBackoff(() => answer as number, fallback)(1), 777);
  const throwing = checkedBackoff(() => {
    throw new Error('own defect');
  }, fallback);
  assert.equal(throwing(1), 777);
});
