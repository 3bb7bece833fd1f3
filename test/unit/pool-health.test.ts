/** What the verdict of health checks does in the pool, and how it goes together with ejection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../../src/observe/events.ts';
import { type HoldfastOptions, resolveOptions } from '../../src/options.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';

function setUp(pool: HoldfastOptions['pool'] = {}, ids: readonly string[] = ['a', 'b']) {
  const clock = { ms: 0 };
  const events = new EventStream((error) => {
    throw error;
  });
  const log: string[] = [];
  events.tap((name, event) => {
    if (name !== 'backend.registered') log.push(`${name} ${'backendId' in event ? event.backendId : ''}`);
  });
  const health = { kind: 'websocket', rise: 2, fall: 2 } as const;
  const made = new BackendPool({
    options: resolveOptions({ pool: { ejectAfter: 1, ...pool, health: { ...health, ...pool.health } } }).pool,
    events,
    now: () => clock.ms,
    random: () => 0,
    wallClock: () => clock.ms,
  });
  for (const id of ids) made.register({ id, url: `ws://${id}:9000/` });
  const check = (id: string, ...results: readonly boolean[]): void => {
    for (const passed of results)
      made.checked(made.get(id), { passed, detail: passed ? '101' : 'no answer', checkMs: 1.26 });
  };
  const pick = (...exclude: string[]) => made.lease({ clientId: 'c', exclude: new Set(exclude) });
  return { pool: made, clock, log, events, check, pick };
}

test('an unhealthy backend gets no new pipes, until it is healthy; what it has stays', () => {
  const { pool, check, pick } = setUp();
  const kept = pick('b')!;
  kept.attached();
  check('a', false);
  assert.equal(pool.get('a').view().usable, true, 'one failure is not enough');
  check('a', false);
  assert.deepEqual([pool.get('a').health, pool.get('a').view().usable], ['unhealthy', false]);
  for (let count = 0; count < 20; count += 1) assert.equal(pick()?.backend.id, 'b');
  assert.equal(pool.lease({ clientId: 'c', prefer: 'a' })?.backend.id, 'b', 'not even where it is preferred');
  assert.equal(pool.get('a').connections, 1);
  check('a', true);
  assert.equal(pick()?.backend.id, 'b', 'one success is not enough');
  check('a', true);
  assert.equal(pick()?.backend.id, 'a');
});

test('where nobody else is left an unhealthy backend is tried rather than none', () => {
  const { pool, check, pick } = setUp({}, ['a', 'b']);
  check('a', false, false);
  check('b', false, false);
  assert.equal(pool.usable(), true);
  assert.deepEqual([pick()?.backend.id, pick('a')?.backend.id], ['a', 'b']);
  check('b', true, true);
  assert.equal(pick()?.backend.id, 'b');
  assert.equal(pick('b'), null, 'no flood on the unhealthy one while another is merely not wanted');
  pool.update('b', { adminState: 'disabled' });
  assert.equal(pick()?.backend.id, 'a');
});

test('one that is full makes way to those that are left out', () => {
  const { pool, check, pick } = setUp();
  pool.update('b', { maxConnections: 1 });
  check('a', false, false);
  const woken: string[] = [];
  // It wants anything but b, and nobody else is to be had while b has room.
  pool.wait({ backendAvailable: () => woken.push(pick('b')?.backend.id ?? 'none') });
  assert.equal(pick()?.backend.id, 'b');
  pool.tick();
  assert.deepEqual(woken, ['a']);
});

test('with health checks their verdict is the health: failures of pipes eject, and do not change it', () => {
  const { pool, clock, check, pick } = setUp({ maxEjectionPercent: 100 });
  check('a', true);
  pick('b')!.failed('refused');
  const ejected = pool.get('a').view();
  assert.deepEqual([ejected.health, ejected.usable, ejected.lastError?.detail], ['healthy', false, 'refused']);
  check('a', true, true, true);
  assert.equal(pool.get('a').view().usable, false, 'checks that merely pass do not end an ejection');
  clock.ms += 1000;
  assert.equal(pool.get('a').view().usable, true);
  check('a', false, false);
  pool.update('b', { adminState: 'disabled' });
  const lease = pick()!;
  lease.attached();
  lease.proved();
  assert.deepEqual(
    [pool.get('a').health, pool.get('a').view().usable],
    ['unhealthy', false],
    'nor does a pipe that works',
  );
});

test('both must be over: the end of an ejection does not bring back who is unhealthy', () => {
  const { pool, clock, check, pick } = setUp({ maxEjectionPercent: 100 });
  pick('b')!.failed('refused');
  check('a', false, false);
  clock.ms += 5000;
  pool.tick();
  assert.deepEqual([pool.get('a').view().ejectedUntil, pool.get('a').view().usable], [null, false]);
  assert.equal(pick()?.backend.id, 'b');
});

test('healthy again ends an ejection, but not the streak: the next failure ejects for longer', () => {
  const { pool, check, pick } = setUp({ maxEjectionPercent: 100, ejectBaseMs: 10_000 });
  pick('b')!.failed('refused');
  check('a', false, false, true, true);
  const back = pool.get('a').view();
  assert.deepEqual([back.ejectedUntil, back.usable, back.consecutiveFailures], [null, true, 1]);
  pick('b')!.failed('refused');
  assert.equal(pool.get('a').view().ejectedUntil, new Date(20_000).toISOString());
});

test('who is unhealthy counts in maxEjectionPercent', () => {
  const { pool, check, pick } = setUp({ maxEjectionPercent: 50 });
  check('b', false, false);
  pick('b')!.failed('refused');
  assert.equal(pool.get('a').view().ejectedUntil, null, 'b is out already: a stays');
  check('b', true, true);
  pick('b')!.failed('refused');
  assert.notEqual(pool.get('a').view().ejectedUntil, null);
});

test('those who wait are woken when a backend is healthy again, and may try anew what they had tried', () => {
  const { pool, check } = setUp({}, ['a']);
  check('a', false, false);
  const { comeback } = pool.get('a');
  let woken = 0;
  pool.wait({ backendAvailable: () => (woken += 1) });
  check('a', true);
  assert.equal(woken, 0);
  check('a', true);
  assert.equal(woken, 1);
  assert.ok(pool.get('a').comeback > comeback);
});

test('a backend that comes back from its checks starts slowly, as one that was ejected', () => {
  const { pool, clock, check } = setUp({ slowStartMs: 1000 });
  clock.ms = 5000;
  assert.equal(pool.get('a').effectiveWeight(5000, 1000), 1);
  check('a', false, false, true, true);
  assert.equal(pool.get('a').effectiveWeight(5000, 1000), 0.1);
});

test('each check is told, and each change of the verdict once', () => {
  const { log, check } = setUp();
  check('a', true, false, false, false, true, true);
  const checked = 'backend.checked a';
  assert.deepEqual(log, [
    checked,
    checked,
    checked,
    'backend.unhealthy a',
    checked,
    checked,
    checked,
    'backend.healthy a',
  ]);
});

test('the view shows the last check; disabled, drained and enabled again it is as if never checked', () => {
  const { pool, clock, check } = setUp();
  clock.ms = 7000;
  assert.equal(pool.get('a').view().lastCheck, null);
  check('a', false, false);
  assert.deepEqual(pool.get('a').view().lastCheck, {
    at: '1970-01-01T00:00:07.000Z',
    passed: false,
    detail: 'no answer',
    checkMs: 1.3,
  });
  for (const adminState of ['disabled', 'draining', 'enabled'] as const) {
    pool.update('a', { adminState });
    assert.deepEqual([pool.get('a').health, pool.get('a').view().lastCheck], ['unknown', null], adminState);
  }
  assert.equal(pool.get('a').view().usable, true);
});

test('without health checks, and of a backend that has left, results are of no account', () => {
  const { pool, log, check } = setUp({ health: { kind: 'off' } });
  check('a', false, false, false);
  assert.deepEqual(
    [pool.get('a').health, pool.get('a').view().usable, pool.get('a').view().lastCheck],
    ['unknown', true, null],
  );
  const backend = pool.get('a');
  pool.remove('a', 'operator');
  log.length = 0;
  pool.checked(backend, { passed: false, detail: '', checkMs: 0 });
  assert.deepEqual(log, []);
});

test('who hears of a check may remove the backend: no verdict is told of it', () => {
  const { pool, events, log, check } = setUp();
  check('a', false);
  events.on('backend.checked', ({ backendId }) => pool.remove(backendId, 'operator'));
  check('a', false);
  assert.deepEqual(log, ['backend.checked a', 'backend.checked a', 'backend.removed a']);
});
