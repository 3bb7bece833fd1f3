import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { numberedText } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { until } from '../support/wait.ts';

test('a client that sent more than it may keep before its first ack: both ends stand still, its link is dropped, and it goes on with what it says when it comes back', async (t) => {
  const backend = await startBackend(t, { record: { textBytes: 1024 } });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    buffer: { maxBytesPerPipe: 256 * 1024, maxDownstreamBytes: 128 * 1024 },
    heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } },
  });
  // It does not give up by itself.
  const client = new ResumingClient(t, gateway.url, { pingMs: 60_000, timeoutMs: 60_000 });
  await client.opened();
  const sent = Array.from({ length: 720 }, (_, n) => numberedText(n, 1024));
  for (const text of sent) client.send(text);
  await until(() => gateway.eventsOf('client.detached').length > 0, {
    timeoutMs: 15_000,
    what: 'the link to be dropped',
  });
  assert.equal(gateway.eventsOf('client.detached')[0]?.reason, 'no-progress');
  assert.ok(client.texts.length < sent.length, 'they stood still');
  await until(() => client.texts.length === sent.length, {
    timeoutMs: 30_000,
    what: () => `all answers; ${client.texts.length} came`,
  });
  await client.delivered();
  assert.ok(client.texts.every((text, n) => text === sent[n]));
  assert.ok(backend.receivedTexts().every((text, n) => text === sent[n]));
  assert.equal(backend.receivedTexts().length, sent.length);
  assert.deepEqual([client.lost, client.silences], [[], 0]);
});
