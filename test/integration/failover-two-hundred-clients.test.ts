import assert from 'node:assert/strict';
import test from 'node:test';
import { audit } from '../support/numbered.ts';
import { until } from '../support/wait.ts';
import {
  assertComplete,
  assertHandedOver,
  assertNothingLeft,
  connectCounting,
  linksOf,
  startPair,
} from './failover-scenario.ts';

const clients = 200;

test('Of 200 clients that send every 20 ms none is closed and no message lost when one of two backends is killed', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const all = await Promise.all(Array.from({ length: clients }, () => connectCounting(t, gateway.url)));
  const pipes = [...gateway.manager];
  const served = pipes.filter((pipe) => pipe.backend?.backend.id === 'a').length;
  assert.equal(served, clients / 2);
  const runs = all.map(({ client }) => client.sendNumbered({ intervalMs: 20, count: 90 }));
  await until(() => all.every(({ numbers }) => numbers.length >= 30), { what: 'thirty answers each' });
  await a.kill();
  const sent = await Promise.all(runs.map(({ done }) => done));
  await until(() => all.every(({ numbers }, index) => numbers.at(-1) === sent[index]), {
    timeoutMs: 10_000,
    what: () =>
      `the last answers: ${all.filter(({ numbers }, index) => numbers.at(-1) !== sent[index]).length} miss them`,
  });

  let twice = 0;
  const pipeOf = new Map(pipes.map((pipe, index) => [index, pipe]));
  const restored = gateway.eventsOf('pipe.restored');
  for (const [index, { client, numbers }] of all.entries()) {
    assert.equal(client.closeInfo, undefined, `client ${index} was closed`);
    assert.equal(sent[index], 90);
    assertComplete(numbers, 90, `answers of client ${index}`);
    twice += audit(numbers, 90).duplicated.length;
    assertHandedOver(linksOf(pipeOf.get(index)!.id, a, b), 90);
  }
  const replayed = restored.reduce((sum, one) => sum + one.replayed, 0);
  const gaps = restored.map(({ gapMs }) => gapMs).sort((x, y) => x - y);
  const seen = all.map(({ longestGapMs }) => longestGapMs()).sort((x, y) => x - y);
  assert.equal(restored.length, served, 'each pipe of the dead backend was interrupted once');
  assert.equal(gateway.eventsOf('pipe.closed').length, 0);
  assert.ok(twice <= replayed, `${twice} answers came twice, ${replayed} messages were replayed`);
  assert.ok(gaps.at(-1)! < 500, `the longest gap was ${gaps.at(-1)} ms`);
  const ms = (list: readonly number[], share: number) =>
    `${list[Math.floor((list.length - 1) * share)]!.toFixed(1)} ms`;
  t.diagnostic(`pipe.restored gapMs: median ${ms(gaps, 0.5)}, longest ${ms(gaps, 1)}`);
  t.diagnostic(`longest silence a client saw: median ${ms(seen, 0.5)}, longest ${ms(seen, 1)}`);
  t.diagnostic(`sent ${clients * 90}, lost 0, answers twice ${twice}, replayed ${replayed}`);
  for (const { client } of all) client.close(1000);
  await assertNothingLeft(gateway);
});
