import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendView } from '../../src/pool/views.ts';
import { connect } from '../support/client.ts';
import { sleep, until } from '../support/wait.ts';
import { startPair } from './failover-scenario.ts';

test('a drain goes at its rate and says how far it is', async (t) => {
  const { gateway } = await startPair(t, { drain: { pipesPerSecond: 10, quietMs: 20 } });
  const clients = await Promise.all(Array.from({ length: 30 }, () => connect(t, gateway.url)));
  const view = async () => (await gateway.admin('GET', '/backends/a')).body as BackendView;
  assert.equal((await view()).drain, null);
  assert.equal((await view()).connections, 15);
  const from = performance.now();
  const { status, body } = await gateway.admin('DELETE', '/backends/a');
  assert.equal(status, 202);
  assert.equal((body as BackendView).adminState, 'draining');
  assert.equal((body as BackendView).usable, false);
  const again = await gateway.admin('DELETE', '/backends/a');
  assert.deepEqual([again.status, (again.body as { code: string }).code], [409, 'HOLDFAST_ERR_BACKEND_DRAINING']);

  await sleep(500);
  const halfway = await view();
  const elapsed = performance.now() - from;
  const { drain } = halfway;
  assert.ok(drain !== null && Math.abs(Date.parse(drain.startedAt) - (Date.now() - elapsed)) < 1000);
  assert.ok(drain.migrated >= 1 && drain.migrated <= 1 + elapsed / 100, `${drain.migrated} after ${elapsed} ms`);
  assert.ok(drain.remaining >= 15 - drain.migrated && drain.remaining < 15, `${drain.remaining} remain`);
  assert.equal(drain.failedOver, 0);

  const drained = await gateway.waitFor('backend.drained');
  assert.ok(drained.durationMs >= 1300 && drained.durationMs < 8000, `took ${drained.durationMs} ms`);
  assert.deepEqual([drained.migrated, drained.failedOver], [15, 0]);
  assert.equal((await gateway.admin('GET', '/backends/a')).status, 404);
  const answers = await Promise.all(clients.map((client) => client.ask('hello')));
  assert.ok(answers.every(({ text }) => text === 'b:hello'));
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
});

test('a drain that only empties (PATCH draining) keeps the backend, and its progress ends with it', async (t) => {
  const { a, gateway } = await startPair(t, { drain: { quietMs: 20 } });
  const client = await connect(t, gateway.url);
  await gateway.admin('PATCH', '/backends/a', { adminState: 'draining' });
  await gateway.waitFor('backend.drained');
  const view = (await gateway.admin('GET', '/backends/a')).body as BackendView;
  assert.deepEqual([view.adminState, view.drain, view.connections], ['draining', null, 0]);
  await until(async () => (await a.connections()) === 0);
  // Enabled again it takes pipes again; removed by migrate without a pipe it is gone at once.
  await gateway.admin('PATCH', '/backends/a', { adminState: 'enabled' });
  const others = [await connect(t, gateway.url), await connect(t, gateway.url)];
  const answers = await Promise.all(others.map((other) => other.ask('x')));
  assert.deepEqual(answers.map(({ text }) => text).sort(), ['a:x', 'b:x']);
  assert.equal((await client.ask('x')).text, 'b:x');
  for (const other of others) other.close();
  await until(() => gateway.manager.backend('a').connections === 0);
  assert.equal((await gateway.admin('DELETE', '/backends/a')).status, 204);
});
