import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachContext } from '../../src/hooks.ts';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { until } from '../support/wait.ts';

test('regression: a receive() after the hook is done takes nothing of what is the client’s', async (t) => {
  const backend = await startRawBackend(t, {
    onConnection: (connection) => {
      const texts = ['for the hook', 'left over', 'left too'];
      void connection.accept({ after: Buffer.concat(texts.map((payload) => encodeFrame({ payload }))) });
    },
  });
  let receive: AttachContext['receive'] | undefined;
  const gateway = await startGateway(t, {
    async onAttach(context) {
      ({ receive } = context);
      assert.equal(await receive(), 'for the hook');
    },
  });
  // What is left over is not with the client yet: it has not been upgraded.
  const tooLate = new Promise((resolve, reject) => {
    gateway.manager.events.on('backend.attached', () => receive?.().then(resolve, reject));
  });
  const rejected = assert.rejects(tooLate, /onAttach/);
  gateway.manager.registerBackend({ id: 'raw', url: backend.url });
  const client = await connect(t, gateway.url);
  await until(() => client.texts.length === 2, { what: () => `two messages; there are ${client.texts}` });
  assert.deepEqual(client.texts, ['left over', 'left too']);
  await rejected;
});
