import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { numberedText } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { until } from '../support/wait.ts';

test('maxBytesPerPipe is lowered to less than half of what a client was told that it may keep: it has its acks, on the same connection', async (t) => {
  const backend = await startBackend(t, {});
  const gateway = await startGateway(t, {
    backends: [backend.url],
    buffer: { maxBytesPerPipe: 1024 * 1024, maxDownstreamBytes: 64 * 1024 },
  });
  const client = new ResumingClient(t, gateway.url, { pingMs: 60_000, timeoutMs: 60_000 });
  await client.opened();
  const { status } = await gateway.admin('PATCH', '/config/buffer', { maxBytesPerPipe: 128 * 1024 });
  assert.equal(status, 200);
  const sent = Array.from({ length: 240 }, (_, n) => numberedText(n, 4096));
  for (const text of sent) client.send(text);
  await until(() => client.texts.length === sent.length, {
    timeoutMs: 20_000,
    what: () => `all answers; ${client.texts.length} came`,
  });
  await client.delivered();
  assert.ok(client.texts.every((text, n) => text === sent[n]));
  assert.deepEqual(gateway.eventsOf('client.detached'), []);
});
