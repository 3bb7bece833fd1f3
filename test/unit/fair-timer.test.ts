import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairTimer } from '../../src/heartbeat/fair-timer.ts';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock();
  const fired: string[] = [];
  const timer = new FairTimer(new TimerWheel({ clock }), { timerFired: (name) => fired.push(name) }, 'limit');
  return { clock, timer, fired };
}

test('without a stall it fires in time, once', () => {
  const { clock, timer, fired } = setUp();
  timer.start(1000);
  clock.advance(999);
  assert.deepEqual([fired, timer.active], [[], true]);
  clock.advance(15);
  assert.deepEqual([fired, timer.active], [['limit'], false]);
  clock.advance(5000);
  assert.equal(fired.length, 1);
});

test('what our own event loop stood still is added to its time, but for what no tick can tell from a late one', () => {
  const { clock, timer, fired } = setUp();
  timer.start(1000);
  clock.advance(400);
  clock.stall(10_000);
  clock.advance(400);
  assert.deepEqual([fired, timer.active], [[], true]);
  clock.advance(200);
  assert.deepEqual(fired, ['limit']);
});

test('a stall before it was started is not added, and started anew it has its whole time again', () => {
  const { clock, timer, fired } = setUp();
  timer.start(1000);
  clock.stall(10_000);
  clock.advance(1);
  timer.start(100);
  clock.advance(90);
  assert.deepEqual(fired, []);
  clock.advance(25);
  assert.deepEqual(fired, ['limit']);
});

test('stopped in the time that was added, it does not fire', () => {
  const { clock, timer, fired } = setUp();
  timer.start(1000);
  clock.stall(10_000);
  clock.advance(100);
  timer.stop();
  clock.advance(5000);
  assert.deepEqual([fired, timer.active], [[], false]);
});
