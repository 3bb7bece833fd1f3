import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel, type TimerWheelOptions } from '../../src/heartbeat/wheel.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp(options: TimerWheelOptions = {}) {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock, ...options });
  const begin = clock.now();
  const fired: [name: string, at: number][] = [];
  const owner = { timerFired: (name: string) => void fired.push([name, clock.now() - begin]) };
  const names = () => fired.map(([name]) => name);
  return { clock, wheel, fired, owner, names };
}

test('a timer fires once, not early and at most one step late', () => {
  const { clock, wheel, fired, owner } = setUp();
  const timer = wheel.timer(owner, 'a');
  clock.advance(3);
  timer.start(25);
  assert.equal(timer.active, true);
  clock.advance(24.9);
  assert.deepEqual(fired, []);
  clock.advance(10.1);
  assert.deepEqual(fired, [['a', 30]]);
  assert.equal(timer.active, false);
  clock.advance(60_000);
  assert.equal(fired.length, 1);
});

test('starting an active timer arms it anew, stopping takes it out', () => {
  const { clock, wheel, fired, owner } = setUp();
  const timer = wheel.timer(owner, 'a');
  timer.start(50);
  timer.start(200);
  assert.equal(wheel.size, 1);
  clock.advance(190);
  assert.deepEqual(fired, []);
  timer.start(20);
  clock.advance(20);
  assert.deepEqual(fired, [['a', 210]]);
  timer.start(10);
  timer.stop();
  timer.stop();
  assert.equal(wheel.size, 0);
  clock.advance(1_000);
  assert.equal(fired.length, 1);
});

test('one node timer while something is armed, none while nothing is', () => {
  const { clock, wheel, owner } = setUp();
  const timers = Array.from({ length: 50 }, (_, i) => wheel.timer(owner, `${i}`));
  assert.equal(clock.planned.size, 0);
  for (const [i, timer] of timers.entries()) timer.start(1_000 - i * 10);
  assert.equal(clock.planned.size, 1);
  for (const timer of timers.slice(1)) timer.stop();
  assert.equal(clock.planned.size, 1);
  timers[0]!.stop();
  assert.equal(clock.planned.size, 0);
  timers[0]!.start(5);
  clock.advance(20);
  assert.equal(clock.planned.size, 0);
});

test('it wakes for the next timer, and every 100 ms when that is far away', () => {
  const { clock, wheel, owner } = setUp();
  const wakes: number[] = [];
  const begin = clock.now();
  const { setTimeout } = clock;
  clock.setTimeout = (fn, ms) =>
    setTimeout.call(
      clock,
      () => {
        wakes.push(clock.now() - begin);
        fn();
      },
      ms,
    );
  wheel.timer(owner, 'a').start(250);
  clock.advance(1_000);
  assert.deepEqual(wakes, [100, 200, 250]);
});

test('a timer armed with 0, or with nonsense, fires in the next step', () => {
  const { clock, wheel, fired, owner } = setUp();
  wheel.timer(owner, 'zero').start(0);
  wheel.timer(owner, 'negative').start(-5);
  wheel.timer(owner, 'nan').start(Number.NaN);
  assert.deepEqual(fired, []);
  clock.advance(10);
  assert.deepEqual(fired, [
    ['zero', 10],
    ['negative', 10],
    ['nan', 10],
  ]);
});

test('a timer of one hour goes through all rounds of the wheel', () => {
  const { clock, wheel, fired, owner } = setUp();
  wheel.timer(owner, 'hour').start(3_600_000);
  clock.advance(3_599_999);
  assert.deepEqual(fired, []);
  clock.advance(1);
  assert.deepEqual(fired, [['hour', 3_600_000]]);
});

test('thousands in one slot fire, in the order they were armed', () => {
  const { clock, wheel, owner, names } = setUp();
  const expected = Array.from({ length: 5_000 }, (_, i) => `${i}`);
  for (const name of expected) wheel.timer(owner, name).start(1_000);
  clock.advance(1_000);
  assert.deepEqual(names(), expected);
  assert.equal(wheel.size, 0);
});

test('a timer may arm and stop itself and others while it fires', () => {
  const { clock, wheel } = setUp();
  const ran: string[] = [];
  const owner = {
    timerFired(name: string) {
      ran.push(name);
      if (name === 'again' && ran.length < 4) again.start(0);
      if (name === 'killer') victim.stop();
    },
  };
  const again = wheel.timer(owner, 'again');
  const killer = wheel.timer(owner, 'killer');
  const victim = wheel.timer(owner, 'victim');
  again.start(0);
  clock.advance(100);
  assert.deepEqual(ran, ['again', 'again', 'again', 'again']);
  killer.start(20);
  victim.start(20);
  clock.advance(100);
  assert.deepEqual(ran.slice(4), ['killer']);
  assert.equal(wheel.size, 0);
  assert.equal(clock.planned.size, 0);
});

test('a timer moved by one that fires with it fires at its new time only', () => {
  const { clock, wheel, fired, owner } = setUp();
  const late = wheel.timer(owner, 'late');
  wheel.timer({ timerFired: () => late.start(100) }, 'mover').start(20);
  late.start(20);
  clock.advance(500);
  assert.deepEqual(fired, [['late', 120]]);
});

test('an owner that throws does not keep the others from firing', () => {
  const errors: unknown[] = [];
  const { clock, wheel, owner, names } = setUp({ onError: (error) => errors.push(error) });
  const failure = new Error('owner');
  wheel.timer(owner, 'before').start(10);
  wheel
    .timer(
      {
        timerFired: () => {
          throw failure;
        },
      },
      'bad',
    )
    .start(10);
  wheel.timer(owner, 'after').start(10);
  wheel.timer(owner, 'later').start(50);
  clock.advance(100);
  assert.deepEqual(names(), ['before', 'after', 'later']);
  assert.deepEqual(errors, [failure]);
});

test('timers fire in order after the loop stood still for a moment or for a day', () => {
  for (const stallMs of [700, 86_400_000]) {
    const { clock, wheel, owner, names } = setUp();
    for (const ms of [400, 60_000, 30, 600, 5_130, 10, 200_000_000]) wheel.timer(owner, `${ms}`).start(ms);
    clock.stall(stallMs);
    clock.advance(20);
    const due = [10, 30, 400, 600, 5_130, 60_000].filter((ms) => ms <= stallMs);
    assert.deepEqual(names(), due.map(String));
    clock.advance(200_000_000 - stallMs);
    assert.equal(wheel.size, 0);
  }
});

test('after dispose nothing fires and nothing can be armed', () => {
  const { clock, wheel, fired, owner } = setUp();
  const first = wheel.timer({ timerFired: () => wheel.dispose() }, 'first');
  const second = wheel.timer(owner, 'second');
  first.start(10);
  second.start(10);
  clock.advance(50);
  assert.deepEqual(fired, []);
  assert.equal(second.active, false);
  second.start(10);
  wheel.dispose();
  clock.advance(50);
  assert.deepEqual(fired, []);
  assert.equal(wheel.size, 0);
  assert.equal(clock.planned.size, 0);
});

test('the fair clock stands still while our loop does, and says by how much', () => {
  const stalls: number[] = [];
  const { clock, wheel, owner } = setUp({ onStall: (ms) => stalls.push(ms) });
  wheel.timer(owner, 'a').start(60_000);
  clock.advance(1_000);
  assert.equal(wheel.fairNow(), wheel.now());
  const before = wheel.fairNow();
  clock.stall(5_000);
  // Asked before the tick has seen the stall.
  const during = wheel.fairNow();
  assert.ok(during - before <= 150, `${during - before}`);
  clock.advance(0);
  assert.equal(wheel.fairNow(), during);
  assert.deepEqual(stalls, [5_000 - (during - before)]);
  clock.advance(1_000);
  assert.equal(wheel.fairNow(), during + 1_000);
  assert.deepEqual(wheel.lag(), { lastMs: 0, maxMs: stalls[0]! + 50 });
});

test('a tick that is a little late is no stall', () => {
  const stalls: number[] = [];
  const { clock, wheel, owner } = setUp({ onStall: (ms) => stalls.push(ms) });
  wheel.timer(owner, 'a').start(20);
  clock.stall(70);
  clock.advance(0);
  assert.deepEqual(stalls, []);
  assert.equal(wheel.fairNow(), wheel.now());
  assert.equal(wheel.lag().lastMs, 50);
});

test('callbacks that take long are a stall as well', () => {
  const stalls: number[] = [];
  const { clock, wheel } = setUp({ onStall: (ms) => stalls.push(ms) });
  const slow = { timerFired: () => clock.stall(30) };
  for (let i = 0; i < 10; i += 1) wheel.timer(slow, `${i}`).start(10);
  wheel.timer({ timerFired: () => {} }, 'later').start(5_000);
  clock.advance(10);
  assert.deepEqual(stalls, [250]);
});

test('stopping the last timer inside a stall does not let the fair clock jump', () => {
  const { clock, wheel, owner } = setUp();
  const timer = wheel.timer(owner, 'a');
  timer.start(10);
  clock.stall(2_000);
  const before = wheel.fairNow();
  timer.stop();
  assert.equal(wheel.fairNow(), before);
});

test('the worst lag is forgotten after a while, whoever reads it', () => {
  const { clock, wheel, owner } = setUp();
  wheel.timer(owner, 'a').start(1_000_000);
  clock.advance(1_000);
  clock.stall(300);
  clock.advance(1_000);
  const { maxMs } = wheel.lag();
  assert.ok(maxMs >= 200 && maxMs <= 300, `${maxMs}`);
  clock.advance(14_000);
  assert.equal(wheel.lag().maxMs, maxMs);
  clock.advance(30_000);
  assert.equal(wheel.lag().maxMs, 0);
});
