/** The short form for CI, with seeds that stay. The long form: npm run chaos -- --minutes 30 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAsProcess } from './run-as-process.ts';
import { planChaos } from './schedule.ts';

test('the same seed gives the same schedule, another seed another one', () => {
  assert.deepEqual(planChaos(4, 60_000), planChaos(4, 60_000));
  assert.notDeepEqual(planChaos(4, 60_000), planChaos(5, 60_000));
});

test('300 clients and 3 backends that are killed, frozen, stopped, cut off and drained: nothing is lost', async () => {
  const { code, output } = await runAsProcess('--seconds', '45', '--seed', '20264');
  console.log(output);
  assert.equal(code, 0, output);
  assert.match(output, / 0 lost, [1-9]\d* twice/);
});
