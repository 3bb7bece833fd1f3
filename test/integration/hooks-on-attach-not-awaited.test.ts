import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('regression: a backend lost while a hook has a receive() it does not await yet ends an attempt, not the process', async (t) => {
  const said: unknown[] = [];
  const gateway: TestGateway = await startGateway(t, {
    async onAttach({ receive, backend }) {
      if (backend.id !== 'dying') return;
      const before = receive();
      await gateway.waitFor('backend.attempt-failed');
      const after = receive();
      // What nobody has taken by now would have ended a process; here it ends the test.
      await setImmediate();
      for (const answer of [before, after]) await answer.catch((error: unknown) => said.push(error));
    },
  });
  const dying = await startBackend(t, { dropAfterOpenMs: 20 });
  gateway.manager.registerBackend({ id: 'dying', url: dying.url });
  const connecting = connect(t, gateway.url);
  assert.equal((await gateway.waitFor('backend.attempt-failed')).failure, 'lost');
  const good = await startBackend(t, { tag: 'good' });
  gateway.manager.registerBackend({ id: 'good', url: good.url });
  const client = await connecting;
  assert.equal((await client.ask('hello')).text, 'good:hello');
  await until(() => said.length >= 2);
  assert.ok(said.every((error) => error instanceof Error));
});
