/** pool.health.kind 'websocket': a backend that freezes while nobody uses it is found before a client has to wait for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertReached } from './limits-scenario.ts';

const health = { kind: 'websocket', intervalMs: 200, timeoutMs: 150, rise: 2, fall: 2 } as const;
const foundWithinMs = health.fall * health.intervalMs + health.timeoutMs;
/** For a machine that is busy with other tests. */
const leewayMs = 1000;

test('a frozen backend without pipes is unhealthy in time, no client waits for a dial to it, and thawed it gets pipes again', async (t) => {
  const [a, b] = await Promise.all([
    startBackend(t, { tag: 'a', record: true }),
    startBackend(t, { tag: 'b', record: true }),
  ]);
  const gateway = await startGateway(t, {
    backends: [
      { id: 'a', url: a.url },
      { id: 'b', url: b.url },
    ],
    pool: { balancing: 'round-robin', dialTimeoutMs: 60_000, health },
  });
  const { manager } = gateway;
  await until(() => manager.backends().every((backend) => backend.health === 'healthy'), {
    what: 'both to be healthy',
  });

  await a.freeze();
  const frozenAt = performance.now();
  const unhealthy = await gateway.waitFor('backend.unhealthy');
  const foundMs = performance.now() - frozenAt;
  assert.deepEqual([unhealthy.backendId, unhealthy.failedChecks], ['a', health.fall]);
  await assertReached(gateway, 'holdfast_backend_checks_total{result="failed"}');
  assert.match(unhealthy.detail, /^connected, but the request was not answered within 150 ms$/);
  assert.ok(foundMs < foundWithinMs + leewayMs, `found after ${foundMs} ms`);

  const { status, body } = await gateway.admin('GET', '/backends/a');
  const view = body as { health: string; usable: boolean; lastCheck: { passed: boolean; detail: string; at: string } };
  assert.equal(status, 200);
  assert.deepEqual([view.health, view.usable, view.lastCheck.passed], ['unhealthy', false, false]);
  assert.ok(Date.now() - Date.parse(view.lastCheck.at) < 5000);

  // A dial to it would not be given up for a minute.
  for (let count = 0; count < 4; count += 1) {
    const client = await connect(t, gateway.url);
    assert.equal((await client.ask('x')).text, 'b:x');
  }
  assert.deepEqual(new Set(gateway.eventsOf('backend.attempt').map(({ backendId }) => backendId)), new Set(['b']));

  const thawedAt = performance.now();
  a.thaw();
  const healthy = await gateway.waitFor('backend.healthy');
  const backMs = performance.now() - thawedAt;
  assert.equal(healthy.backendId, 'a');
  assert.ok(backMs < (health.rise + 1) * health.intervalMs + leewayMs, `back after ${backMs} ms`);
  const texts = new Set<string>();
  for (let count = 0; count < 2; count += 1) {
    const client = await connect(t, gateway.url);
    texts.add((await client.ask('y')).text);
  }
  assert.ok(texts.has('a:y'));
  t.diagnostic(`unhealthy after ${foundMs.toFixed(0)} ms, healthy after ${backMs.toFixed(0)} ms`);
});

test('pipes of a backend stay while it is unhealthy, and their links decide for themselves', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    backends: [{ id: 'a', url: backend.url }],
    pool: { health: { ...health, kind: 'http', path: '/healthz' } },
  });
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('before')).text, 'a:before');
  backend.set({ healthStatus: 503 });
  await gateway.waitFor('backend.unhealthy');
  assert.equal((await client.ask('meanwhile')).text, 'a:meanwhile');
  assert.deepEqual(gateway.eventsOf('pipe.interrupted'), []);
  // Nobody else is left: better a doubtful backend than none.
  const another = await connect(t, gateway.url);
  assert.equal((await another.ask('y')).text, 'a:y');
});
