import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../../src/observe/events.ts';
import { resolveOptions } from '../../src/options.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import type { BackendInput } from '../../src/pool/settings.ts';

const wallStart = Date.UTC(2026, 0, 1);

function setUp(pool: Record<string, number | string> = {}) {
  const clock = { ms: 5000 };
  const log: { name: string; event: unknown }[] = [];
  const events = new EventStream((error) => {
    throw error;
  });
  events.tap((name, event) => log.push({ name, event }));
  const backends = new BackendPool({
    options: resolveOptions({ pool } as never).pool,
    events,
    now: () => clock.ms,
    random: () => 0,
    wallClock: () => wallStart + clock.ms,
  });
  return { pool: backends, clock, log };
}

test('a registered backend is found by id and by any spelling of its address', () => {
  const { pool, log } = setUp();
  const backend = pool.register({ url: 'ws://Host:80/chat?key=1', id: 'one', weight: 3, labels: { zone: 'a' } });
  assert.equal(pool.get('one'), backend);
  assert.equal(pool.find('one'), backend);
  assert.equal(pool.findByUrl('ws://host/chat/?key=1'), backend);
  assert.deepEqual([pool.size, pool.list()], [1, [backend]]);
  assert.deepEqual(log, [
    {
      name: 'backend.registered',
      event: { backendId: 'one', backendUrl: 'ws://host/chat', weight: 3, maxConnections: null },
    },
  ]);
});

test('an id is made of host and port, and differs when that is taken', () => {
  const { pool } = setUp();
  const ids = [
    'ws://10.0.0.5:9001/',
    'ws://10.0.0.5:9001/b',
    'ws://10.0.0.5:9001/c',
    'ws://[::1]:9001',
    'wss://a_b-c.d',
    'ws://.:9001',
    'ws://..',
  ].map((url) => pool.register({ url }).id);
  assert.deepEqual(ids, [
    '10.0.0.5-9001',
    '10.0.0.5-9001-2',
    '10.0.0.5-9001-3',
    '1-9001',
    'a_b-c.d',
    '9001',
    'backend',
  ]);
});

test('an address with credentials or a fragment is that of no backend', () => {
  const { pool } = setUp();
  pool.register({ url: 'ws://host/a' });
  for (const url of ['ws:user:secret@host/a', 'ws://user@host/a', 'ws://:secret@host/a', 'ws://host/a#x'])
    assert.throws(
      () => pool.findByUrl(url),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'HOLDFAST_ERR_BACKEND_NOT_FOUND');
        return !error.message.includes('secret');
      },
    );
});

test('the same id or address twice is refused, and changes nothing', () => {
  const { pool, log } = setUp();
  pool.register({ url: 'ws://host:1/a', id: 'one' });
  const exists = { code: 'HOLDFAST_ERR_BACKEND_EXISTS', statusCode: 409 };
  assert.throws(() => pool.register({ url: 'ws://other/', id: 'one' }), exists);
  assert.throws(() => pool.register({ url: 'WS://HOST:1/a/', id: 'two' }), exists);
  assert.deepEqual([pool.size, log.length, pool.find('two')], [1, 1, undefined]);
  pool.remove('one', 'operator');
  pool.register({ url: 'ws://host:1/a', id: 'one' });
});

test('impossible input is refused with its own code', () => {
  const { pool } = setUp();
  assert.throws(() => pool.register({ url: 'http://host/' }), { code: 'HOLDFAST_ERR_BACKEND_URL' });
  const wrong: Partial<Record<keyof BackendInput, unknown>>[] = [
    { weight: 0 },
    { weight: Number.NaN },
    { maxConnections: 0 },
    { id: 'a b' },
    { labels: { a: 1 } },
  ];
  for (const part of wrong) {
    assert.throws(() => pool.register({ url: 'ws://host/', ...part } as BackendInput), {
      code: 'HOLDFAST_ERR_VALIDATION',
    });
  }
  assert.equal(pool.size, 0);
});

test('an update tells what changed and only that', () => {
  const { pool, log } = setUp();
  const backend = pool.register({ url: 'ws://host/', id: 'one', weight: 2 });
  log.length = 0;
  assert.equal(pool.update('one', { weight: 2, maxConnections: 10, adminState: 'draining' }), backend);
  assert.deepEqual([backend.weight, backend.maxConnections, backend.adminState], [2, 10, 'draining']);
  assert.deepEqual(log, [
    {
      name: 'backend.updated',
      event: {
        backendId: 'one',
        backendUrl: 'ws://host/',
        before: { maxConnections: null, adminState: 'enabled' },
        after: { maxConnections: 10, adminState: 'draining' },
      },
    },
  ]);
  log.length = 0;
  pool.update('one', { weight: 2 });
  pool.update('one', {});
  assert.deepEqual(log, []);
  pool.update('one', { maxConnections: null });
  assert.equal(backend.maxConnections, null);
});

test('an impossible update changes nothing', () => {
  const { pool, log } = setUp();
  const backend = pool.register({ url: 'ws://host/', id: 'one' });
  log.length = 0;
  for (const patch of [{ weight: 0 }, { weight: 5, maxConnections: 0 }, { adminState: 'gone' }, { url: 'ws://x/' }]) {
    assert.throws(() => pool.update('one', patch as never), { code: 'HOLDFAST_ERR_VALIDATION' });
  }
  assert.deepEqual([backend.weight, backend.maxConnections, backend.adminState, log.length], [1, null, 'enabled', 0]);
});

test('what is not registered is a 404 for every verb', () => {
  const { pool } = setUp();
  const missing = { code: 'HOLDFAST_ERR_BACKEND_NOT_FOUND', statusCode: 404 };
  assert.throws(() => pool.get('x'), missing);
  assert.throws(() => pool.update('x', {}), missing);
  assert.throws(() => pool.remove('x', 'operator'), missing);
  assert.throws(() => pool.findByUrl('ws://nowhere/'), missing);
  assert.throws(() => pool.findByUrl('not an address'), missing);
  assert.equal(pool.find('x'), undefined);
});

test('a removed backend is gone at once; its leases stay valid and harmless', () => {
  const { pool, log } = setUp({ maxErrors: 1, ejectAfter: 1 });
  const backend = pool.register({ url: 'ws://host/', id: 'one' });
  const [a, b, c] = [1, 2, 3].map(() => pool.lease({ clientId: 'c' }));
  const told: unknown[] = [];
  pool.onRemoved = (gone, cause) => told.push([gone, cause, pool.size]);
  const before = pool.list();
  log.length = 0;
  assert.equal(pool.remove('one', 'operator'), backend);
  assert.deepEqual([pool.size, pool.list(), before], [0, [], [backend]]);
  assert.deepEqual(told, [[backend, 'operator', 0]]);
  assert.deepEqual(log, [
    {
      name: 'backend.removed',
      event: { backendId: 'one', backendUrl: 'ws://host/', cause: 'operator', connections: 3 },
    },
  ]);
  log.length = 0;
  a?.attached();
  a?.failed('late');
  b?.proved();
  b?.release();
  c?.failed('late');
  assert.deepEqual([backend.connections, backend.dialing, log], [0, 0, []]);
  assert.deepEqual([backend.removed, backend.view().usable], [true, false]);
});

test('removing from within an event listener does no harm', () => {
  const clock = { ms: 0 };
  const events = new EventStream((error) => {
    throw error;
  });
  const pool = new BackendPool({
    options: resolveOptions({ pool: { maxErrors: 1 } }).pool,
    events,
    now: () => clock.ms,
  });
  const causes: string[] = [];
  events.on('backend.failed', ({ backendId }) => pool.remove(backendId, 'operator'));
  events.on('backend.removed', ({ cause }) => causes.push(cause));
  pool.register({ url: 'ws://host/' });
  pool.lease({ clientId: 'c' })?.failed('refused');
  assert.deepEqual([causes, pool.size], [['operator'], 0]);
});

test('usable: an enabled backend with a free connection, ejected ones only if there is no other', () => {
  const { pool } = setUp({ ejectAfter: 1, maxEjectionPercent: 100, maxConcurrentDials: 1 });
  assert.equal(pool.usable(), false);
  pool.register({ url: 'ws://a/', id: 'a', maxConnections: 2 });
  assert.equal(pool.usable(), true);
  const first = pool.lease({ clientId: 'c' });
  assert.equal(pool.usable(), true, 'no dial slot is no reason to turn traffic away');
  first?.attached();
  pool.lease({ clientId: 'c' })?.attached();
  assert.equal(pool.usable(), false, 'full');
  first?.failed('lost');
  assert.equal(pool.get('a').view().usable, false, 'ejected');
  assert.equal(pool.usable(), true, 'better than none');
  pool.update('a', { adminState: 'disabled' });
  assert.equal(pool.usable(), false, 'disabled');
});

test('the view shows figures and times in ISO 8601', () => {
  const { pool, clock } = setUp({ ejectAfter: 1, maxEjectionPercent: 100 });
  const backend = pool.register({ url: 'ws://host:1/a?token=s', id: 'one', maxConnections: 7, labels: { zone: 'a' } });
  pool.lease({ clientId: 'c' })?.attached();
  pool.lease({ clientId: 'c' });
  clock.ms += 1000;
  pool.lease({ clientId: 'c' })?.failed('refused');
  backend.drain = { startedAt: wallStart, migrated: 4, failedOver: 1 };
  assert.deepEqual(backend.view(), {
    id: 'one',
    url: 'ws://host:1/a',
    weight: 1,
    maxConnections: 7,
    labels: { zone: 'a' },
    adminState: 'enabled',
    health: 'unhealthy',
    usable: false,
    lastCheck: null,
    ejectedUntil: '2026-01-01T00:00:07.000Z',
    connections: 2,
    dialing: 1,
    consecutiveFailures: 1,
    totals: { attached: 1, failed: 1, ejections: 1 },
    lastError: { at: '2026-01-01T00:00:06.000Z', detail: 'refused' },
    registeredAt: '2026-01-01T00:00:05.000Z',
    drain: { startedAt: '2026-01-01T00:00:00.000Z', remaining: 2, migrated: 4, failedOver: 1 },
  });
  backend.drain = null;
  clock.ms += 1000;
  const { ejectedUntil, usable, drain } = backend.view();
  assert.deepEqual({ ejectedUntil, usable, drain }, { ejectedUntil: null, usable: true, drain: null });
});
