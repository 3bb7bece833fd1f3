/** The other delivery mode, shorter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRun, runChaos } from './chaos-run.ts';

test('100 clients and the same chaos at most once: nothing comes twice', async () => {
  const report = await runChaos({
    seed: 20_262,
    durationMs: 15_000,
    delivery: 'at-most-once',
    clients: 100,
    warmUpRounds: 2,
  });
  console.log(`chaos: seed ${report.seed}, ${report.delivery}\n${describeRun(report)}`);
  assert.deepEqual(report.violations, []);
  assert.equal(report.twice, 0);
});
