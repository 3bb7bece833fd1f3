/** When health checks are asked for, and when they end: with a clock of its own and backends that answer when told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { EventStream } from '../../src/observe/events.ts';
import { resolveOptions } from '../../src/options.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import type { CheckOwner } from '../../src/pool/backend-watch.ts';
import { HealthChecks, maxAsking } from '../../src/pool/health-checks.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Asked {
  readonly id: string;
  readonly at: number;
  readonly owner: CheckOwner;
  ended: 'answered' | 'aborted' | 'timed-out' | null;
}

/** Backends that answer after `answerMs`; Infinity = never, NaN = the check throws. */
function setUp({ backends = ['a'], answerMs = 5, random = (): number => 0 } = {}) {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const events = new EventStream((error) => {
    throw error;
  });
  const options = resolveOptions({
    pool: { health: { kind: 'websocket', intervalMs: 1000, timeoutMs: 400, rise: 1, fall: 2 } },
  });
  const now = () => clock.now();
  const pool = new BackendPool({ options: options.pool, events, now });
  for (const id of backends) pool.register({ id, url: `ws://${id}:9000/` });
  const asked: Asked[] = [];
  const behaviour = { answerMs, passes: true };
  const checks = new HealthChecks({
    settings: options.pool.health,
    pool,
    events,
    wheel,
    random,
    check: ({ id }, owner) => {
      const one: Asked = { id, at: clock.now(), owner, ended: null };
      asked.push(one);
      if (Number.isNaN(behaviour.answerMs)) throw new Error('not a time');
      const answer = Number.isFinite(behaviour.answerMs)
        ? clock.setTimeout(() => {
            one.ended = 'answered';
            if (behaviour.passes) owner.checkPassed('101');
            else owner.checkFailed('503');
          }, behaviour.answerMs)
        : null;
      return {
        abort() {
          clock.clearTimeout(answer);
          one.ended ??= 'aborted';
        },
        timeOut() {
          clock.clearTimeout(answer);
          one.ended = 'timed-out';
          owner.checkFailed('no answer');
        },
      };
    },
  });
  return { clock, wheel, events, pool, checks, asked, behaviour };
}

test('each backend is asked once an interval, counted from when it was asked', () => {
  const { clock, checks, asked, behaviour } = setUp();
  const startedAt = clock.now();
  checks.start();
  clock.advance(15);
  behaviour.answerMs = 300;
  clock.advance(3500);
  const times = asked.map(({ at }) => Math.round((at - startedAt) / 100) / 10);
  assert.deepEqual(times, [0, 1, 2, 3]);
});

test('those that begin together are spread over the interval', () => {
  let drawn = 0;
  const backends = Array.from({ length: 1000 }, (_, index) => `b${index}`);
  const { clock, checks, asked } = setUp({ backends, random: () => (drawn++ % 1000) / 1000 });
  checks.start();
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    const before = asked.length;
    clock.advance(100);
    const now = asked.length - before;
    assert.ok(now >= 80 && now <= 120, `${now} in the ${tenth}. tenth of the interval`);
  }
});

test('a backend that does not answer fails its check at timeoutMs, and is never asked twice at a time', () => {
  const { clock, pool, checks, asked } = setUp({ answerMs: Number.POSITIVE_INFINITY });
  checks.start();
  clock.advance(30);
  assert.equal(asked.length, 1);
  clock.advance(350);
  assert.equal(asked[0]!.ended, null);
  clock.advance(50);
  assert.equal(asked[0]!.ended, 'timed-out');
  clock.advance(1000);
  assert.deepEqual(
    asked.map(({ ended }) => ended),
    ['timed-out', 'timed-out'],
  );
  assert.equal(pool.get('a').health, 'unhealthy', 'after fall x intervalMs + timeoutMs at the latest');
});

test('where an answer may take longer than the interval, the next check waits for it', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const events = new EventStream(() => {});
  const { pool: settings } = resolveOptions({
    pool: { health: { kind: 'http', path: '/', intervalMs: 100, timeoutMs: 1000 } },
  });
  const pool = new BackendPool({ options: settings, events, now: () => clock.now() });
  pool.register({ id: 'a', url: 'ws://a:1/' });
  let asking = 0;
  let most = 0;
  let count = 0;
  const checks = new HealthChecks({
    settings: settings.health,
    pool,
    events,
    wheel,
    random: () => 0,
    check: (_backend, owner) => {
      count += 1;
      most = Math.max(most, ++asking);
      clock.setTimeout(() => {
        asking -= 1;
        owner.checkPassed('');
      }, 500);
      return { abort() {}, timeOut() {} };
    },
  });
  checks.start();
  clock.advance(2400);
  assert.deepEqual([most, count], [1, 5]);
});

test('no more than so many are asked at one time; the others wait for their turn and are not lost', () => {
  const backends = Array.from({ length: maxAsking + 50 }, (_, index) => `b${index}`);
  const { clock, pool, checks, asked, behaviour } = setUp({ backends, answerMs: Number.POSITIVE_INFINITY });
  checks.start();
  clock.advance(50);
  assert.equal(asked.length, maxAsking);
  // One that waits goes, one that is asked goes: its place is another's.
  pool.remove(`b${maxAsking + 10}`, 'operator');
  pool.remove('b0', 'operator');
  assert.equal(asked[0]!.ended, 'aborted');
  assert.equal(asked.length, maxAsking + 1);
  behaviour.answerMs = 1;
  clock.advance(450);
  assert.equal(asked.length, maxAsking + 49);
  assert.equal(new Set(asked.map(({ id }) => id)).size, maxAsking + 49);
  clock.advance(1000);
  assert.equal(asked.length, 2 * (maxAsking + 49) - 1);
});

test('a backend that is removed during its check is asked no more, and nothing is told of it', () => {
  const { clock, events, pool, checks, asked, wheel } = setUp({ answerMs: 200 });
  checks.start();
  clock.advance(20);
  const [first] = asked;
  let told = 0;
  events.on('backend.checked', () => (told += 1));
  pool.remove('a', 'operator');
  assert.equal(first!.ended, 'aborted');
  clock.advance(5000);
  assert.deepEqual([asked.length, told, wheel.size], [1, 0, 0]);
});

test('one that is removed by who hears of its check is asked no more', () => {
  const { clock, events, pool, checks, asked, wheel } = setUp();
  checks.start();
  events.on('backend.checked', () => pool.remove('a', 'operator'));
  clock.advance(5000);
  assert.deepEqual([asked.length, wheel.size], [1, 0]);
});

test('when the gateway closes during a check all ends, and no timer is left', () => {
  const { clock, events, pool, checks, asked, wheel } = setUp({ backends: ['a', 'b'], answerMs: 200 });
  checks.start();
  clock.advance(20);
  events.emit('gateway.closing', { pipes: 0, spreadMs: 0 });
  assert.deepEqual(
    asked.map(({ ended }) => ended),
    ['aborted', 'aborted'],
  );
  assert.equal(wheel.size, 0);
  checks.dispose();
  pool.register({ id: 'c', url: 'ws://c:9000/' });
  clock.advance(5000);
  assert.equal(asked.length, 2);
});

test('a backend that joins is asked, one that is drained or disabled is left alone until it is enabled', () => {
  const { clock, pool, checks, asked } = setUp({ backends: ['a'] });
  pool.update('a', { adminState: 'disabled' });
  checks.start();
  clock.advance(2000);
  assert.equal(asked.length, 0);
  pool.register({ id: 'b', url: 'ws://b:9000/' });
  clock.advance(20);
  assert.deepEqual(
    asked.map(({ id }) => id),
    ['b'],
  );
  pool.update('b', { weight: 3 });
  pool.update('b', { adminState: 'draining' });
  clock.advance(2000);
  assert.equal(asked.length, 1);
  pool.update('a', { adminState: 'enabled' });
  clock.advance(1500);
  assert.deepEqual(
    asked.map(({ id }) => id),
    ['b', 'a', 'a'],
  );
});

test('an answer that lay unread while our own event loop stood still is no time-out', () => {
  const { clock, pool, checks, asked, behaviour } = setUp({ answerMs: Number.POSITIVE_INFINITY });
  checks.start();
  clock.advance(100);
  clock.stall(10_000);
  // The tick after the stall: what was sent meanwhile is read only behind it.
  clock.advance(5);
  assert.equal(asked[0]!.ended, null);
  asked[0]!.owner.checkPassed('101');
  assert.equal(pool.get('a').health, 'healthy');
  clock.advance(100);
  assert.equal(asked.length, 2, 'the next one is due at once');
  behaviour.answerMs = 1;
  clock.advance(300);
  assert.equal(asked[1]!.ended, null, 'the stall before it does not count for it');
  clock.advance(100);
  assert.equal(asked[1]!.ended, 'timed-out');
});

test('what is left of the connection of a check is dropped at timeoutMs', () => {
  const { clock, checks, asked } = setUp({ answerMs: 50 });
  checks.start();
  const aborted: number[] = [];
  clock.advance(30);
  const one = asked[0]!;
  Object.defineProperty(one, 'ended', {
    get: () => null,
    set: (value: unknown) => {
      if (value === 'aborted') aborted.push(clock.now() - one.at);
    },
  });
  clock.advance(900);
  assert.equal(aborted.length, 1);
  assert.ok(aborted[0]! >= 400 && aborted[0]! < 420, `after ${aborted[0]} ms`);
});

test('a listener of the host that registers a backend anew as it is removed has it checked', () => {
  const { clock, events, pool, checks, asked } = setUp();
  events.once('backend.removed', () => pool.register({ id: 'a', url: 'ws://elsewhere:9000/' }));
  checks.start();
  clock.advance(15);
  pool.remove('a', 'operator');
  const before = asked.length;
  clock.advance(1000);
  assert.equal(asked.length - before, 1);
  assert.equal(pool.get('a').health, 'healthy');
});

test('a listener of the host that throws keeps no backend from being checked, or from being left alone', () => {
  const { clock, events, pool, checks, asked } = setUp();
  for (const name of ['backend.registered', 'backend.removed', 'gateway.closing'] as const)
    events.on(name, () => {
      throw new Error('of the host');
    });
  checks.start();
  clock.advance(15);
  assert.throws(() => pool.remove('a', 'operator'), /of the host/);
  assert.throws(() => pool.register({ id: 'b', url: 'ws://b:9000/' }), /of the host/);
  clock.advance(1500);
  assert.deepEqual([...new Set(asked.slice(1).map(({ id }) => id))], ['b']);
  assert.throws(() => events.emit('gateway.closing', { pipes: 0, spreadMs: 0 }), /of the host/);
  const before = asked.length;
  clock.advance(5000);
  assert.equal(asked.length, before);
});

test('a check that cannot even begin fails, and the next one is asked for', async () => {
  const { clock, pool, checks, asked, behaviour } = setUp({ answerMs: Number.NaN });
  checks.start();
  clock.advance(15);
  await new Promise(setImmediate);
  assert.equal(pool.get('a').view().lastCheck?.detail, 'not a time');
  behaviour.answerMs = 5;
  clock.advance(1100);
  assert.equal(asked.length, 2);
  assert.equal(pool.get('a').health, 'healthy');
});
