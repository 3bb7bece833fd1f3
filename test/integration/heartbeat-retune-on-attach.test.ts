import assert from 'node:assert/strict';
import test from 'node:test';
import type { AttachContext } from '../../src/hooks.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { deferred } from '../support/wait.ts';

const hour = { intervalMs: 3_600_000 };

test('PATCH /config/heartbeat reaches a backend whose onAttach goes on, at the first attach and in a migration', async (t) => {
  const begun = { open: deferred(), migrate: deferred() };
  const done = { open: deferred(), migrate: deferred() };
  const onAttach = async ({ reason }: AttachContext): Promise<void> => {
    assert.ok(reason === 'open' || reason === 'migrate', reason);
    begun[reason].resolve();
    await done[reason].promise;
  };
  const gateway = await startGateway(t, { onAttach, heartbeat: { client: hour, backend: hour } });
  const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
  const pingedAfterPatch = async (id: string): Promise<void> => {
    const { status } = await gateway.admin('PATCH', '/config/heartbeat', { backend: { intervalMs: 100 } });
    assert.equal(status, 200);
    await gateway.waitFor('heartbeat.ping', ({ backendId }) => backendId === id);
  };

  gateway.manager.registerBackend({ id: 'a', url: a.url });
  const connecting = connect(t, gateway.url);
  await begun.open.promise;
  await pingedAfterPatch('a');
  done.open.resolve();
  const client = await connecting;
  assert.equal((await client.ask('one')).text, 'a:one');

  await gateway.admin('PATCH', '/config/heartbeat', { backend: hour });
  gateway.manager.registerBackend({ id: 'b', url: b.url });
  await gateway.admin('PATCH', '/backends/a', { adminState: 'draining' });
  await begun.migrate.promise;
  await pingedAfterPatch('b');
  done.migrate.resolve();
  client.send('two');
  await client.waitFor('b:two');
});
