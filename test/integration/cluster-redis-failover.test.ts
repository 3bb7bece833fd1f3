/** Redis fails over under two gateways: live clients notice nothing, changes are possible again by themselves, and a session may still go over. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { startCluster } from '../support/cluster.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import type { TestGateway } from '../support/gateway.ts';
import { startRedis } from '../support/redis-server.ts';
import { connectResumable } from '../support/resume-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';

async function stage(t: TestContext) {
  const backend = await startBackend(t, { tag: 'a' });
  const first = await startRedis(t);
  const second = await startRedis(t, { replicaOf: first.port });
  const relay = await startRelay(t, { targetPort: first.port });
  const store = () => redisStore({ url: `redis://127.0.0.1:${relay.port}`, timeoutMs: 300 });
  const [one, two] = (await startCluster(t, 2, { store })) as [TestGateway, TestGateway];
  assert.equal((await one.admin('POST', '/backends', { url: backend.url, id: 'a' })).status, 201);
  const session = await connectResumable(t, one.url);
  session.send('1');
  await session.text('a:1');
  const { pipe } = session.welcome;
  const copied = async () => (await second.command('EXISTS', `holdfast:pipe:{${pipe}}`, 'holdfast:pool')) === 2;
  await until(copied, { what: 'the replica to have all' });
  return { first, second, relay, one, two, session };
}

/** A change on one gateway reaches the other, and the session goes over to it whole. */
async function checkWhole(t: TestContext, { one, two, session }: Awaited<ReturnType<typeof stage>>): Promise<void> {
  for (const gateway of [one, two]) {
    await gateway.waitFor('cluster.recovered', undefined, 10_000);
    assert.equal(gateway.manager.pool.size, 1);
  }
  session.send('2');
  await session.text('a:2');
  const change = async () => (await one.admin('PATCH', '/backends/a', { weight: 4 })).status === 200;
  await until(change, { what: 'a change after the failover' });
  await until(() => two.manager.pool.get('a').weight === 4, { what: 'the change on the other gateway' });
  const { pipe, token } = session.welcome;
  const next = await connectResumable(t, two.url, { resume: { pipe, token, received: 2 } });
  assert.deepEqual([next.welcome.resumed, next.welcome.pipe, next.welcome.received], [true, pipe, 2]);
  next.send('3');
  await next.text('a:3');
}

test('the server dies, and its replica is promoted at its address', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const given = await stage(t);
  await given.first.kill();
  for (const gateway of [given.one, given.two]) await gateway.waitFor('cluster.degraded', undefined, 10_000);
  await given.second.command('REPLICAOF', 'NO', 'ONE');
  given.relay.retarget(given.second.port);
  await checkWhole(t, given);
});

test('the server is demoted and keeps its connections: they are left, and the promoted one is used', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const given = await stage(t);
  await given.second.command('REPLICAOF', 'NO', 'ONE');
  await given.first.command('REPLICAOF', '127.0.0.1', String(given.second.port));
  for (const gateway of [given.one, given.two]) {
    const { reason } = await gateway.waitFor('cluster.degraded', undefined, 10_000);
    assert.ok(['unwritable', 'disconnected', 'timeout'].includes(reason), reason);
  }
  given.relay.retarget(given.second.port);
  await checkWhole(t, given);
});
