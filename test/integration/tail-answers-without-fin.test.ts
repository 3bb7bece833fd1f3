import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';

test('An old backend that answers our Close and leaves the connection to us: the next one is heard at once', async (t) => {
  // Longer than a wait of this test.
  const gateway = await startGateway(t, { closing: { handshakeMs: 10_000 } });
  const old = await startRawBackend(t, { autoPong: true, halfOpen: true });
  gateway.manager.registerBackend({ id: 'old', url: old.url });
  const connecting = connect(t, gateway.url);
  const link = await old.acceptNext();
  const client = await connecting;
  const next = await startBackend(t, { tag: 'new', hello: 'hello of the new one' });
  gateway.manager.registerBackend({ id: 'new', url: next.url });
  await gateway.admin('DELETE', '/backends/old');
  await link.nextClose();
  await link.sendText('last words');
  await link.sendClose(1001);
  await client.waitFor('hello of the new one');
  assert.deepEqual(client.texts, ['last words', 'hello of the new one']);
  await gateway.waitFor('backend.removed');
  assert.equal(link.isClosed, false);
});
