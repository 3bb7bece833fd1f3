import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { sleep } from '../support/wait.ts';

test('regression: without maxInterruptionMs, a client that is back during an interruption is not closed by its window', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    failover: { maxInterruptionMs: 0 },
    resume: { windowMs: 500 },
  });
  const first = await connectResumable(t, gateway.url);
  backend.kill();
  await gateway.waitFor('pipe.interrupted');
  first.client.terminate();
  await gateway.waitFor('client.detached');
  const { pipe, token } = first.welcome;
  const second = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 0 } });
  assert.equal(second.welcome.resumed, true);
  await sleep(800);
  assert.equal(gateway.manager.pipe(pipe).state, 'interrupted');
  await backend.restart();
  second.send('hello');
  await second.text('hello');
});
