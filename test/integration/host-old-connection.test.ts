/** A host has the ws objects of all connections, also of those that their client has left for another one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';

test('regression: what a host does to a connection that its client has left does not touch the pipe', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], closing: { handshakeMs: 3000, lingerMs: 200 } });
  const sockets = gateway.app.websocketServer.clients;
  const first = await connectResumable(t, gateway.url);
  const { pipe, token } = first.welcome;
  const [left] = sockets;
  assert.ok(left !== undefined);
  // It neither reads nor answers the Close: the gateway waits for it, and the host still has its object.
  first.client.ws.pause();
  const second = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 0 } });
  assert.equal(second.welcome.resumed, true);
  assert.ok(sockets.has(left), 'the old connection is not gone yet');
  left.close(1000, 'the host tidies up');
  left.terminate();
  await until(() => !sockets.has(left), { what: 'the end of the old connection' });
  left.close(1000, 'once more');
  left.terminate();
  second.send('still here');
  await second.text('a:still here');
  assert.equal(gateway.manager.size, 1);

  const [lost] = sockets;
  second.client.terminate();
  await gateway.waitFor('client.detached', ({ reason }) => reason !== 'replaced');
  lost!.close(1000, 'too late');
  lost!.terminate();
  const resume = { pipe, token: second.welcome.token, received: 1 };
  const third = await connectResumable(t, gateway.url, { resume });
  assert.equal(third.welcome.resumed, true);
  lost!.close(1000, 'too late');
  third.send('and here');
  await third.text('a:and here');

  const [present] = sockets;
  present!.close(1000, 'the host closes it');
  const { code, reason } = await third.client.waitClosed();
  assert.deepEqual([code, reason], [1000, 'the host closes it']);
});
