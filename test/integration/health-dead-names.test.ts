/** Backends whose names nobody resolves: their checks do not pile up lookups, and a backend beside them is checked and dialled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startResolver } from '../support/resolver.ts';
import { until } from '../support/wait.ts';

test('a name whose lookup outlasts the checks of two backends is looked up once, for checks and dials', async (t) => {
  const resolver = startResolver(t);
  resolver.silence('dead.test');
  const dead = [1, 2].map((port) => ({ id: `dead-${port}`, url: `ws://dead.test:${port}` }));
  const gateway = await startGateway(t, {
    backends: dead,
    pool: { health: { kind: 'websocket', intervalMs: 100, timeoutMs: 50, fall: 1 }, dialTimeoutMs: 100 },
    failover: { handshakeWaitMs: 50, backoffBaseMs: 10, backoffMaxMs: 20 },
    closing: { handshakeMs: 200, lingerMs: 200 },
  });
  const client = await connect(t, gateway.url);
  await until(() => gateway.eventsOf('backend.checked').length >= 8, { what: 'eight checks' });
  const unhealthy = await gateway.waitFor('backend.unhealthy');
  assert.equal(unhealthy.detail, 'the name was not resolved within 50 ms');
  assert.equal((await gateway.waitFor('backend.attempt-failed')).failure, 'timeout');
  assert.equal(resolver.asked('dead.test'), 1);

  const good = await startBackend(t, { tag: 'good' });
  resolver.set('good.test', '127.0.0.1');
  gateway.manager.registerBackend({ id: 'good', url: `ws://good.test:${good.port}` });
  assert.equal((await client.ask('hello')).text, 'good:hello');
  await gateway.waitFor('backend.checked', ({ backendId, passed }) => backendId === 'good' && passed);
});
