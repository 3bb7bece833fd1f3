import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { sleep } from '../support/wait.ts';

/** Takes one message of three; the others have come as well when it is done. */
const takesOne: Pick<TestGatewayOptions, 'onAttach'> = {
  onAttach: async ({ send, receive }) => {
    send('\u001ethree');
    await receive();
    await sleep(100);
  },
};

test('regression: what the first introduction did not take comes to the client, whose upgrade was not done yet', async (t) => {
  const backend = await startBackend(t, { hello: 'hello', tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], ...takesOne });
  const client = await connect(t, gateway.url);
  client.send('mine');
  await client.waitFor('a:mine');
  assert.deepEqual(client.texts, ['a:\u001ethree', 'a:mine']);
});

test('regression: of what an introduction did not take, texts that begin with U+001E reach a resumable client as texts', async (t) => {
  const backend = await startBackend(t, { hello: 'hello' });
  const gateway = await startGateway(t, { backends: [backend.url], ...takesOne });
  const client = await connectResumable(t, gateway.url);
  client.send('mine');
  await client.text('mine');
  assert.deepEqual(client.texts, ['\u001ethree', 'mine']);
});
