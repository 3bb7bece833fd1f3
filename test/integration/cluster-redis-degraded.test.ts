/** A gateway whose Redis fails goes on with what it knew: live pipes, new pipes; changes answer 503; it recovers by itself. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import type { BackendView } from '../../src/pool/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { poolOf, startCluster } from '../support/cluster.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type RedisServer, type RedisServerOptions, startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';

interface Stage {
  readonly redis: RedisServer;
  readonly one: TestGateway;
  readonly two: TestGateway;
  readonly client: Client;
}

async function stage(t: TestContext, options: RedisServerOptions = {}, credentials: { password?: string } = {}) {
  needDebianPackages(t, 'redis-server');
  const backend = await startBackend(t, { tag: 'a' });
  const redis = await startRedis(t, options);
  const store = () => redisStore({ url: redis.url, timeoutMs: 300, ...credentials });
  const [one, two] = await startCluster(t, 2, { store });
  assert.equal((await one!.admin('POST', '/backends', { url: backend.url, id: 'a' })).status, 201);
  await until(() => two!.manager.pool.find('a') !== undefined);
  const client = await connect(t, two!.url);
  assert.equal((await client.ask('1')).text, 'a:1');
  return { redis, one: one!, two: two!, client };
}

async function checkDegraded(t: TestContext, { one, two, client }: Stage, reasons: readonly string[]): Promise<void> {
  for (const gateway of [one, two]) {
    const { reason } = await gateway.waitFor('cluster.degraded', undefined, 10_000);
    assert.ok(reasons.includes(reason), reason);
  }
  assert.equal((await client.ask('2')).text, 'a:2');
  const fresh = await connect(t, two.url);
  assert.equal((await fresh.ask('3')).text, 'a:3');
  for (const refused of [
    await one.admin('POST', '/backends', { url: 'ws://127.0.0.1:9009', id: 'late' }),
    await two.admin('PATCH', '/backends/a', { weight: 5 }),
    await two.admin('PATCH', '/config/heartbeat', { client: { intervalMs: 9000 } }),
  ]) {
    assert.equal(refused.status, 503);
    assert.equal((refused.body as { code: string }).code, 'HOLDFAST_ERR_STORE_UNAVAILABLE');
  }
  assert.deepEqual(
    [two.manager.pool.size, two.manager.pool.get('a').weight, two.manager.heartbeat().settings.client.intervalMs],
    [1, 1, 25_000],
  );
  const page = await poolOf(two);
  assert.equal(page.backends.length, 1);
  assert.equal(page.missing?.length, 1);
  const ready = await two.admin('GET', '/readyz');
  assert.equal(ready.status, 200);
  const { cluster } = ready.body as { cluster: { up: boolean; reason: string } };
  assert.equal(cluster.up, false);
  assert.ok(reasons.includes(cluster.reason), cluster.reason);
  const metrics = await fetch(`${two.httpUrl}/metrics`, { headers: { authorization: 'Bearer test-token-0123456789' } });
  assert.match(await metrics.text(), /^holdfast_cluster_up 0$/m);
}

async function checkRecovered({ one, two, client }: Stage): Promise<void> {
  for (const gateway of [one, two]) await gateway.waitFor('cluster.recovered', undefined, 10_000);
  const changed = await until(
    async () => {
      const answer = await one.admin('PATCH', '/backends/a', { weight: 4 });
      return answer.status === 200 ? (answer.body as BackendView) : null;
    },
    { what: 'a change after the recovery' },
  );
  assert.equal(changed?.weight, 4);
  await until(() => two.manager.pool.get('a').weight === 4, { what: 'the change on the other gateway' });
  assert.equal((await client.ask('4')).text, 'a:4');
  const { cluster } = (await two.admin('GET', '/readyz')).body as { cluster: { up: boolean; gateways: number } };
  assert.equal(cluster.up, true);
}

test('Redis is killed, and comes back empty: the pool is put back', async (t) => {
  const given = await stage(t);
  await given.redis.kill();
  await checkDegraded(t, given, ['disconnected', 'timeout']);
  const empty = await given.redis.restartEmpty(t);
  await checkRecovered(given);
  assert.match(String(await empty.command('GET', 'holdfast:pool')), /"id":"a"/);
});

test('Redis is frozen and thawed', async (t) => {
  const given = await stage(t);
  await given.redis.freeze();
  await checkDegraded(t, given, ['timeout', 'disconnected']);
  given.redis.thaw();
  await checkRecovered(given);
});

test('Redis restarts empty between two beats: the pool is put back, and nobody was degraded', async (t) => {
  const given = await stage(t);
  await given.redis.command('FLUSHALL');
  await until(async () => String(await given.redis.command('GET', 'holdfast:pool')).includes('"id":"a"'));
  assert.equal(given.one.manager.pool.size + given.two.manager.pool.size, 2);
  assert.deepEqual(given.one.eventsOf('cluster.degraded'), []);
});

test('Redis is full', async (t) => {
  const given = await stage(t);
  await given.redis.command('CONFIG', 'SET', 'maxmemory', '1');
  await checkDegraded(t, given, ['full']);
  await given.redis.command('CONFIG', 'SET', 'maxmemory', '0');
  await checkRecovered(given);
});

test('the password of Redis is another one now', async (t) => {
  const given = await stage(t, { password: 'first' }, { password: 'first' });
  const renewed = await given.redis.restartEmpty(t, { password: 'second' });
  await checkDegraded(t, given, ['denied', 'disconnected', 'timeout']);
  await renewed.command('CONFIG', 'SET', 'requirepass', 'first');
  await checkRecovered(given);
});

test('without a Redis at the start a gateway serves the backends of its options, and shares them when there is one', async (t) => {
  needDebianPackages(t, 'redis-server');
  const backend = await startBackend(t, { tag: 'a' });
  const redis = await startRedis(t);
  await redis.kill();
  const store = redisStore({ url: redis.url, timeoutMs: 300 });
  const gateway = await startGateway(t, {
    backends: [{ url: backend.url, id: 'a' }],
    cluster: { store, beatMs: 100, memberTtlMs: 2000 },
  });
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('1')).text, 'a:1');
  const { cluster } = (await gateway.admin('GET', '/readyz')).body as { cluster: { up: boolean } };
  assert.equal(cluster.up, false);
  const back = await redis.restartEmpty(t);
  await gateway.waitFor('cluster.recovered', undefined, 10_000);
  await until(async () => String(await back.command('GET', 'holdfast:pool')).includes('"id":"a"'));
  assert.equal((await client.ask('2')).text, 'a:2');
});
