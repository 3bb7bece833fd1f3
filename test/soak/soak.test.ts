/** The short form of `npm run soak`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSoak, runSoak } from './soak-run.ts';

test('after ten seconds of clients and backends that come and go the gateway holds no more than before', async (t) => {
  const report = await runSoak({
    seed: 7,
    durationMs: 10_000,
    warmUpMs: 6000,
    checkpointMs: 10_000,
    perSecond: 30,
    backendEveryMs: 500,
  });
  t.diagnostic(describeSoak(report));
  assert.deepEqual(report.violations, []);
  assert.ok((report.events['pipe.refused'] ?? 0) > 100, 'the limits of addresses were not reached');
});
