import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../../src/observe/events.ts';
import { resolveOptions } from '../../src/options.ts';
import { BackendPool, type PoolWaiter } from '../../src/pool/backend-pool.ts';
import type { Lease } from '../../src/pool/lease.ts';

function setUp(pool: Record<string, number | string> = {}) {
  const clock = { ms: 0 };
  const errors: unknown[] = [];
  const events = new EventStream((error) => {
    throw error;
  });
  const made = new BackendPool({
    options: resolveOptions({ pool } as never).pool,
    events,
    now: () => clock.ms,
    random: () => 0,
    onError: (error) => errors.push(error),
  });
  /** Names in the order in which they were woken, and the leases they took. */
  const woken: string[] = [];
  const leases: Lease[] = [];
  const waiter = (name: string, exclude?: ReadonlySet<string>): PoolWaiter => ({
    backendAvailable() {
      woken.push(name);
      const lease = made.lease({ clientId: name, exclude });
      if (lease === null) made.wait(this);
      else leases.push(lease);
    },
  });
  const queue = (...names: string[]) => {
    for (const name of names) made.wait(waiter(name));
  };
  return { pool: made, clock, errors, woken, leases, waiter, queue };
}

test('as many are woken as there is room, first come first served', () => {
  const { pool, woken, leases, queue } = setUp();
  queue('p1', 'p2', 'p3', 'p4', 'p5');
  pool.register({ id: 'a', url: 'ws://a/', maxConnections: 2 });
  assert.deepEqual(woken, ['p1', 'p2']);
  leases[0]?.release();
  assert.deepEqual(woken, ['p1', 'p2', 'p3']);
  leases[1]?.failed('refused');
  assert.deepEqual(woken, ['p1', 'p2', 'p3', 'p4']);
  pool.update('a', { maxConnections: 3 });
  assert.deepEqual(woken, ['p1', 'p2', 'p3', 'p4', 'p5']);
});

test('a free dial slot wakes one', () => {
  const { pool, woken, leases, queue } = setUp({ maxConcurrentDials: 1 });
  queue('p1', 'p2', 'p3');
  pool.register({ url: 'ws://a/' });
  assert.deepEqual(woken, ['p1']);
  leases[0]?.attached();
  assert.deepEqual(woken, ['p1', 'p2']);
  leases[1]?.proved();
  assert.deepEqual(woken, ['p1', 'p2', 'p3']);
});

test('enabling wakes; weight and disabling do not', () => {
  const { pool, woken, queue } = setUp();
  pool.register({ id: 'a', url: 'ws://a/' });
  pool.update('a', { adminState: 'disabled' });
  queue('p1');
  pool.update('a', { weight: 5 });
  pool.update('a', { adminState: 'draining' });
  assert.deepEqual(woken, []);
  pool.update('a', { adminState: 'enabled' });
  assert.deepEqual(woken, ['p1']);
});

test('the end of an ejection wakes at the tick, a recovery at once', () => {
  for (const how of ['tick', 'proof']) {
    const { pool, clock, woken, queue } = setUp({ ejectAfter: 1, maxConcurrentDials: 2 });
    pool.register({ id: 'a', url: 'ws://a/' });
    const [early, failing] = [pool.lease({ clientId: 'c' }), pool.lease({ clientId: 'c' })];
    pool.register({ id: 'b', url: 'ws://b/' });
    pool.lease({ clientId: 'c' });
    pool.lease({ clientId: 'c' });
    failing?.failed('refused');
    queue('p1');
    pool.update('b', { weight: 2 });
    clock.ms = 999;
    pool.tick();
    assert.deepEqual(woken, [], how);
    if (how === 'proof') early?.proved();
    else {
      clock.ms = 1000;
      pool.tick();
    }
    assert.deepEqual(woken, ['p1'], how);
  }
});

test('when the last healthy backend goes, the ejected ones are tried', () => {
  const { pool, woken, leases, queue } = setUp({ ejectAfter: 1, maxConcurrentDials: 1 });
  pool.register({ id: 'a', url: 'ws://a/' });
  const failing = pool.lease({ clientId: 'c' });
  pool.register({ id: 'b', url: 'ws://b/' });
  failing?.failed('refused');
  pool.lease({ clientId: 'c' });
  queue('p1');
  assert.equal(pool.lease({ clientId: 'c' }), null);
  pool.remove('b', 'operator');
  assert.deepEqual([woken, leases[0]?.backend.id], [['p1'], 'a']);
});

test('when the last healthy backend is ejected, the other ejected ones are tried', () => {
  const { pool, woken, leases, waiter } = setUp({ ejectAfter: 1, maxEjectionPercent: 100 });
  pool.register({ id: 'a', url: 'ws://a/' });
  const failing = pool.lease({ clientId: 'c' });
  pool.register({ id: 'b', url: 'ws://b/' });
  failing?.failed('refused');
  pool.wait(waiter('p1', new Set(['b'])));
  pool.lease({ clientId: 'c' })?.failed('refused');
  assert.deepEqual([woken, leases[0]?.backend.id], [['p1'], 'a']);
});

test('when the last healthy backend fills up, the ejected ones are tried at the tick', () => {
  const { pool, woken, leases, queue } = setUp({ ejectAfter: 1, maxConcurrentDials: 1 });
  pool.register({ id: 'a', url: 'ws://a/' });
  const failing = pool.lease({ clientId: 'c' });
  pool.register({ id: 'b', url: 'ws://b/', maxConnections: 2 });
  failing?.failed('refused');
  const first = pool.lease({ clientId: 'c' });
  first?.attached();
  // Busy with its last connection: b is full now.
  queue('p1');
  assert.equal(pool.lease({ clientId: 'c' })?.backend.id, 'b');
  assert.deepEqual(woken, [], 'not from within lease()');
  pool.tick();
  assert.deepEqual([woken, leases[0]?.backend.id], [['p1'], 'a']);
});

test('one that stopped waiting is not woken, one that waits twice is woken once', () => {
  const { pool, woken, waiter } = setUp();
  const [one, two] = [waiter('p1'), waiter('p2')];
  pool.wait(one);
  pool.wait(two);
  pool.wait(two);
  pool.stopWaiting(one);
  pool.stopWaiting(one);
  pool.register({ url: 'ws://a/' });
  assert.deepEqual(woken, ['p2']);
});

test('one that stops waiting in the middle of a wake is not woken, and nobody is skipped', () => {
  const { pool, woken, waiter } = setUp();
  const names = ['p2', 'p3', 'p4', 'p5'].map((name) => waiter(name));
  pool.wait({ backendAvailable: () => pool.stopWaiting(names[1] as PoolWaiter) });
  for (const one of names) pool.wait(one);
  pool.register({ url: 'ws://a/' });
  pool.tick();
  assert.deepEqual(woken, ['p2', 'p4', 'p5']);
});

test('a waiter is out of the queue when it is called, and may queue again', () => {
  const { pool } = setUp();
  let calls = 0;
  const again: PoolWaiter = {
    backendAvailable() {
      calls += 1;
      pool.wait(again);
    },
  };
  pool.wait(again);
  pool.register({ url: 'ws://a/' });
  assert.equal(calls, 1);
  pool.register({ url: 'ws://b/' });
  assert.equal(calls, 2);
});

test('one whom no free backend suits does not hide the room from those behind it', () => {
  const { pool, woken, leases, waiter, queue } = setUp();
  for (let n = 0; n < 3; n += 1) pool.wait(waiter(`picky-${n}`, new Set(['a'])));
  queue('p1', 'p2');
  pool.register({ id: 'a', url: 'ws://a/', maxConnections: 2 });
  assert.deepEqual(woken, ['picky-0', 'picky-1', 'picky-2', 'p1', 'p2']);
  assert.equal(leases.length, 2);
  pool.register({ id: 'b', url: 'ws://b/', maxConnections: 2 });
  assert.deepEqual(woken.slice(5), ['picky-0', 'picky-1']);
});

test('a crowd whom nothing suits costs little per call, and those behind it get their turn by the ticks', () => {
  const { pool, woken, leases, waiter, queue } = setUp();
  for (let n = 0; n < 1000; n += 1) pool.wait(waiter(`picky-${n}`, new Set(['a'])));
  queue('p1');
  pool.register({ id: 'a', url: 'ws://a/' });
  assert.ok(woken.length <= 100, `${woken.length}`);
  for (let n = 0; n < 20; n += 1) pool.tick();
  assert.deepEqual([leases.length, leases[0]?.backend.id], [1, 'a']);
  const before = woken.length;
  assert.equal(before, 1001, 'each was asked once');
  for (let n = 0; n < 20; n += 1) pool.tick();
  assert.equal(woken.length, before, 'and is left in peace until something changes');
});

test('waiters that take their lease later are not all woken for one place', () => {
  const { pool } = setUp();
  let calls = 0;
  for (let n = 0; n < 100; n += 1) pool.wait({ backendAvailable: () => void calls++ });
  pool.register({ url: 'ws://a/', maxConnections: 3 });
  assert.equal(calls, 3);
});

test('a waiter that throws does not stop the others', () => {
  const { pool, errors, woken, queue } = setUp();
  pool.wait({
    backendAvailable() {
      throw new Error('own defect');
    },
  });
  queue('p1');
  pool.register({ url: 'ws://a/', maxConnections: 1 });
  assert.deepEqual([woken, errors.length], [['p1'], 1]);
});

test('lease, fail at once, wait again: ends, and everyone has had a try', () => {
  const { pool } = setUp();
  const tries = new Map<number, number>();
  for (let n = 0; n < 10; n += 1) {
    const waiter: PoolWaiter = {
      backendAvailable() {
        tries.set(n, (tries.get(n) ?? 0) + 1);
        pool.lease({ clientId: 'c' })?.failed('refused');
        pool.wait(waiter);
      },
    };
    pool.wait(waiter);
  }
  pool.register({ url: 'ws://a/', maxConnections: 1 });
  assert.equal(tries.size, 10);
  assert.ok([...tries.values()].every((count) => count <= 3));
  pool.tick();
});

test('10,000 waiters through one place, each released at once: no deep recursion, in order', () => {
  const { pool, errors } = setUp();
  const order: number[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    pool.wait({
      backendAvailable() {
        order.push(n);
        pool.lease({ clientId: 'c' })?.release();
      },
    });
  }
  pool.register({ url: 'ws://a/', maxConnections: 1 });
  assert.deepEqual([order.length, errors], [10_000, []]);
  assert.ok(order.every((value, at) => value === at));
});

test('10,000 waiters, one place at a time, take little time', () => {
  const { pool, woken, leases, queue } = setUp({ maxConcurrentDials: 1 });
  for (let n = 0; n < 10_000; n += 1) queue(`p${n}`);
  const startedAt = performance.now();
  pool.register({ url: 'ws://a/' });
  for (let n = 0; n < 10_000; n += 1) leases[n]?.attached();
  assert.equal(woken.length, 10_000);
  assert.equal(woken[9999], 'p9999');
  assert.ok(performance.now() - startedAt < 1000, `${performance.now() - startedAt} ms`);
});
