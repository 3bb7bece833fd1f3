import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import {
  assertHandedOver,
  assertNothingLeft,
  linksOf,
  onlyPipe,
  startPair,
  untilAcknowledged,
  untilTaken,
} from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

test('What a client sent before it closed still reaches the next backend when its own is dead, then the code does', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  const { sent } = client.sendNumbered({ count: 30 });
  client.close(4005, 'bye');
  assert.equal((await client.waitClosed()).code, 4005);
  assert.equal(pipe.state, 'closing');
  const back = await b.restart();
  await until(() => linksOf(pipe.id, back)[0]?.closed !== undefined, { what: 'the Close at the backend' });
  const links = linksOf(pipe.id, back);
  assertHandedOver(links, sent);
  assert.equal(links.at(-1)?.closed?.code, 4005);
  const closed = await gateway.waitFor('pipe.closed');
  assert.deepEqual([closed.undelivered, closed.initiator, closed.closeCode], [0, 'client', 4005]);
  await assertNothingLeft(gateway);
});

test('A client that vanishes while its backend is frozen: its messages are replayed to the next, which is told 1001', async (t) => {
  const { a, b, gateway } = await startPair(t, { heartbeat: { backend: { intervalMs: 100, timeoutMs: 400 } } });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  const pipe = onlyPipe(gateway);
  await a.freeze();
  for (const n of [1, 2, 3]) await client.sendText(`msg#${n}/7 `);
  await untilTaken(gateway, pipe, 3);
  client.reset();
  await until(() => linksOf(pipe.id, b)[0]?.closed !== undefined, { what: 'the Close at the next backend' });
  assertHandedOver(linksOf(pipe.id, a, b), 3);
  assert.equal(linksOf(pipe.id, b)[0]?.closed?.code, 1001);
  const closed = await gateway.waitFor('pipe.closed');
  assert.deepEqual([closed.reason, closed.undelivered], ['lost', 0]);
  await assertNothingLeft(gateway);
});

test('When closing.lingerMs is over without a backend the pipe ends and says how much was not delivered', async (t) => {
  const { a, b, gateway } = await startPair(t, { closing: { lingerMs: 300 } });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  await client.ask('delivered');
  await untilAcknowledged(gateway, pipe);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  client.sendNumbered({ count: 7 });
  client.close(1000);
  await client.waitClosed();
  const goneAt = performance.now();
  const closed = await gateway.waitFor('pipe.closed');
  const ms = performance.now() - goneAt;
  assert.equal(closed.undelivered, 7);
  await assertReached(gateway, 'holdfast_undelivered_messages_total', 7);
  assert.ok(ms >= 200 && ms < 1000, `it lingered ${ms} ms`);
  await assertNothingLeft(gateway);
});

test('A client that closes while its pipe migrates loses nothing of what it sent', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  client.send('msg#1/7 ');
  await client.waitFor('a:msg#1/7 ');
  // Its barrier stays out for a while, and what comes meanwhile is held.
  await a.command({ do: 'pause' });
  await gateway.admin('PATCH', '/backends/a', { adminState: 'draining' });
  await until(() => pipe.state === 'migrating', { what: 'the migration to hold' });
  for (const n of [2, 3, 4]) client.send(`msg#${n}/7 `);
  client.close(4006);
  await client.waitClosed();
  await a.command({ do: 'resume' });
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.undelivered, 0);
  assertHandedOver(
    linksOf(pipe.id, a, b).filter(({ messages }) => messages.length > 0),
    4,
  );
  await assertNothingLeft(gateway);
});
