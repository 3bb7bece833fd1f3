import assert from 'node:assert/strict';
import test from 'node:test';
import { Value } from 'typebox/value';
import { exampleStats, StatsSchema } from '../../routes/schemas/stats.ts';
import { defaultHeartbeat } from '../../src/heartbeat/settings.ts';
import type { GatewayReadings, PipeReading } from '../../src/observe/readings.ts';
import { GatewayStats } from '../../src/observe/stats.ts';
import { backendReading } from '../support/gateway-readings.ts';

const pipe = { pipeId: 'p', clientId: 'c', clientIp: '127.0.0.1' };
const link = { ...pipe, backendId: 'b', backendUrl: 'ws://b/' };
const closed = {
  ...pipe,
  reason: 'closed',
  initiator: 'client',
  closeCode: 1000,
  durationMs: 10,
  interruptions: 0,
  generation: 1,
  messagesToBackend: 5,
  messagesToClient: 6,
  bytesToBackend: 50,
  bytesToClient: 60,
  undelivered: 2,
} as const;

function gateway(pipes: PipeReading[]): GatewayReadings {
  return {
    readings: () => pipes,
    options: { limits: { maxPipes: 10 } },
    budget: { usedBytes: 7, maxBytes: 100 },
    wheel: { lag: () => ({ maxMs: 3.062, lastMs: 0 }) },
    backends: () => [
      backendReading(),
      backendReading({ id: 'b', health: 'unhealthy', usable: false, ejectedUntil: 'soon', connections: 0 }),
      backendReading({ id: 'c', adminState: 'draining', usable: false, ejectedUntil: 'soon', connections: 0 }),
      {
        id: 'e',
        adminState: 'enabled',
        health: 'unhealthy',
        usable: false,
        lastCheck: {},
        ejectedUntil: 'soon',
        connections: 0,
      },
      {
        id: 'f',
        adminState: 'disabled',
        health: 'unhealthy',
        usable: false,
        lastCheck: {},
        ejectedUntil: null,
        connections: 0,
      },
      backendReading({ id: 'g', health: 'unhealthy', usable: false, connections: 3 }),
      backendReading({ id: 'd', usable: false, connections: 9 }),
    ],
    heartbeat: () => ({ settings: defaultHeartbeat }),
  };
}

const traffic = { messagesToBackend: 1, messagesToClient: 2, bytesToBackend: 10, bytesToClient: 20 };

test('the totals are those of closed pipes and of live ones together', () => {
  const stats = new GatewayStats(() => 0);
  stats.sink('pipe.opened', { ...pipe, protocol: '' });
  stats.sink('pipe.closed', closed);
  const view = stats.view(
    gateway([
      { state: 'open', client: {}, backend: {}, traffic },
      { state: 'interrupted', client: {}, backend: null, traffic },
    ]),
  );
  assert.deepEqual(view.totals.traffic, {
    messagesToBackend: 7,
    messagesToClient: 10,
    bytesToBackend: 70,
    bytesToClient: 100,
  });
  assert.equal(view.totals.undelivered, 2);
  assert.equal(view.pipes.total, 2);
  assert.equal(view.pipes.byState.interrupted, 1);
  assert.deepEqual(view.backends, {
    total: 7,
    byState: { disabled: 1, draining: 1, unhealthy: 1, ejected: 1, full: 2, usable: 1 },
  });
  assert.deepEqual(view.buffer, { usedBytes: 7, maxBytes: 100 });
  assert.equal(view.eventLoop.lagMs, 3.1);
});

test('each hop has its own counts, and what was ordered is no failure', () => {
  let now = 0;
  const stats = new GatewayStats(() => now);
  stats.sink('heartbeat.ping', { ...pipe, hop: 'client', form: 'rfc6455' });
  stats.sink('heartbeat.pong', { ...pipe, hop: 'backend', form: 'rfc6455', rttMs: 1 });
  stats.sink('heartbeat.missed', { ...pipe, hop: 'backend', silentMs: 1, timeoutMs: 2 });
  stats.sink('heartbeat.timeout', { ...pipe, hop: 'client', silentMs: 1, timeoutMs: 2, cause: 'silence' });
  for (const reason of ['operator', 'removed', 'drain', 'lost'] as const)
    stats.sink('pipe.interrupted', { ...link, reason, journalMessages: 0, journalBytes: 0 });
  stats.sink('pipe.restored', { ...link, gapMs: 100, attempt: 1, generation: 2, replayed: 3 });
  const { windows, totals } = stats.view(gateway([]));
  assert.deepEqual(windows.lastMinute.heartbeats, {
    client: { sent: 1, answered: 0, missed: 0, timeouts: 1 },
    backend: { sent: 0, answered: 1, missed: 1, timeouts: 0 },
  });
  assert.equal(windows.lastMinute.interruptions, 4);
  assert.equal(windows.lastMinute.failures, 1);
  assert.equal(windows.lastMinute.gaps.maxMs, 100);
  assert.equal(totals.replayed, 3);
  now = 2 * 60_000;
  const later = stats.view(gateway([]));
  assert.equal(later.windows.lastMinute.interruptions, 0);
  assert.equal(later.windows.last5Minutes.interruptions, 4);
  assert.equal(later.totals.interruptions, 4);
});

test('a minute of failures after a quiet quarter of an hour is unstable, and is over two minutes later', () => {
  let now = 0;
  const stats = new GatewayStats(() => now);
  now = 15 * 60_000;
  assert.equal(stats.view(gateway([])).unstable, false);
  for (let index = 0; index < 3; index += 1)
    stats.sink('pipe.interrupted', { ...link, reason: 'lost', journalMessages: 0, journalBytes: 0 });
  const view = stats.view(gateway([]));
  assert.equal(view.unstable, true);
  assert.match(view.reason ?? '', /^3 failures of backend links/);
  now += 2 * 60_000;
  assert.equal(stats.view(gateway([])).unstable, false);
});

test('the schema of GET /stats fits what is answered, and its example', () => {
  const view = new GatewayStats(() => 0).view(gateway([]));
  for (const one of [view, exampleStats]) assert.deepEqual([...Value.Errors(StatsSchema, one)], []);
  assert.deepEqual(Object.keys(view).sort(), Object.keys(exampleStats).sort());
});
