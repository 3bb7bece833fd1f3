import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heartbeat, type HeartbeatLink } from '../../src/heartbeat/heartbeat.ts';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import type { Link, LinkClock } from '../../src/link/link.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeLink, FakeOwner, settings, setUp, stepMs } from '../support/fake-heartbeat.ts';

/** For the compiler only: links and wheel fit each other. */
export const fits = (link: Link, wheel: TimerWheel): [HeartbeatLink, LinkClock] => [link, wheel];

test('retuned from 1 h to 1 s it pings within a second and drops nobody for the silence before', () => {
  const { clock, owner, link, heartbeat } = setUp(settings(3_600_000), { phase: 0.7 });
  clock.advance(1_800_000);
  heartbeat.retune(settings(1_000));
  clock.advance(1_000);
  assert.deepEqual(owner.times('ping rfc6455'), [1_800_700]);
  clock.advance(10_000);
  assert.deepEqual(owner.times('timed out: silence'), []);
  link.answersInMs = null;
  clock.advance(10_000);
  assert.equal(owner.times('timed out: silence').length, 1);
});

test('retuned from off to on, and from on to off', () => {
  const { clock, owner, heartbeat } = setUp(settings(0, 0), { phase: 0.5 });
  clock.advance(100_000);
  heartbeat.retune(settings(1_000));
  clock.advance(2_000);
  assert.deepEqual(owner.times('ping rfc6455'), [100_500, 101_500]);
  heartbeat.retune(settings(0, 0));
  clock.advance(100_000);
  assert.equal(owner.times('ping rfc6455').length, 2);
  assert.deepEqual(owner.times('timed out: silence'), []);
});

test('links retuned together do not ping together', () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel({ clock, stepMs });
  const owner = new FakeOwner(clock);
  const beats = Array.from({ length: 1_000 }, (_, i) => {
    const link = new FakeLink(wheel, clock);
    const heartbeat = new Heartbeat({ wheel, link, owner, settings: settings(3_600_000), phase: i / 1_000 });
    heartbeat.start();
    return heartbeat;
  });
  clock.advance(5);
  for (const heartbeat of beats) heartbeat.retune(settings(1_000));
  clock.advance(1_010);
  const perStep = new Map<number, number>();
  for (const at of owner.times('ping rfc6455')) perStep.set(at, (perStep.get(at) ?? 0) + 1);
  assert.ok(perStep.size >= 99, `${perStep.size}`);
  assert.ok(Math.max(...perStep.values()) <= 20);
});

test('with long intervals pings go in portions, so that the thread is woken less often', () => {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel({ clock, stepMs });
  const owner = new FakeOwner(clock);
  for (let i = 0; i < 1_000; i += 1) {
    const link = new FakeLink(wheel, clock);
    new Heartbeat({ wheel, link, owner, settings: settings(25_000), phase: i / 1_000 }).start();
  }
  clock.advance(25_260);
  const first = owner.times('ping rfc6455').slice(0, 1_000);
  const portions = new Set(first);
  assert.ok(portions.size >= 99 && portions.size <= 101, `${portions.size}`);
  for (const at of portions) assert.ok(first.filter((one) => one === at).length <= 20);
});

test('settings that change no time leave the rhythm alone', () => {
  const { clock, owner, heartbeat } = setUp(settings(1_000), { phase: 0.5, jsonPings: true });
  for (let i = 0; i < 8; i += 1) {
    clock.advance(250);
    heartbeat.retune(settings(1_000, 3_000, 'on'));
  }
  assert.deepEqual(owner.times('ping rfc6455'), [500, 1_500]);
  assert.deepEqual(owner.times('json sent'), [500]);
});

test('JSON pings go where they apply and are on, one at a time', () => {
  for (const [json, jsonPings] of [
    ['auto', true],
    ['off', true],
    ['on', false],
  ] as const) {
    const { clock, owner, heartbeat } = setUp(settings(1_000, 3_000, json), { jsonPings });
    clock.advance(5_000);
    assert.deepEqual(owner.times('json sent'), []);
    assert.equal(heartbeat.jsonPong(), false);
  }
  const { clock, owner, link, heartbeat } = setUp(settings(1_000, 3_000, 'on'), { jsonPings: true });
  assert.equal(heartbeat.jsonPong(), false);
  clock.advance(530);
  assert.equal(heartbeat.jsonPong(), true);
  assert.equal(link.rttMs, 30);
  assert.equal(heartbeat.jsonPong(), false);
  clock.advance(6_000);
  // Not answered: again after a timeout, not each interval.
  assert.deepEqual(owner.times('ping json'), [500, 1_500, 4_500]);
});

test('stopped it neither pings nor judges nor takes pongs, and can begin anew', () => {
  const { clock, wheel, owner, link, heartbeat } = setUp(settings(1_000, 3_000, 'on'), {
    answersInMs: null,
    jsonPings: true,
  });
  clock.advance(600);
  heartbeat.stop();
  heartbeat.stop();
  heartbeat.retune(settings(100));
  assert.equal(wheel.size, 0);
  assert.equal(heartbeat.pong(link.pings[0]!), false);
  assert.equal(heartbeat.jsonPong(), false);
  clock.advance(60_000);
  assert.equal(owner.times('ping rfc6455').length, 1);
  heartbeat.start();
  heartbeat.start();
  clock.advance(60);
  assert.equal(owner.times('ping rfc6455').length, 2);
  assert.equal(heartbeat.pong(link.pings[0]!), false);
  clock.advance(1_000);
  assert.equal(owner.times('timed out: silence').length, 1);
  assert.equal(wheel.size, 0);
});

test('an owner may stop it from within any of its calls', () => {
  for (const verb of ['heartbeatPing', 'heartbeatMissed', 'heartbeatTimedOut', 'sendJsonPing'] as const) {
    const clock = new FakeClock(0);
    const wheel = new TimerWheel({ clock, stepMs });
    const link = new FakeLink(wheel, clock);
    const owner = new FakeOwner(clock);
    const heartbeat: Heartbeat<FakeLink> = new Heartbeat({
      wheel,
      link,
      owner,
      settings: settings(1_000, 3_000, 'on'),
      phase: 0.5,
      jsonPings: true,
    });
    let calls = 0;
    owner[verb] = () => {
      calls += 1;
      heartbeat.stop();
    };
    heartbeat.start();
    clock.advance(20_000);
    assert.equal(calls, 1, verb);
    assert.equal(wheel.size, 0);
  }
});
