import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from '../support/wait.ts';
import { assertExact, assertHandedOver, connectCounting, linksOf, startPair } from './failover-scenario.ts';

test('A backend that is removed under load of 50 clients: none closed, nothing lost, nothing twice, order kept', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const all = await Promise.all(Array.from({ length: 50 }, () => connectCounting(t, gateway.url)));
  const pipes = [...gateway.manager];
  const runs = all.map(({ client }) => client.sendNumbered({ intervalMs: 10 }));
  await until(() => all.every(({ numbers }) => numbers.length >= 20), { what: 'twenty answers each' });
  const { status } = await gateway.admin('DELETE', '/backends/a');
  assert.equal(status, 202);
  const removed = await gateway.waitFor('backend.removed', undefined, 8000);
  const drained = await gateway.waitFor('backend.drained');
  const marks = runs.map(({ sent }) => sent);
  await until(() => runs.every(({ sent }, index) => sent >= marks[index]! + 20), { what: 'twenty more each' });
  for (const run of runs) run.stop();
  await until(() => all.every(({ numbers }, index) => numbers.at(-1) === runs[index]!.sent), {
    what: () =>
      `the last answers: ${all.filter(({ numbers }, index) => numbers.at(-1) !== runs[index]!.sent).length} miss them`,
  });
  let sent = 0;
  for (const [index, { client, numbers }] of all.entries()) {
    assert.equal(client.closeInfo, undefined, `client ${index} was closed`);
    assertExact(numbers, runs[index]!.sent, `answers of client ${index}`);
    assert.equal(assertHandedOver(linksOf(pipes[index]!.id, a, b), runs[index]!.sent), 0, 'nothing twice');
    sent += runs[index]!.sent;
  }
  assert.deepEqual([drained.migrated, drained.failedOver], [25, 0]);
  assert.equal(gateway.eventsOf('pipe.migrated').length, 25);
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
  assert.equal(removed.connections, 0);
  assert.ok(a.received().every(({ closed }) => closed?.code === 1001));
  const slowest = Math.max(...gateway.eventsOf('pipe.migrated').map(({ durationMs }) => durationMs));
  const silence = Math.max(...all.map(({ longestGapMs }) => longestGapMs()));
  t.diagnostic(
    `drained in ${drained.durationMs.toFixed(0)} ms, slowest pipe ${slowest.toFixed(0)} ms, longest silence ${silence.toFixed(0)} ms, sent ${sent}`,
  );
});
