import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeartbeatJudge } from '../../src/client/heartbeat-judge.ts';

const start = 1_000_000;

/** A judge that is woken as it asked, or late. */
class Watch {
  now = start;
  readonly judge: HeartbeatJudge;
  readonly log: string[] = [];

  constructor(intervalMs = 25_000, timeoutMs = 75_000) {
    this.judge = new HeartbeatJudge({ intervalMs, timeoutMs }, start);
  }

  /** Sleeps until the next check; `lateMs` = how much longer than asked. */
  step(lateMs = 0): string | null {
    this.now += this.judge.plan(this.now) + lateMs;
    const verdict = this.judge.check(this.now);
    this.log.push(`${this.now - start} ${verdict}`);
    return verdict;
  }
}

test('a ping at each interval, and dead after the timeout without a sign', () => {
  const watch = new Watch();
  while (watch.step() !== 'dead');
  assert.deepEqual(watch.log, ['25000 ping', '50000 ping', '75000 dead']);
});

test('anything heard is a sign of life', () => {
  const watch = new Watch();
  for (let count = 0; count < 20; count += 1) {
    assert.notEqual(watch.step(), 'dead');
    watch.judge.heard(watch.now);
  }
});

test('after a sleep of hours: first a ping, the verdict after a short grace', () => {
  const watch = new Watch();
  watch.step();
  watch.judge.heard(watch.now);
  assert.equal(watch.step(3 * 3_600_000), 'ping');
  const wokeAt = watch.now;
  assert.equal(watch.step(), 'dead');
  assert.equal(watch.now - wokeAt, 5_000);
});

test('after a sleep, an answer within the grace and all is well', () => {
  const watch = new Watch();
  assert.equal(watch.step(600_000), 'ping');
  watch.judge.heard(watch.now + 300);
  for (let count = 0; count < 3; count += 1) assert.notEqual(watch.step(), 'dead');
});

test('throttled timers: a wake each minute, answers between, never a wrong verdict', () => {
  const watch = new Watch();
  for (let count = 0; count < 50; count += 1) {
    const ms = watch.judge.plan(watch.now);
    watch.now += Math.max(ms, 60_000);
    const verdict = watch.judge.check(watch.now);
    assert.notEqual(verdict, 'dead');
    if (verdict === 'ping') watch.judge.heard(watch.now + 200);
  }
});

test('throttled timers: a dead connection is found in the end', () => {
  const watch = new Watch();
  let wakes = 0;
  for (let verdict: string | null = null; verdict !== 'dead'; wakes += 1) {
    assert.ok(wakes < 6);
    watch.now += Math.max(watch.judge.plan(watch.now), 60_000);
    verdict = watch.judge.check(watch.now);
  }
  assert.ok(wakes >= 3, 'not before two graces were over');
});

test('a suspicion asks for an answer within the grace, however short the silence', () => {
  const watch = new Watch();
  watch.now += 1_000;
  watch.judge.suspect(watch.now);
  assert.equal(watch.step(), 'dead');
  assert.equal(watch.now, start + 6_000);
});

test('a second suspicion does not lengthen the first', () => {
  const watch = new Watch();
  watch.judge.suspect(start);
  watch.now += 4_000;
  watch.judge.suspect(watch.now);
  assert.equal(watch.step(), 'dead');
  assert.equal(watch.now, start + 5_000);
});

test('a suspicion anew has the whole grace, whatever was asked before', () => {
  const watch = new Watch();
  watch.judge.suspect(start);
  watch.now += 4_000;
  watch.judge.suspect(watch.now, true);
  assert.equal(watch.step(), 'dead');
  assert.equal(watch.now, start + 9_000);
});

test('a network that comes and goes does not put the verdict off for ever', () => {
  const watch = new Watch();
  for (let count = 0; count < 5 && watch.judge.check(watch.now) !== 'dead'; count += 1) {
    watch.judge.suspect(watch.now, true);
    watch.judge.plan(watch.now);
    watch.now += 4_000;
  }
  assert.equal(watch.step(), 'dead');
  assert.ok(watch.now - start <= 12_000, `dead after ${watch.now - start} ms`);
});

test('a clock that was set back asks again and judges from there', () => {
  const watch = new Watch();
  watch.step();
  watch.judge.heard(watch.now);
  watch.now -= 86_400_000;
  watch.judge.plan(watch.now);
  assert.equal(watch.judge.check(watch.now), 'ping');
  assert.equal(watch.step(), 'ping');
});

test('off: no pings and no verdict, but a suspicion is looked into', () => {
  const watch = new Watch(0, 0);
  assert.ok(watch.judge.plan(start) > 1_000_000_000);
  assert.equal(watch.judge.check(start + 86_400_000), null);
  watch.judge.suspect(start);
  assert.equal(watch.judge.plan(start), 5_000);
});

test('other settings hold from now on and are no verdict about the past', () => {
  const watch = new Watch();
  watch.now += 20_000;
  watch.judge.retune({ intervalMs: 1_000 }, watch.now);
  assert.equal(watch.step(), 'ping');
  assert.equal(watch.now, start + 21_000);
  while (watch.step() !== 'dead');
  assert.equal(watch.now, start + 23_000);
});
