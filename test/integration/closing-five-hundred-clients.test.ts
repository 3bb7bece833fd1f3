import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, startPair } from './failover-scenario.ts';

test('500 clients at once connect, exchange and close, and nothing of them is left', async (t) => {
  const { a, b, gateway } = await startPair(t, {}, { record: false });
  const idle = gateway.manager.wheel.size;
  const startedAt = performance.now();
  const clients = await Promise.all(Array.from({ length: 500 }, () => connect(t, gateway.url, { timeoutMs: 20_000 })));
  const connectedAt = performance.now();
  assert.equal(gateway.manager.size, 500);
  const answers = await Promise.all(
    clients.map((client, index) => client.ask(`hello ${index}`, { timeoutMs: 20_000 })),
  );
  for (const [index, { text }] of answers.entries()) assert.match(text, new RegExp(`^[ab]:hello ${index}$`));
  const connections = gateway.manager.backends().map((backend) => backend.connections);
  assert.deepEqual(connections, [250, 250]);
  for (const [index, client] of clients.entries()) {
    if (index % 3 === 0) client.terminate();
    else client.close(1000);
  }
  await assertNothingLeft(gateway);
  for (const backend of [a, b]) {
    await until(async () => (await backend.connections()) === 0, { what: 'the backend to see the ends' });
  }
  await until(() => gateway.manager.wheel.size === idle, { what: 'all timers to be gone' });
  assert.equal(gateway.app.websocketServer.clients.size, 0);
  assert.equal(gateway.eventsOf('pipe.closed').length, 500);
  t.diagnostic(
    `connected in ${(connectedAt - startedAt).toFixed(0)} ms, all over in ${(performance.now() - startedAt).toFixed(0)} ms`,
  );
});
