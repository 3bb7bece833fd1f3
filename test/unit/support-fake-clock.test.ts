import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';

test('the fake clock runs what falls due in order, and late after a stall', () => {
  const clock = new FakeClock(0);
  const ran: string[] = [];
  clock.setTimeout(() => ran.push(`b at ${clock.now()}`), 20);
  clock.setTimeout(() => ran.push(`a at ${clock.now()}`), 10);
  clock.advance(15);
  clock.stall(30);
  assert.deepEqual(ran, ['a at 10']);
  clock.advance(5);
  assert.deepEqual(ran, ['a at 10', 'b at 45']);
});
