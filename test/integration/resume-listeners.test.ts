import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventName } from '../../src/observe/events.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';

for (const name of [
  'backend.attached',
  'pipe.opened',
  'client.resumed',
  'client.detached',
  'pipe.restored',
] as EventName[]) {
  test(`a listener of ${name} closes the pipe of a resumable client: it is closed, and nothing throws`, async (t) => {
    const backend = await startBackend(t);
    const gateway = await startGateway(t, { backends: [backend.url] });
    let armed = name === 'backend.attached' || name === 'pipe.opened';
    gateway.manager.events.tap((one, event) => {
      if (one !== name || !armed) return;
      armed = false;
      gateway.manager.closePipe((event as { pipeId: string }).pipeId, { code: 4000 });
    });
    if (armed) {
      const client = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
      client.send('\u001e{"type":"start","resume":null}');
      assert.equal((await client.waitClosed()).code, 4000);
    } else {
      const first = await connectResumable(t, gateway.url);
      armed = true;
      if (name === 'pipe.restored') {
        gateway.manager.interruptPipe(first.welcome.pipe);
        assert.equal((await first.client.waitClosed()).code, 4000);
      } else {
        first.client.terminate();
        if (name === 'client.resumed') {
          await gateway.waitFor('client.detached');
          const client = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
          client.send(`\u001e${JSON.stringify({ type: 'start', resume: { ...first.welcome, received: 0 } })}`);
          assert.equal((await client.waitClosed()).code, 4000);
        }
      }
    }
    await until(() => gateway.manager.size === 0, { what: 'the pipe to be gone' });
  });
}

test('a listener of client.detached closes the pipe while it is taken over: both connections end', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url] });
  const first = await connectResumable(t, gateway.url);
  gateway.manager.events.on('client.detached', ({ pipeId }) => gateway.manager.closePipe(pipeId, { code: 4000 }));
  const client = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
  client.send(`\u001e${JSON.stringify({ type: 'start', resume: { ...first.welcome, received: 0 } })}`);
  assert.equal((await client.waitClosed()).code, 4000);
  assert.equal((await first.client.waitClosed()).code, 4408);
  await until(() => gateway.manager.size === 0, { what: 'the pipe to be gone' });
});
