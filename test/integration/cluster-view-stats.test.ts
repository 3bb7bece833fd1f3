/** GET /stats of any gateway adds up over all, and has each by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { StatsSchema } from '../../routes/schemas/stats.ts';
import type { StatsView } from '../../src/observe/stats.ts';
import type { PipeView } from '../../src/pipe/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';

test('figures of all gateways in one answer, whichever is asked', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateways = await startCluster(t, 3, { backends: [{ url: backend.url, id: 'a' }] });
  const [one, two, three] = gateways as [TestGateway, TestGateway, TestGateway];
  for (const { url } of [one, two, two]) assert.equal((await (await connect(t, url)).ask('12345')).text, 'a:12345');
  const [{ id }] = two.manager.pipes().pipes as [PipeView];
  assert.equal((await two.admin('POST', `/pipes/${id}/interrupt`)).status, 202);
  await two.waitFor('pipe.restored');

  const ids: string[] = [];
  for (const gateway of gateways) {
    const stats = (await gateway.admin('GET', '/stats')).body as StatsView;
    assert.ok(Value.Check(StatsSchema, stats));
    const { pipes, totals, windows, backends, partial, missing } = stats;
    assert.deepEqual([pipes.total, pipes.byState.open, partial, missing], [3, 3, false, []]);
    assert.deepEqual([totals.opened, totals.interruptions, totals.restored], [3, 1, 1]);
    assert.equal(totals.traffic.messagesToBackend, 3);
    assert.deepEqual([windows.lastMinute.opened, windows.lastMinute.gaps.count], [3, 1]);
    assert.ok(windows.lastMinute.gaps.maxMs !== null);
    assert.equal(backends.total, 1, 'one backend, which all of them have');
    assert.deepEqual(
      stats.gateways?.map((row) => [row.gateway.split('.')[0], row.pipes.total, row.totals.interruptions]),
      [
        ['gw-0', 1, 0],
        ['gw-1', 2, 1],
        ['gw-2', 0, 0],
      ],
    );
    ids.push(...stats.gateways!.map((row) => row.gateway));
  }
  const other = (await three.admin('GET', `/stats?gateway=${ids[1]}`)).body as StatsView;
  assert.deepEqual([other.pipes.total, other.windows.lastMinute.gaps.count], [2, 1]);
  const own = (await three.admin('GET', '/stats?gateway=self')).body as StatsView;
  assert.equal(own.pipes.total, 0);
  assert.ok(!('gateways' in own) && !('partial' in own));
  const unknown = await three.admin('GET', '/stats?gateway=gw-7.aaaaaa');
  assert.equal(unknown.status, 404);
  assert.equal((unknown.body as { code: string }).code, 'HOLDFAST_ERR_GATEWAY_NOT_FOUND');
});
