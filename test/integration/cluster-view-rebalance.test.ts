/** A rebalance moves the pipes of all gateways, at the rate that was given for all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { RebalanceSchema } from '../../routes/schemas/backend.ts';
import type { RebalanceView } from '../../src/pipe/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('a backend that joined late gets its share of the pipes of every gateway', async (t) => {
  const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
  const gateways = await startCluster(t, 3, { backends: [{ url: a.url, id: 'a' }], drain: { quietMs: 20 } });
  const [one, two, three] = gateways as [TestGateway, TestGateway, TestGateway];
  for (const [gateway, count] of [
    [one, 4],
    [two, 8],
  ] as const)
    for (let number = 0; number < count; number += 1) await connect(t, gateway.url);
  const none = await three.admin('POST', '/backends/b/rebalance');
  assert.equal(none.status, 404);
  await three.admin('POST', '/backends', { url: b.url, id: 'b' });
  await until(() => gateways.every(({ manager }) => manager.pool.find('b') !== undefined));

  // Less than one a second for each of them.
  const { status, body } = await three.admin('POST', '/backends/b/rebalance?pipesPerSecond=2&timeoutMs=60000');
  assert.equal(status, 202);
  assert.ok(Value.Check(RebalanceSchema, body), 'it does not fit its schema');
  const begun = performance.now();
  const { planned, gateways: rows, partial, missing } = body as RebalanceView;
  assert.deepEqual([planned, partial, missing], [6, false, []]);
  assert.deepEqual(
    rows?.map((row) => [row.gateway.split('.')[0], row.planned]),
    [
      ['gw-0', 2],
      ['gw-1', 4],
      ['gw-2', 0],
    ],
  );
  const moved = () => [one, two].flatMap((gateway) => gateway.eventsOf('pipe.migrated')).length;
  await until(() => moved() >= 4, { timeoutMs: 10_000, what: () => `four pipes to move, not ${moved()}` });
  const seconds = (performance.now() - begun) / 1000;
  // Each begins with one, and moves two thirds of a pipe a second.
  assert.ok(seconds > 1.3, `${seconds} s`);
  await one.admin('POST', '/backends/b/rebalance');
  await until(
    () => [one, two].every(({ manager }) => manager.pool.get('a').connections === manager.pool.get('b').connections),
    {
      timeoutMs: 10_000,
      what: 'as many at each backend',
    },
  );
  await one.admin('PATCH', '/backends/b', { adminState: 'disabled' });
  await until(() => gateways.every(({ manager }) => !manager.pool.get('b').enabled));
  const refused = await two.admin('POST', '/backends/b/rebalance');
  assert.deepEqual([refused.status, (refused.body as { code: string }).code], [409, 'HOLDFAST_ERR_BACKEND_DRAINING']);
});
