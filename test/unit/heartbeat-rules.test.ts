import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settings, setUp, stepMs } from '../support/fake-heartbeat.ts';

const sequenceOf = (payload: Buffer) => payload.readUInt32BE(4);

test('it pings each interval, the first time after its phase of the interval', () => {
  const { clock, owner, link } = setUp(settings(1_000), { phase: 0.3 });
  clock.advance(4_500);
  assert.deepEqual(owner.times('ping rfc6455'), [300, 1_300, 2_300, 3_300, 4_300]);
  assert.deepEqual(link.pings.map(sequenceOf), [1, 2, 3, 4, 5]);
  assert.equal(link.pings[0]!.toString('latin1', 0, 4), 'HFhb');
});

test('a peer that answers within an interval is never missed, however unevenly', () => {
  const { clock, owner, link } = setUp(settings(1_000));
  for (const rtt of [1, 900, 1, 990, 500, 990, 1, 0]) {
    link.answersInMs = rtt;
    clock.advance(1_000);
  }
  clock.advance(3_000);
  assert.deepEqual(owner.times('missed'), []);
  assert.deepEqual(owner.times('timed out: silence'), []);
});

test('each pong gives the round trip of its ping', () => {
  const { clock, owner, link } = setUp(settings(1_000));
  clock.advance(1_000);
  assert.deepEqual(
    owner.heard.filter(({ what }) => what === 'pong rfc6455').map(({ ms }) => ms),
    [20],
  );
  assert.equal(link.rttMs, 20);
});

test('a pong answers its ping and all before it, once', () => {
  const { clock, owner, link, heartbeat } = setUp(settings(1_000, 60_000), { answersInMs: null, phase: 0 });
  clock.advance(3_100);
  assert.equal(link.pings.length, 4);
  const [first, second, third, fourth] = link.pings;
  assert.equal(heartbeat.pong(first!), true);
  assert.equal(heartbeat.pong(first!), false);
  assert.equal(heartbeat.pong(third!), true);
  assert.equal(heartbeat.pong(second!), false);
  assert.equal(heartbeat.pong(fourth!), true);
  // Sent at 10, 1,000, 2,000 and 3,000; that of the third is reckoned from its neighbours.
  const rtts = owner.heard.filter(({ what }) => what === 'pong rfc6455').map(({ ms }) => Math.round(ms / 10) * 10);
  assert.deepEqual(rtts, [3_090, 1_100, 100]);
});

test('a pong nobody asked for is not ours', () => {
  const { clock, link, heartbeat } = setUp(settings(1_000), { answersInMs: null });
  assert.equal(heartbeat.pong(Buffer.from('HFhb\0\0\0\0', 'latin1')), false);
  assert.equal(heartbeat.pong(Buffer.from('HFhb\0\0\0\x01', 'latin1')), false);
  clock.advance(600);
  assert.equal(heartbeat.pong(Buffer.alloc(0)), false);
  assert.equal(heartbeat.pong(Buffer.from('HFba\0\0\0\x01', 'latin1')), false);
  assert.equal(heartbeat.pong(Buffer.from('HFhb\0\0\0\x02', 'latin1')), false);
  assert.equal(heartbeat.pong(Buffer.from('HFhb\0\0\0\x01\0', 'latin1')), false);
  assert.equal(heartbeat.pong(link.pings[0]!), true);
});

test('a frozen peer is missed interval by interval and found within its timeout and a step', () => {
  for (const phase of [0, 0.123, 0.5, 0.999, 1]) {
    const { clock, owner, link } = setUp(settings(1_000), { phase });
    clock.advance(10_000 + phase * 777);
    link.answersInMs = null;
    clock.advance(2_000);
    const lastByte = link.receivedAt;
    clock.advance(5_000);
    const [verdict, ...more] = owner.heard.filter(({ what }) => what.startsWith('timed out'));
    assert.equal(verdict?.what, 'timed out: silence');
    assert.deepEqual(more, []);
    const foundAfter = verdict.at - lastByte;
    assert.ok(foundAfter >= 3_000 && foundAfter <= 3_000 + stepMs, `${foundAfter}`);
    assert.ok(verdict.ms >= 3_000 - 0.01 && verdict.ms <= 3_000 + stepMs, `${verdict.ms}`);
    const missed = owner.times('missed');
    assert.ok(missed.length >= 1 && missed.length <= 2, `${missed}`);
    assert.equal(owner.heard.at(-1), verdict);
  }
});

test('a half-open link, on which never a byte came, is found as fast', () => {
  const { clock, owner } = setUp(settings(1_000), { answersInMs: null });
  clock.advance(10_000);
  assert.deepEqual(owner.times('missed'), [1_500, 2_500]);
  assert.deepEqual(owner.times('timed out: silence'), [3_000]);
});

test('any byte proves life, also of a peer that answers no ping', () => {
  const { clock, owner, link } = setUp(settings(1_000), { answersInMs: null });
  for (let i = 0; i < 50; i += 1) {
    clock.advance(900);
    link.receive();
  }
  assert.deepEqual(owner.times('missed'), []);
  assert.deepEqual(owner.times('timed out: silence'), []);
});

test('a timeout as short as the interval does not drop a peer that answers', () => {
  for (const phase of [0, 0.4, 0.99]) {
    const { clock, owner, link } = setUp(settings(1_000, 1_000), { phase });
    for (let i = 0; i < 60; i += 1) {
      link.answersInMs = (i * 37) % 400;
      clock.advance(1_000);
    }
    assert.deepEqual(owner.times('timed out: silence'), []);
    link.answersInMs = null;
    clock.advance(500);
    const lastByte = link.receivedAt;
    clock.advance(2_000);
    const [at] = owner.times('timed out: silence');
    assert.ok(at !== undefined && at - lastByte <= 1_000 + stepMs, `${at}`);
  }
});

test('after our own loop stood still for 5 s nobody is missed or dropped', () => {
  const { clock, owner, link } = setUp(settings(1_000));
  for (let i = 0; i < 20; i += 1) {
    clock.advance(730);
    clock.stall(5_000);
    // Timers run before what the sockets hold is read: the pongs come after them.
    link.answersInMs = 1;
    clock.advance(1);
  }
  clock.advance(2_000);
  assert.deepEqual(owner.times('missed'), []);
  assert.deepEqual(owner.times('timed out: silence'), []);
  // And no burst of the pings left out.
  const pings = owner.times('ping rfc6455');
  assert.ok(pings.length <= 41, `${pings.length}`);
});

test('a peer that is frozen while our loop stands still is found by the fair clock', () => {
  const { clock, wheel, owner, link } = setUp(settings(1_000));
  clock.advance(5_000);
  link.answersInMs = null;
  clock.advance(1_000);
  const fairLastByte = link.receivedAt;
  clock.stall(60_000);
  clock.advance(0);
  assert.deepEqual(owner.times('timed out: silence'), []);
  while (owner.times('timed out: silence').length === 0) clock.advance(1);
  const fair = wheel.fairNow() - fairLastByte;
  assert.ok(fair >= 3_000 && fair <= 3_000 + stepMs, `${fair}`);
});

test('a paused link with nothing to write is never judged; after it, silence counts from its end', () => {
  const { clock, owner, link } = setUp(settings(1_000), { answersInMs: null });
  link.paused = true;
  clock.advance(60_000);
  assert.deepEqual(owner.times('missed'), []);
  clock.advance(445);
  link.resume();
  clock.advance(2_990);
  assert.deepEqual(owner.times('timed out: silence'), []);
  clock.advance(20);
  assert.equal(owner.times('timed out: silence').length, 1);
});

test('a blocked link is judged by progress, paused or not', () => {
  for (const paused of [false, true]) {
    const { clock, owner, link } = setUp(settings(1_000), { answersInMs: null });
    clock.advance(400);
    link.paused = paused;
    link.bufferedBytes = 100_000;
    link.progressAt = 400;
    for (let i = 0; i < 30; i += 1) {
      clock.advance(1_500);
      link.take(1_000);
    }
    assert.deepEqual(owner.times('missed'), []);
    const lastTaken = link.progressAt;
    clock.advance(10_000);
    assert.deepEqual(owner.times('timed out: silence'), []);
    const [at] = owner.times('timed out: no-progress');
    assert.ok(at !== undefined && at - lastTaken >= 3_000 && at - lastTaken <= 3_000 + stepMs, `${at} ${lastTaken}`);
    // One ping waits in our buffer, not one for each interval.
    assert.ok(link.pings.length <= 2, `${link.pings.length}`);
  }
});

test('silence does not count while our ping lay in our own buffer', () => {
  const { clock, owner, link } = setUp(settings(1_000), { answersInMs: null });
  link.bufferedBytes = 5_000;
  for (let i = 0; i < 10; i += 1) {
    clock.advance(1_000);
    link.take(100);
  }
  link.take(link.bufferedBytes);
  const unblockedAt = link.progressAt;
  clock.advance(2_990);
  assert.deepEqual(owner.times('timed out: silence'), []);
  clock.advance(20);
  const [at] = owner.times('timed out: silence');
  assert.ok(at !== undefined && at - unblockedAt <= 3_000 + stepMs, `${at}`);
});

test('bytes that are buffered for a moment after each write do not hide a frozen peer', () => {
  const { clock, owner, link } = setUp(settings(1_000), { answersInMs: null });
  const { ping } = link;
  link.ping = (payload) => {
    ping.call(link, payload);
    link.bufferedBytes = payload.length;
    clock.setTimeout(() => link.take(payload.length), 1);
  };
  clock.advance(10_000);
  assert.deepEqual(owner.times('timed out: silence'), [3_000]);
});

test('interval 0: no pings, no verdict of silence, but progress within 30 s', () => {
  const { clock, owner, link, wheel } = setUp(settings(0, 0), { answersInMs: null });
  clock.advance(200_000);
  assert.deepEqual(owner.heard, []);
  assert.equal(wheel.size, 1);
  clock.advance(7_000);
  link.bufferedBytes = 10;
  link.progressAt = wheel.fairNow();
  clock.advance(29_900);
  assert.deepEqual(owner.heard, []);
  clock.advance(110);
  assert.equal(owner.times('timed out: no-progress').length, 1);
});
