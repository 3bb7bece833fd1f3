import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { startPair } from './failover-scenario.ts';

test('A gateway that closes tells its clients 1012, spread over shutdown.spreadMs, and then everything has ended', async (t) => {
  const { a, b, gateway } = await startPair(t, { shutdown: { spreadMs: 800 } });
  const clients = await Promise.all(Array.from({ length: 40 }, () => connect(t, gateway.url)));
  const closedAt: number[] = [];
  for (const client of clients) void client.closed.then(() => closedAt.push(performance.now()));
  const from = performance.now();
  await gateway.close();
  await until(() => closedAt.length === 40);
  for (const { closeInfo } of clients) assert.equal(closeInfo?.code, 1012);
  const times = closedAt.map((at) => at - from).sort((x, y) => x - y);
  assert.ok(times.at(-1)! > 600 && times.at(-1)! < 2000, `the last after ${times.at(-1)} ms`);
  assert.ok(times[19]! > 200 && times[19]! < 800, `half of them after ${times[19]} ms`);
  await until(() => a.received().every(({ closed }) => closed?.code === 1001));
  await until(() => b.received().every(({ closed }) => closed?.code === 1001));
  assert.equal(gateway.manager.size, 0);
  assert.equal(gateway.eventsOf('gateway.closed').length, 1);
  t.diagnostic(`first after ${times[0]!.toFixed(0)} ms, last after ${times.at(-1)!.toFixed(0)} ms`);
});

test('Closing ends in time also with clients that do not answer, dead backends and undelivered messages', async (t) => {
  // Fastify gives its plugins ten seconds.
  const { a, b, gateway } = await startPair(t);
  const [silent, waiting] = [await connectRaw(t, { port: gateway.port, path: '/ws' }), await connect(t, gateway.url)];
  silent.pause();
  await Promise.all([a.kill(), b.kill()]);
  await until(() => gateway.eventsOf('pipe.interrupted').length === 2);
  waiting.send('never delivered');
  await until(() => gateway.manager.budget.usedBytes > 0);
  const from = performance.now();
  await gateway.close();
  const ms = performance.now() - from;
  assert.ok(ms < 8000, `closing took ${ms} ms`);
  assert.equal((await waiting.waitClosed()).code, 1012);
  assert.equal(gateway.manager.size, 0);
  assert.equal(gateway.eventsOf('pipe.closed').find(({ undelivered }) => undelivered > 0)?.undelivered, 1);
  t.diagnostic(`closed in ${ms.toFixed(0)} ms`);
});
