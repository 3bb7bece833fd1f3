/** The short form for CI: 60 seconds of it, with seeds that stay. The long form: npm run chaos -- --minutes 30 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRun, runChaos } from './chaos-run.ts';
import { planChaos } from './schedule.ts';

test('the same seed gives the same schedule, another seed another one', () => {
  assert.deepEqual(planChaos(4, 60_000), planChaos(4, 60_000));
  assert.notDeepEqual(planChaos(4, 60_000), planChaos(5, 60_000));
});

test('300 clients and 3 backends that are killed, frozen, stopped, cut off and drained: nothing is lost', async () => {
  const report = await runChaos({ seed: 20_264, durationMs: 45_000 });
  console.log(`chaos: seed ${report.seed}, ${report.delivery}\n${describeRun(report)}`);
  assert.deepEqual(report.violations, []);
  assert.ok(report.sent > 10_000 && report.twice > 0, 'there was something to lose');
});
