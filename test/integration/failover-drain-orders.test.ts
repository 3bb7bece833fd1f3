import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertComplete, assertHandedOver, echoedNumbers, linksOf, onlyPipe, startPair } from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

test('A drain is cancelled by enabling the backend again: who has not moved stays, new clients come', async (t) => {
  const { a, gateway } = await startPair(t, { drain: { pipesPerSecond: 2 } });
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(t, gateway.url)));
  const draining = await gateway.admin('PATCH', '/backends/a', { adminState: 'draining' });
  assert.equal((draining.body as { adminState: string }).adminState, 'draining');
  await gateway.waitFor('pipe.migrated');
  const enabled = await gateway.admin('PATCH', '/backends/a', { adminState: 'enabled' });
  assert.deepEqual((enabled.body as { drain: unknown }).drain, null);
  const moved = gateway.eventsOf('pipe.migrated').length;
  assert.ok(moved >= 1 && moved <= 3, `${moved} had moved`);
  await Promise.all(clients.map((client) => client.ask('hello')));
  const stayed = clients.filter(({ texts }) => texts[0] === 'a:hello').length;
  assert.equal(stayed, 5 - gateway.eventsOf('pipe.migrated').length);
  assert.equal(gateway.eventsOf('backend.drained').length, 0);
  await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
  assert.ok((await a.connections()) > stayed, 'new clients come to it');
});

test('Pipes that cannot move by the deadline of the drain fail over: nothing lost, order kept', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 5 });
  await until(() => client.messages.length >= 10);
  // It answers no barrier any more.
  await a.command({ do: 'pause' });
  const from = performance.now();
  const { status } = await gateway.admin('DELETE', '/backends/a?timeoutMs=500');
  assert.equal(status, 202);
  const interrupted = await gateway.waitFor('pipe.interrupted');
  const ms = performance.now() - from;
  assert.equal(interrupted.reason, 'drain');
  await assertReached(gateway, 'holdfast_interruptions_total{reason="drain"}', 1);
  assert.ok(ms > 450 && ms < 1500, `after ${ms} ms`);
  const drained = await gateway.waitFor('backend.drained');
  assert.deepEqual([drained.migrated, drained.failedOver], [0, 1]);
  await gateway.waitFor('backend.removed');
  run.stop();
  await client.waitFor(({ text }) => text.startsWith(`b:msg#${run.sent}/`));
  assertComplete(echoedNumbers(client), run.sent, 'answers');
  assertHandedOver(linksOf(pipe.id, a, b), run.sent);
});

test('mode=force removes a backend at once; its clients fail over and lose nothing', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 3 });
  await until(() => client.messages.length >= 30);
  assert.equal((await gateway.admin('DELETE', '/backends/a?mode=force')).status, 204);
  assert.equal((await gateway.admin('GET', '/backends/a')).status, 404);
  const interrupted = await gateway.waitFor('pipe.interrupted');
  assert.equal(interrupted.reason, 'removed');
  const mark = run.sent;
  await until(() => run.sent >= mark + 30);
  run.stop();
  await client.waitFor(({ text }) => text.startsWith(`b:msg#${run.sent}/`));
  assertComplete(echoedNumbers(client), run.sent, 'answers');
  assertHandedOver(linksOf(pipe.id, a, b), run.sent);
  const lastOfA = client.texts.findLastIndex((text) => text.startsWith('a:'));
  const firstOfB = client.texts.findIndex((text) => text.startsWith('b:'));
  assert.ok(lastOfA < firstOfB, 'nothing of the old backend after the first answer of the new one');
});

test('A backend that is removed by force while it is being dialled gets no pipe', async (t) => {
  const gateway = await startGateway(t, { failover: { handshakeWaitMs: 50 } });
  const slow = await startBackend(t, { tag: 'slow', handshakeDelayMs: 400, record: true });
  const good = await startBackend(t, { tag: 'good' });
  gateway.manager.registerBackend({ id: 'slow', url: slow.url });
  const client = await connect(t, gateway.url);
  await until(() => slow.upgrades().length === 1, { what: 'the dial' });
  assert.equal((await gateway.admin('DELETE', '/backends/slow?mode=force')).status, 204);
  gateway.manager.registerBackend({ id: 'good', url: good.url });
  client.send('hello');
  await client.waitFor(({ text }) => text.endsWith(':hello'));
  assert.deepEqual(client.texts, ['good:hello']);
  await until(async () => (await slow.connections()) === 0, { what: 'the removed one to be left' });
});

test('A drain without another backend leaves its clients where they are until there is one', async (t) => {
  const gateway = await startGateway(t);
  const only = await startBackend(t, { tag: 'only' });
  gateway.manager.registerBackend({ id: 'only', url: only.url });
  const client = await connect(t, gateway.url);
  assert.equal((await gateway.admin('DELETE', '/backends/only')).status, 202);
  assert.equal((await client.ask('hello')).text, 'only:hello');
  assert.equal((await gateway.admin('DELETE', '/backends/only')).status, 409);
  const next = await startBackend(t, { tag: 'next' });
  gateway.manager.registerBackend({ id: 'next', url: next.url });
  await gateway.waitFor('backend.removed');
  assert.equal((await client.ask('hello')).text, 'next:hello');
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
});
