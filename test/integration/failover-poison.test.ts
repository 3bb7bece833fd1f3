import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft } from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

test('A message that kills each backend it reaches closes its client with 1011 after three, and the others live on', async (t) => {
  const gateway = await startGateway(t, { pool: { balancing: 'round-robin', ejectAfter: 2 } });
  const backends = await Promise.all(
    ['a', 'b', 'c', 'd'].map((tag) => startBackend(t, { tag, crashOn: 'poison', record: true })),
  );
  for (const [index, { url }] of backends.entries()) gateway.manager.registerBackend({ id: `b${index}`, url });
  const [client, neighbour] = [await connect(t, gateway.url), await connect(t, gateway.url)];
  client.send('poison');
  const { code } = await client.waitClosed();
  assert.equal(code, 1011);
  const closed = await gateway.waitFor('pipe.closed');
  assert.deepEqual([closed.reason, closed.initiator, closed.undelivered], ['poison', 'gateway', 1]);
  await assertReached(gateway, 'holdfast_pipes_closed_total{reason="poison"}', 1);
  // The gateway sees a connection end before this process is told of a child's.
  const dead = (): number => backends.filter(({ running }) => !running).length;
  await until(() => dead() >= 3, { what: () => `the end of three; ${dead()} have died` });
  assert.equal(dead(), 3, 'three died of it');
  assert.equal(backends.flatMap((one) => one.receivedTexts().filter((text) => text === 'poison')).length, 3);
  // One pipe's failures count once, so they alone eject nobody and remove nobody.
  for (const { consecutiveFailures } of gateway.manager.backends()) assert.ok(consecutiveFailures <= 2);
  neighbour.send('alive?');
  await neighbour.waitFor(({ text }) => text.endsWith(':alive?'));
  assert.equal(neighbour.closeInfo, undefined);
  neighbour.close(1000);
  await assertNothingLeft(gateway);
});

test('A poisonous pipe counts against a backend once, however often it comes back', async (t) => {
  const gateway = await startGateway(t, { pool: { ejectAfter: 2, maxErrors: 2 }, failover: { maxReplays: 5 } });
  // Each connection dies of the message, the process does not.
  const backend = await startBackend(t, { record: true });
  gateway.manager.registerBackend({ id: 'only', url: backend.url });
  const client = await connect(t, gateway.url);
  client.send('terminate');
  assert.equal((await client.waitClosed(10_000)).code, 1011);
  assert.equal(gateway.eventsOf('backend.ejected').length, 0);
  assert.equal(gateway.eventsOf('backend.removed').length, 0);
  assert.equal(gateway.manager.backend('only').consecutiveFailures, 1);
  await until(() => backend.receivedTexts().length === 5, { what: 'five tries' });
});
