import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { Upstream } from '../../src/pipe/upstream.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeLink } from '../support/fake-link.ts';

function setUp({ atMostOnce = false } = {}) {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel({ clock });
  const owner = {
    shrank: 0,
    journalShrank() {
      this.shrank += 1;
    },
  };
  const upstream = new Upstream(owner, { wheel, atMostOnce });
  return { clock, wheel, owner, upstream, journal: upstream.journal };
}

const run = (bytes: number, fill = 1) => Buffer.allocUnsafeSlow(bytes).fill(fill);
const notBarrier = Buffer.from('HFhb0000');

test('without a link everything waits; the link gets it in order, then what is new', () => {
  const { upstream, journal } = setUp();
  upstream.push(run(10, 1), 1);
  upstream.push(run(2000, 2), 1);
  const link = new FakeLink();
  assert.equal(upstream.attach(link), 0, 'nothing was sent before');
  upstream.push(run(10, 3), 1);
  assert.deepEqual(link.frames, Buffer.concat([run(10, 1), run(2000, 2), run(10, 3)]));
  assert.deepEqual([journal.messages, journal.hasUnsent], [3, false]);
  assert.equal(link.corked, 0);
});

test('a barrier goes with a message, in one write, at most every 100 ms', () => {
  const { clock, upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  for (let ms = 0; ms < 1000; ms += 30) {
    const before = link.pings.length;
    const writes = link.writes;
    upstream.push(run(10), 1);
    assert.equal(link.writes, writes + 1, `${ms} ms`);
    assert.equal(link.pings.length - before, ms % 120 === 0 ? 1 : 0, `${ms} ms`);
    const ping = link.pings[before];
    if (ping !== undefined) upstream.pong(ping);
    assert.equal(journal.messages, (ms % 120) / 30, `${ms} ms`);
    clock.advance(30);
    assert.equal(link.pings.length, Math.floor(ms / 120) + 1, 'none without a message');
  }
});

test('what the link has taken is free again, with a barrier and without', () => {
  const { upstream } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  link.taken = true;
  assert.deepEqual([upstream.push(run(10), 1), upstream.push(run(10), 1), link.pings.length], [true, true, 1]);
  link.taken = false;
  upstream.pong(link.pings[0]!);
  assert.deepEqual([upstream.push(run(70_000), 1), upstream.push(run(10), 1), link.pings.length], [false, false, 2]);
});

test('what no barrier went with has one of its own, 100 ms after the first such message', () => {
  const { clock, upstream } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10), 1);
  upstream.pong(link.pings[0]!);
  upstream.push(run(10), 1);
  clock.advance(60);
  upstream.push(run(10), 1);
  clock.advance(35);
  assert.equal(link.pings.length, 1);
  clock.advance(20);
  assert.equal(link.pings.length, 2);
});

test('the beginning of a message carries no barrier, its end does', () => {
  const { upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10), 0);
  assert.equal(link.pings.length, 0);
  upstream.push(run(10), 1);
  assert.equal(link.pings.length, 1);
  upstream.pong(link.pings[0]!);
  assert.equal(journal.empty, true);
});

test('a barrier goes out at once when 64 KiB are unacknowledged; one at a time', () => {
  const { clock, upstream, journal, owner } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10), 1);
  upstream.pong(link.pings[0]!);
  upstream.push(run(65_000), 1);
  assert.equal(link.pings.length, 1);
  upstream.push(run(536), 1);
  assert.equal(link.pings.length, 2);
  upstream.push(run(200_000), 1);
  clock.advance(900);
  assert.equal(link.pings.length, 2, 'the one before is still out');
  assert.equal(upstream.pong(link.pings[1]!), true);
  assert.deepEqual([journal.bytes, journal.messages, owner.shrank], [200_000, 1, 2]);
  assert.equal(link.pings.length, 3, 'what came meanwhile is over 64 KiB');
  assert.equal(upstream.pong(link.pings[2]!), true);
  assert.equal(upstream.delivered, true);
  clock.advance(1000);
  assert.equal(link.pings.length, 3, 'nothing to ask');
});

test('a barrier that is not answered is sent anew after 1 s, then after twice as long each time, at most 32 s', () => {
  const { clock, upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10), 1);
  clock.advance(110);
  const at: number[] = [];
  for (let ms = 0; ms < 130_000; ms += 100) {
    const before = link.pings.length;
    clock.advance(100);
    if (link.pings.length > before) at.push(Math.round((ms + 100) / 1000));
  }
  assert.deepEqual(at, [1, 3, 7, 15, 31, 63, 95, 127]);
  upstream.push(run(10), 1);
  upstream.pong(link.pings.at(-1)!);
  assert.equal(journal.messages, 1, 'what came after it is asked for by the next');
  clock.advance(120);
  assert.equal(link.pings.length, 10);
  clock.advance(1010);
  assert.equal(link.pings.length, 11, 'patience begins anew');
  upstream.pong(link.pings[10]!);
  assert.equal(upstream.delivered, true);
  clock.advance(100_000);
  assert.equal(link.pings.length, 11, 'nothing to ask');
});

test('regression: a barrier with nothing unacknowledged before it is sent anew too: a move waits for it', () => {
  for (const atMostOnce of [false, true]) {
    const { clock, upstream } = setUp({ atMostOnce });
    const link = new FakeLink();
    upstream.attach(link);
    upstream.hold();
    upstream.sendBarrier();
    clock.advance(1010);
    assert.equal(link.pings.length, 2);
    assert.equal(upstream.pong(link.pings[1]!), true);
    clock.advance(100_000);
    assert.equal(link.pings.length, 2, 'it was answered');
  }
});

test('a pong is cumulative; a pong of something else is not ours', () => {
  const { clock, upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10), 1);
  upstream.pong(link.pings[0]!);
  for (let i = 0; i < 5; i += 1) upstream.push(run(10), 1);
  clock.advance(120);
  upstream.push(run(10), 1);
  assert.equal(upstream.pong(notBarrier), false);
  assert.equal(journal.messages, 6);
  upstream.pong(link.pings[1]!);
  assert.equal(journal.messages, 1);
  assert.equal(upstream.pong(link.pings[1]!), false, 'twice');
  clock.advance(120);
  assert.equal(link.pings.length, 3);
});

test('a link that does not keep up is not written to; it goes on where it stopped', () => {
  const { upstream, journal } = setUp();
  const link = new FakeLink();
  link.room = 150_000;
  upstream.attach(link);
  for (let i = 0; i < 6; i += 1) upstream.push(run(100_000, i), 1);
  assert.equal(link.frames.length, 200_000);
  assert.deepEqual([journal.unsentBytes, journal.unacknowledgedBytes], [400_000, 200_000]);
  link.drain(150_000);
  upstream.flush();
  assert.equal(link.frames.length, 400_000);
  link.drain();
  upstream.flush();
  assert.deepEqual(link.frames, Buffer.concat([0, 1, 2, 3, 4, 5].map((i) => run(100_000, i))));
});

test('a message in pieces goes out whole, also where the link is full after the first piece', () => {
  for (const atMostOnce of [false, true]) {
    const { upstream, journal } = setUp({ atMostOnce });
    const link = new FakeLink();
    link.room = 10;
    upstream.attach(link);
    upstream.push(run(5000, 1), 0);
    assert.equal(link.writable, false);
    upstream.push(run(5000, 2), 0);
    upstream.push(run(10, 3), 1);
    upstream.push(run(10, 4), 1);
    assert.equal(link.frames.length, 10_010);
    assert.deepEqual([journal.cut, journal.unsentBytes], [false, 10]);
    assert.equal(journal.unacknowledgedBytes, atMostOnce ? 0 : 10_010);
  }
});

test('a waiting message in pieces: no flush stops inside it, no barrier goes into it', () => {
  const { upstream, journal, clock } = setUp();
  upstream.push(run(131_072, 1), 0);
  upstream.push(run(131_072, 2), 0);
  upstream.push(run(2000, 3), 1);
  upstream.push(run(70_000, 4), 2);
  const link = new FakeLink();
  link.room = 10;
  upstream.attach(link);
  assert.deepEqual(
    link.log.map((entry) => entry.what),
    ['frames', 'frames', 'frames', 'ping'],
  );
  assert.equal(journal.unsentBytes, 70_000);
  clock.advance(500);
  assert.equal(link.log.length, 4);
});

test('a lost link: what it did not acknowledge goes to the next first, with a barrier right behind', () => {
  const { clock, upstream, journal } = setUp();
  const first = new FakeLink();
  upstream.attach(first);
  upstream.push(run(10, 1), 1);
  clock.advance(120);
  upstream.pong(first.pings[0]!);
  upstream.push(run(10, 2), 2);
  upstream.push(run(10, 3), 1);
  assert.equal(upstream.oldestUnacknowledged, 1);
  upstream.detach();
  assert.equal(upstream.oldestUnacknowledged, null);
  clock.advance(1000);
  upstream.push(run(10, 4), 1);
  assert.equal(journal.replayable, 3);
  const second = new FakeLink();
  assert.equal(upstream.attach(second), 3);
  assert.deepEqual(second.frames, Buffer.concat([run(10, 2), run(10, 3), run(10, 4)]));
  assert.equal(second.pings.length, 1);
  assert.equal(upstream.pong(first.pings[0]!), false, 'a pong of the dead');
  assert.equal(upstream.pong(second.pings[0]!), true);
  assert.equal(upstream.delivered, true);
});

test('at-most-once: what the socket was given is never sent again, what it was not goes to the next', () => {
  const { clock, upstream, journal, owner } = setUp({ atMostOnce: true });
  const first = new FakeLink();
  first.room = 15;
  upstream.attach(first);
  upstream.push(run(10, 1), 1);
  upstream.push(run(10, 2), 1);
  upstream.push(run(10, 3), 1);
  assert.deepEqual([journal.messages, owner.shrank], [1, 2]);
  clock.advance(1000);
  assert.equal(first.pings.length, 0, 'nobody waits for an acknowledgement');
  upstream.detach();
  const second = new FakeLink();
  assert.equal(upstream.attach(second), 0);
  assert.deepEqual(second.frames, run(10, 3));
  assert.equal(upstream.delivered, true);
});

test('held: what is new waits, the barrier still covers what was sent; released it goes on', () => {
  const { upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10, 1), 1);
  upstream.hold();
  upstream.sendBarrier();
  upstream.push(run(10, 2), 1);
  link.drain();
  upstream.flush();
  assert.equal(link.frames.length, 10);
  assert.equal(upstream.pong(link.pings.at(-1)!), true);
  assert.deepEqual([journal.messages, journal.unsentBytes], [1, 10]);
  upstream.release();
  assert.deepEqual(link.frames, Buffer.concat([run(10, 1), run(10, 2)]));
});

test('held, then the next link: what waited goes there and nothing twice', () => {
  const { upstream } = setUp();
  const old = new FakeLink();
  upstream.attach(old);
  upstream.push(run(10, 1), 1);
  upstream.hold();
  upstream.sendBarrier();
  upstream.push(run(10, 2), 1);
  upstream.pong(old.pings[0]!);
  upstream.detach();
  const next = new FakeLink();
  assert.equal(upstream.attach(next), 0);
  assert.deepEqual(next.frames, run(10, 2));
});

test('regression: a pipe that is closed while messages are held still brings them out', () => {
  const { upstream } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.hold();
  upstream.push(run(10, 1), 1);
  upstream.hurry();
  assert.deepEqual(link.frames, run(10, 1));
  assert.equal(upstream.pong(link.pings.at(-1)!), true);
  assert.equal(upstream.delivered, true);
});

test('a heartbeat answered behind an unanswered barrier: the barrier is asked again', () => {
  const { clock, upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.heartbeatAnswered();
  assert.equal(link.pings.length, 0);
  upstream.push(run(10), 1);
  clock.advance(120);
  upstream.push(run(10), 1);
  upstream.heartbeatAnswered();
  assert.equal(link.pings.length, 2);
  assert.equal(upstream.pong(link.pings[0]!), false, 'not the latest');
  assert.equal(journal.messages, 1, 'but what it covers is acknowledged');
  assert.equal(upstream.pong(link.pings[1]!), true);
  assert.equal(journal.messages, 0);
});

test('a link that never answers pings: what it is given counts as arrived from then on', () => {
  const { clock, upstream, journal, owner } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  upstream.push(run(10), 1);
  clock.advance(200);
  upstream.stopAcknowledging();
  assert.deepEqual([journal.messages, owner.shrank], [0, 1]);
  upstream.push(run(10), 1);
  assert.equal(journal.messages, 0);
  clock.advance(1000);
  assert.equal(link.pings.length, 1);
  upstream.detach();
  const next = new FakeLink();
  upstream.attach(next);
  upstream.push(run(10), 1);
  assert.equal(journal.messages, 1, 'the next one may acknowledge');
});

test('the answer to our Close acknowledges all that was sent', () => {
  const { upstream, journal } = setUp();
  const link = new FakeLink();
  upstream.attach(link);
  link.room = 15;
  for (let i = 0; i < 3; i += 1) upstream.push(run(10), 1);
  upstream.closeAnswered();
  assert.deepEqual([journal.messages, journal.unsentBytes], [1, 10]);
});

test('no timer is left after dispose or detach', () => {
  const { wheel, upstream } = setUp();
  upstream.attach(new FakeLink());
  upstream.push(run(10), 1);
  assert.equal(wheel.size, 1);
  upstream.detach();
  assert.equal(wheel.size, 0);
  upstream.attach(new FakeLink());
  upstream.dispose();
  assert.equal(wheel.size, 0);
});
