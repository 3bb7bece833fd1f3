import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';

test('A next backend that greets with its 101 and is reset while the old one is still read is not heard before it', async (t) => {
  // The old one is read until it closes.
  const gateway = await startGateway(t, {
    drain: { quietMs: 10_000, tailMs: 10_000 },
    closing: { handshakeMs: 300 },
  });
  const old = await startRawBackend(t, { autoPong: true });
  gateway.manager.registerBackend({ id: 'old', url: old.url });
  const connecting = connect(t, gateway.url);
  const link = await old.acceptNext();
  const client = await connecting;
  const next = await startRawBackend(t, { autoPong: true });
  gateway.manager.registerBackend({ id: 'next', url: next.url });
  await gateway.admin('DELETE', '/backends/old');
  const first = await next.acceptNext({ after: encodeFrame({ payload: 'hello of the first' }) });
  await gateway.waitFor('pipe.migrated');
  first.reset();
  await first.waitClosed();
  // It is not read now: only a write finds the reset.
  client.send('one');
  await gateway.waitFor('pipe.interrupted');
  await next.acceptNext({ after: encodeFrame({ payload: 'hello of the second' }) });
  await gateway.waitFor('pipe.restored');
  await link.sendText('last words');
  await link.sendClose(1001);
  await client.waitFor('hello of the second');
  assert.deepEqual(client.texts, ['last words', 'hello of the second']);
});
