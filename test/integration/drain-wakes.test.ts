import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { until } from '../support/wait.ts';

/** 'a' is drained of its client, whom 'b' has refused once; the next try is due in a minute, and so is the end of the drain. */
async function startWaiting(t: Owner, options: TestGatewayOptions = {}) {
  const gateway = await startGateway(t, {
    backoff: () => 60_000,
    drain: { timeoutMs: 60_000 },
    closing: { handshakeMs: 200 },
    ...options,
  });
  const a = await startBackend(t, { tag: 'a' });
  let refuses = true;
  const treat = (connection: RawBackendConnection) =>
    refuses ? connection.respond(503, { 'content-length': '0' }) : connection.accept();
  const b = await startRawBackend(t, { autoPong: true, autoClose: true, onConnection: (one) => void treat(one) });
  gateway.manager.registerBackend({ id: 'a', url: a.url });
  await connect(t, gateway.url);
  gateway.manager.registerBackend({ id: 'b', url: b.url });
  await gateway.admin('DELETE', '/backends/a');
  await gateway.waitFor('backend.attempt-failed');
  return {
    gateway,
    heal: () => {
      refuses = false;
    },
  };
}

test('a drain that backs off goes on at once with a backend that is registered', async (t) => {
  const { gateway } = await startWaiting(t);
  const c = await startBackend(t, { tag: 'c' });
  await gateway.admin('POST', '/backends', { id: 'c', url: c.url });
  await gateway.waitFor('backend.drained');
  assert.equal(gateway.manager.backend('c').connections, 1);
});

test('a drain that backs off goes on at once with a backend that is enabled again', async (t) => {
  const { gateway, heal } = await startWaiting(t);
  heal();
  await gateway.admin('PATCH', '/backends/b', { adminState: 'disabled' });
  await gateway.admin('PATCH', '/backends/b', { adminState: 'enabled' });
  await gateway.waitFor('backend.drained');
});

test('a drain that backs off goes on at once with a backend that has recovered', async (t) => {
  const { gateway, heal } = await startWaiting(t, { failover: { probationMs: 50 } });
  heal();
  // Somebody else shows that it is well.
  await connect(t, gateway.url);
  await gateway.waitFor('backend.recovered');
  await gateway.waitFor('backend.drained');
});

test('a drain for which there was no room anywhere goes on as soon as there is: nothing was dialled in vain', async (t) => {
  const gateway = await startGateway(t, { backoff: () => 60_000, drain: { timeoutMs: 60_000 } });
  const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
  gateway.manager.registerBackend({ id: 'b', url: b.url, maxConnections: 1 });
  const atB = await connect(t, gateway.url);
  gateway.manager.registerBackend({ id: 'a', url: a.url });
  const atA = await connect(t, gateway.url);
  await gateway.admin('DELETE', '/backends/a');
  assert.equal((await atA.ask('still')).text, 'a:still');
  atB.close();
  await gateway.waitFor('backend.drained');
  await until(() => gateway.manager.backend('b').connections === 1);
});
