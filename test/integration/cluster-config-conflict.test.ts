/** Of two gateways that change the same settings at the same time one is told what is there now, and nothing of its change is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { startCluster } from '../support/cluster.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

interface Failure {
  readonly code: string;
  readonly message: string;
}

const sections = [
  ['heartbeat', { client: { intervalMs: 7000 } }, { client: { intervalMs: 9000 } }],
  ['buffer', { maxDownstreamBytes: 65_536 }, { maxDownstreamBytes: 131_072 }],
] as const;

for (const [section, early, late] of sections) {
  const path = `/config/${section}`;

  test(`${path}: who was overtaken gets 409 with the revision that is there now`, async (t) => {
    const hub = new MemoryHub();
    const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub)];
    const [one, two] = await startCluster(t, 2, { store: (number) => stores[number]! });
    const before = (await one!.admin('GET', path)).body as { revision: number };
    const { put = 0 } = stores[0]!.calls;
    stores[0]!.hold('put');
    const overtaken = one!.admin('PATCH', path, late);
    await until(() => (stores[0]!.calls['put'] ?? 0) > put);
    const won = await two!.admin('PATCH', path, early);
    assert.equal(won.status, 200);
    const { revision } = won.body as { revision: number };
    assert.ok(revision > before.revision);
    stores[0]!.release();
    const { status, body } = await overtaken;
    assert.deepEqual([status, (body as Failure).code], [409, 'HOLDFAST_ERR_SHARED_CONFLICT']);
    assert.ok((body as Failure).message.includes(String(revision)), (body as Failure).message);
    for (const gateway of [one!, two!]) {
      await until(async () => ((await gateway.admin('GET', path)).body as { revision: number }).revision === revision);
      const { body: settings } = await gateway.admin('GET', path);
      assert.deepEqual(settings, (await two!.admin('GET', path)).body);
      assert.match(JSON.stringify(settings), section === 'heartbeat' ? /"intervalMs":7000/ : /65536/);
    }
    // Who has read it again succeeds.
    assert.equal((await one!.admin('PATCH', path, late)).status, 200);
  });

  test(`${path}: of two that were made for the same revision one succeeds, ten times`, async (t) => {
    const [one, two] = await startCluster(t, 2);
    for (let round = 0; round < 10; round += 1) {
      const seen = await Promise.all(
        [one!, two!].map(async (gateway) => ((await gateway.admin('GET', path)).body as { revision: number }).revision),
      );
      const match = { 'if-match': `"${Math.max(...seen)}"` };
      const answers = await Promise.all([
        one!.admin('PATCH', path, early, match),
        two!.admin('PATCH', path, late, match),
      ]);
      assert.deepEqual(answers.map(({ status }) => (status === 200 ? 200 : 'refused')).sort(), [200, 'refused']);
      const won = answers.find(({ status }) => status === 200)!.body as { revision: number };
      const lost = answers.find(({ status }) => status !== 200)!;
      assert.ok([409, 412].includes(lost.status), `${lost.status}`);
      assert.ok((lost.body as Failure).message.includes(String(won.revision)), (lost.body as Failure).message);
    }
  });
}
