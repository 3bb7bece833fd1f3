import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../../src/observe/events.ts';
import { resolveOptions } from '../../src/options.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import type { Lease } from '../../src/pool/lease.ts';

function setUp(pool: Record<string, number | string> = {}, backends: readonly string[] = ['a']) {
  const clock = { ms: 0 };
  const log: { name: string; event: Record<string, unknown> }[] = [];
  const events = new EventStream((error) => {
    throw error;
  });
  const made = new BackendPool({
    options: resolveOptions({ pool } as never).pool,
    events,
    now: () => clock.ms,
    random: () => 0,
    wallClock: () => clock.ms,
  });
  for (const id of backends) made.register({ id, url: `ws://${id}:9000/` });
  events.tap((name, event) => log.push({ name, event: event as unknown as Record<string, unknown> }));
  const named = (name: string) => log.filter((entry) => entry.name === name).map((entry) => entry.event);
  const lease = (...exclude: string[]): Lease => {
    const answer = made.lease({ clientId: 'c', exclude: new Set(exclude) });
    assert.ok(answer, 'a lease');
    return answer;
  };
  /** A lease of exactly this backend. */
  const leaseOf = (id: string): Lease => lease(...made.list().flatMap((other) => (other.id === id ? [] : [other.id])));
  return { pool: made, clock, log, named, lease, leaseOf };
}
const counts = ({ backend }: Lease) => [backend.connections, backend.dialing];

test('a lease holds a connection until released, a dial slot until attached', () => {
  const { lease } = setUp();
  const first = lease();
  const second = lease();
  assert.deepEqual(counts(first), [2, 2]);
  first.attached();
  assert.deepEqual(counts(first), [2, 1]);
  first.release();
  assert.deepEqual(counts(first), [1, 1]);
  second.release();
  assert.deepEqual(counts(first), [0, 0]);
  assert.equal(first.backend.view().totals.attached, 1);
});

test('every method may be called in any order and twice', () => {
  const methods = ['attached', 'proved', 'failed', 'release'] as const;
  for (const one of methods) {
    for (const two of methods) {
      for (const three of methods) {
        const { pool, lease } = setUp();
        const subject = lease();
        const other = lease();
        for (const method of [one, two, three, three]) subject[method]('detail');
        subject.release();
        subject.attached();
        subject.proved();
        subject.failed('late');
        assert.deepEqual(counts(other), [1, 1], `${one} ${two} ${three}`);
        assert.ok(pool.get('a').consecutiveFailures <= 1);
      }
    }
  }
});

test('disabled or enabled again, a backend is as if never tried; while it is not enabled its failures do not make it unhealthy', () => {
  const { pool, lease } = setUp();
  const backend = pool.get('a');
  const kept = lease();
  kept.attached();
  for (const adminState of ['disabled', 'enabled', 'draining'] as const) {
    if (backend.enabled) lease().failed('refused');
    assert.equal(backend.health, backend.enabled ? 'unhealthy' : 'unknown');
    pool.update('a', { adminState });
    assert.equal(backend.health, 'unknown', adminState);
  }
  kept.failed('stopped');
  assert.deepEqual([backend.health, backend.lastError?.detail], ['unknown', 'stopped']);
});

test('a failure counts; a release and a dial that succeeds do not', () => {
  const { pool, lease, named, log } = setUp();
  const backend = pool.get('a');
  lease().release();
  assert.deepEqual([backend.health, log.length], ['unknown', 0]);
  lease().failed('refused');
  const accepted = lease();
  accepted.attached();
  assert.deepEqual([backend.consecutiveFailures, backend.health], [1, 'unhealthy'], 'accept-then-crash must be seen');
  accepted.failed('crashed');
  assert.deepEqual([backend.consecutiveFailures, backend.lastError?.detail], [2, 'crashed']);
  assert.deepEqual(named('backend.failed'), [
    { backendId: 'a', backendUrl: 'ws://a:9000/', consecutiveFailures: 1, detail: 'refused' },
    { backendId: 'a', backendUrl: 'ws://a:9000/', consecutiveFailures: 2, detail: 'crashed' },
  ]);
});

test('a link that survives its probation ends the streak, and says how long it lasted', () => {
  const { pool, clock, lease, named } = setUp();
  lease().proved();
  assert.deepEqual([pool.get('a').health, named('backend.recovered')], ['healthy', []], 'it had not been failing');
  clock.ms = 100;
  lease().failed('refused');
  clock.ms = 300;
  lease().failed('refused');
  clock.ms = 1000;
  lease().proved();
  assert.deepEqual(named('backend.recovered'), [{ backendId: 'a', backendUrl: 'ws://a:9000/', downMs: 900 }]);
  assert.deepEqual([pool.get('a').consecutiveFailures, pool.get('a').health], [0, 'healthy']);
});

test('a link proves its backend once: a later streak is not ended by it', () => {
  const { pool, lease } = setUp();
  const old = lease();
  old.proved();
  lease().failed('refused');
  old.proved();
  assert.equal(pool.get('a').consecutiveFailures, 1);
});

test('the failures of one pipe count once in a streak', () => {
  const { pool, lease, named } = setUp();
  const backend = pool.get('a');
  for (const pipeId of ['p', 'p', 'q', 'p']) lease().failed('crashed', { pipeId });
  lease().failed('refused');
  lease().failed('refused');
  assert.deepEqual([backend.consecutiveFailures, named('backend.failed').length], [4, 4]);
  assert.deepEqual([backend.view().totals.failed, backend.connections], [6, 0]);
  lease().proved();
  lease().failed('crashed', { pipeId: 'p' });
  assert.equal(backend.consecutiveFailures, 1, 'a new streak');
});

test('ejected at the fifth failure, for 1 s, then 2 s, then 1 s again after a proof', () => {
  const { pool, clock, lease, leaseOf, named } = setUp({ maxEjectionPercent: 100 }, ['a', 'b']);
  for (let n = 0; n < 4; n += 1) leaseOf('a').failed('refused');
  const spare = leaseOf('a');
  const inFlight = leaseOf('a');
  assert.deepEqual(named('backend.ejected'), []);
  spare.failed('refused');
  inFlight.failed('refused');
  assert.deepEqual(
    named('backend.ejected').map(({ ejectedMs, consecutiveFailures }) => [ejectedMs, consecutiveFailures]),
    [[1000, 5]],
    'what was under way does not eject it again',
  );
  clock.ms = 999;
  assert.equal(lease().backend.id, 'b');
  assert.equal(pool.lease({ clientId: 'c', exclude: new Set(['b']) }), null);
  clock.ms = 1000;
  leaseOf('a').failed('refused');
  assert.equal(named('backend.ejected')[1]?.['ejectedMs'], 2000, 'one failure is enough now');
  clock.ms = 3000;
  leaseOf('a').proved();
  for (let n = 0; n < 5; n += 1) leaseOf('a').failed('refused');
  assert.equal(named('backend.ejected')[2]?.['ejectedMs'], 1000);
});

test('a proof ends an ejection under way', () => {
  const { pool, leaseOf, named } = setUp({ ejectAfter: 1 }, ['a', 'b']);
  const early = leaseOf('a');
  leaseOf('a').failed('refused');
  assert.equal(pool.lease({ clientId: 'c', exclude: new Set(['b']) }), null);
  early.proved();
  assert.equal(named('backend.recovered').length, 1);
  leaseOf('a');
});

test('the end of an ejection alone is no recovery', () => {
  const { pool, clock, leaseOf, named } = setUp({ ejectAfter: 1 }, ['a', 'b']);
  leaseOf('a').failed('refused');
  clock.ms = 1000;
  pool.tick();
  assert.deepEqual([named('backend.recovered'), pool.get('a').health], [[], 'unhealthy']);
});

test('no more than maxEjectionPercent are ejected, the disabled not counted', () => {
  const { pool, leaseOf, named } = setUp({ ejectAfter: 1 }, ['a', 'b', 'c', 'd']);
  pool.update('d', { adminState: 'disabled' });
  for (const id of ['a', 'b', 'c']) leaseOf(id).failed('refused');
  assert.deepEqual(
    named('backend.ejected').map(({ backendId }) => backendId),
    ['a'],
  );
});

test('ejected ones are tried when the others are full or gone, but not when they are busy dialling or excluded', () => {
  const { pool, lease, leaseOf } = setUp({ ejectAfter: 1, maxConcurrentDials: 1 }, ['a', 'b']);
  leaseOf('a').failed('refused');
  const dialing = lease();
  assert.equal(dialing.backend.id, 'b');
  assert.equal(pool.lease({ clientId: 'c' }), null, 'b is busy');
  dialing.attached();
  assert.equal(pool.lease({ clientId: 'c', exclude: new Set(['b']) }), null, 'b is excluded');
  pool.update('b', { maxConnections: 1 });
  assert.equal(lease().backend.id, 'a', 'b is full');
  dialing.release();
  assert.equal(lease().backend.id, 'b', 'b has room again');
});

test('enabling starts anew, and no backend under its operator is judged', () => {
  const { pool, leaseOf, named } = setUp({ ejectAfter: 2, maxErrors: 3, maxEjectionPercent: 100 });
  const leases = [1, 2, 3, 4, 5].map(() => leaseOf('a'));
  pool.update('a', { adminState: 'draining' });
  for (const held of leases) held.failed('closed');
  assert.deepEqual([pool.size, named('backend.ejected')], [1, []]);
  assert.equal(pool.lease({ clientId: 'c' }), null);
  pool.update('a', { adminState: 'enabled' });
  assert.equal(pool.get('a').consecutiveFailures, 0);
  leaseOf('a').failed('refused');
  assert.equal(pool.size, 1);
});

test('maxErrors failures in a row remove a backend for good', () => {
  const { pool, leaseOf, named, log } = setUp({ maxErrors: 3, ejectAfter: 0 }, ['a', 'b']);
  const attached = leaseOf('a');
  attached.attached();
  const removed: unknown[] = [];
  pool.onRemoved = (backend, cause) => removed.push(backend.id, cause, backend.connections);
  leaseOf('a').failed('refused');
  leaseOf('a').failed('refused');
  leaseOf('a').proved();
  leaseOf('a').failed('refused');
  leaseOf('a').failed('crashed', { pipeId: 'p' });
  leaseOf('a').failed('crashed', { pipeId: 'p' });
  assert.equal(pool.size, 2);
  const held = pool.get('a').connections;
  leaseOf('a').failed('refused');
  assert.equal(pool.find('a'), undefined);
  assert.deepEqual(removed, ['a', 'max-errors', held]);
  assert.deepEqual(named('backend.removed'), [
    { backendId: 'a', backendUrl: 'ws://a:9000/', cause: 'max-errors', connections: held },
  ]);
  assert.deepEqual(
    log.slice(-2).map(({ name }) => name),
    ['backend.failed', 'backend.removed'],
  );
  attached.failed('lost');
  assert.deepEqual([pool.size, log.at(-1)?.name], [1, 'backend.removed']);
});

test('an error in onRemoved does not reach the lease', () => {
  const errors: unknown[] = [];
  const events = new EventStream((error) => {
    throw error;
  });
  const pool = new BackendPool({
    options: resolveOptions({ pool: { maxErrors: 1 } }).pool,
    events,
    now: () => 0,
    onError: (error) => errors.push(error),
  });
  pool.register({ url: 'ws://a/' });
  pool.onRemoved = () => {
    throw new Error('own defect');
  };
  pool.lease({ clientId: 'c' })?.failed('refused');
  assert.deepEqual([pool.size, errors.length], [0, 1]);
});

test('slow start begins again when an ejection is over and when it has recovered', () => {
  const { pool, clock, leaseOf } = setUp({ ejectAfter: 1, slowStartMs: 1000 }, ['a', 'b']);
  const weight = () => pool.get('a').effectiveWeight(clock.ms, 1000);
  clock.ms = 5000;
  assert.equal(weight(), 1);
  leaseOf('a').failed('refused');
  clock.ms = 6000;
  assert.equal(weight(), 0.1);
  clock.ms = 6500;
  leaseOf('a').proved();
  assert.equal(weight(), 0.1);
  clock.ms = 7500;
  assert.equal(weight(), 1);
});

test('a slow start goes on while nothing else happens', () => {
  const { pool, clock, lease } = setUp({ slowStartMs: 1000 }, ['old']);
  clock.ms = 10_000;
  for (let n = 0; n < 5; n += 1) lease();
  pool.register({ id: 'new', url: 'ws://new:9000/' });
  // One connection of 0.1 is as much as ten: old has five.
  const first = lease();
  assert.equal(first.backend.id, 'old');
  clock.ms = 10_500;
  assert.equal(lease().backend.id, 'new');
});

test('a backend that is preferred is taken whatever the balancing says, if it takes pipes', () => {
  const { pool } = setUp({ balancing: 'least-connections', ejectAfter: 1, maxErrors: 0 }, ['a', 'b', 'c']);
  const taken = (exclude: string[] = []) =>
    pool.lease({ clientId: 'c', prefer: 'b', exclude: new Set(exclude) })!.backend.id;
  assert.deepEqual([taken(), taken(), taken()], ['b', 'b', 'b']);
  assert.notEqual(taken(['b']), 'b', 'it was tried already');
  pool.update('b', { maxConnections: 3 });
  assert.notEqual(taken(), 'b', 'it is full');
  pool.update('b', { maxConnections: null });
  assert.equal(taken(), 'b');
  pool.update('b', { adminState: 'draining' });
  assert.notEqual(taken(), 'b', 'it is being drained');
  pool.update('b', { adminState: 'enabled' });
  pool.lease({ clientId: 'c', prefer: 'b' })!.failed('broken');
  assert.notEqual(taken(), 'b', 'it is ejected');
  pool.remove('b', 'operator');
  assert.notEqual(taken(), 'b', 'it is gone');
});
