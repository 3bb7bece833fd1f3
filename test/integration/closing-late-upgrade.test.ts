import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';
import { withTimeout } from '../support/wait.ts';

test('an upgrade that comes when all clients are closed and the port is not yet: it is answered, and holds nothing up', async (t) => {
  const gateway = await startGateway(null);
  const { server } = gateway.app;
  const close = server.close.bind(server);
  let status = 0;
  // Fastify closes the server when our preClose hook is done: that is the moment.
  server.close = (done) => {
    void openRaw(t, { port: gateway.port, path: '/ws' })
      .then((late) => late.response())
      .then((answer) => {
        status = answer.status;
      })
      .finally(() => close(done));
    return server;
  };
  await withTimeout(gateway.close(), 5000, 'the app to end');
  assert.equal(status, 503);
});
