import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { sleep } from '../support/wait.ts';

test('regression: a resumable pipe that is closing keeps nothing of what its backend goes on sending', async (t) => {
  const backend = await startBackend(t, { noPong: true });
  const gateway = await startGateway(t, { backends: [backend.url], closing: { lingerMs: 1500 } });
  const client = await connectResumable(t, gateway.url);
  client.send('never acknowledged');
  await client.text('never acknowledged');
  const [pipe] = gateway.manager;
  gateway.manager.closePipe(pipe!.id);
  assert.equal(pipe!.state, 'closing');
  await backend.command({ do: 'send', data: 'x'.repeat(300_000) });
  await sleep(300);
  assert.equal(pipe!.state, 'closing');
  assert.equal(pipe!.downstream.journal?.bytes ?? 0, 0);
});
