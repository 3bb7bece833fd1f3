import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { until } from '../support/wait.ts';

test('Late answers of the old backend, also those just before its Close, come before the first of the new one', async (t) => {
  const gateway = await startGateway(t, { drain: { quietMs: 150, tailMs: 1000 } });
  const old = await startRawBackend(t, { autoPong: true });
  gateway.manager.registerBackend({ id: 'old', url: old.url });
  const connecting = connect(t, gateway.url);
  const link = await old.acceptNext();
  const client = await connecting;
  client.send('question 1');
  assert.equal((await link.nextMessage()).text, 'question 1');
  const next = await startBackend(t, { tag: 'new', hello: 'hello of the new one' });
  gateway.manager.registerBackend({ id: 'new', url: next.url });
  assert.equal((await gateway.admin('DELETE', '/backends/old')).status, 202);
  await gateway.waitFor('pipe.migrated');
  client.send('question 2');
  // Over the quiet time in all, but never quiet for so long.
  for (const n of [1, 2, 3]) {
    const sentAt = performance.now();
    await link.sendText(`late ${n}`);
    await until(() => performance.now() - sentAt > 100);
  }
  const close = await link.nextClose();
  assert.equal(close.code, 1001);
  await link.sendText('last words');
  await link.sendClose(1001);
  link.fin();
  await client.waitFor('new:question 2');
  assert.deepEqual(client.texts, [
    'late 1',
    'late 2',
    'late 3',
    'last words',
    'hello of the new one',
    'new:question 2',
  ]);
  await gateway.waitFor('backend.removed');
});

test('An old backend that never falls quiet is left after drain.tailMs', async (t) => {
  const gateway = await startGateway(t, { drain: { quietMs: 100, tailMs: 400 } });
  const old = await startBackend(t, { tag: 'old', push: { intervalMs: 10, prefix: 'old' } });
  const next = await startBackend(t, { tag: 'new' });
  gateway.manager.registerBackend({ id: 'old', url: old.url });
  const client = await connect(t, gateway.url);
  gateway.manager.registerBackend({ id: 'new', url: next.url });
  await client.waitFor(({ text }) => text.startsWith('old#3/'));
  await gateway.admin('DELETE', '/backends/old');
  await gateway.waitFor('pipe.migrated');
  const from = performance.now();
  client.send('hello');
  await client.waitFor('new:hello');
  const ms = performance.now() - from;
  assert.ok(ms > 350 && ms < 900, `the new one was heard after ${ms} ms`);
  const numbers = client.numbered.map(({ n }) => n);
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
    'the old one was heard without a hole',
  );
});

test('An old backend that dies before its barrier returns: the link dialled ahead is thrown away, and a failover follows', async (t) => {
  const gateway = await startGateway(t);
  const old = await startRawBackend(t);
  gateway.manager.registerBackend({ id: 'old', url: old.url });
  const connecting = connect(t, gateway.url);
  const link = await old.acceptNext();
  const client = await connecting;
  client.send('one');
  assert.equal((await link.nextMessage()).text, 'one');
  const next = await startBackend(t, { tag: 'new', hello: 'welcome', record: true });
  gateway.manager.registerBackend({ id: 'new', url: next.url });
  await gateway.admin('PATCH', '/backends/old', { adminState: 'draining' });
  await until(() => gateway.manager.pipes().pipes[0]?.state === 'migrating');
  client.send('two');
  link.reset();
  await client.waitFor('new:two');
  // The greeting of the link that was thrown away is not the client's.
  assert.deepEqual(client.texts, ['welcome', 'new:one', 'new:two']);
  await until(() => next.received().some(({ closed }) => closed !== undefined));
  const [thrown, used] = next.received();
  assert.deepEqual([thrown?.messages.length, thrown?.closed?.code], [0, 1001]);
  assert.deepEqual(
    used?.messages.map(({ text }) => text),
    ['one', 'two'],
  );
  assert.equal(used?.headers['holdfast-reason'], 'failover');
  assert.equal(used?.headers['holdfast-replay'], '1');
});
