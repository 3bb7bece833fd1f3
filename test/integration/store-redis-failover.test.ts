/** Two servers behind one address: the second takes over when the first dies, or is demoted while its connections stay. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { listen } from '../support/store-contract.ts';
import { expectFailures, untilBack } from '../support/store-failures.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';

async function inSync(replica: RedisServer): Promise<void> {
  await until(async () => /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))), {
    what: 'the replica to be in sync',
  });
}

test('the first server dies, its replica is promoted and gets its address', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const first = await startRedis(t);
  const second = await startRedis(t, { replicaOf: first.port });
  const relay = await startRelay(t, { targetPort: first.port });
  const store = redisStore({ url: `redis://127.0.0.1:${relay.port}`, timeoutMs: 500 });
  t.after(() => store.close());
  const { heard, gaps } = await listen(store, 'all');
  await inSync(second);
  await store.put('pool', { revision: 4, value: Buffer.from('pool') }, { ifRevision: 0, ttlMs: 60_000 });
  await first.command('WAIT', '1', '1000');
  await until(async () => (await second.command('EXISTS', 'holdfast:pool')) === 1);

  await first.kill();
  await expectFailures(store, ['disconnected', 'timeout'], 1000);
  await second.command('REPLICAOF', 'NO', 'ONE');
  relay.retarget(second.port);
  await untilBack(store);
  assert.equal((await store.get('pool'))?.revision, 4);
  await until(() => gaps() >= 2, { what: 'the word that messages may be missing' });
  await store.publish('all', Buffer.from('again'));
  assert.equal(await heard.waitFor((text) => text === 'again'), 'again');
});

test('the first server is demoted and keeps its connections: they are left for the second', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const first = await startRedis(t);
  const second = await startRedis(t, { replicaOf: first.port });
  const relay = await startRelay(t, { targetPort: first.port });
  const store = redisStore({ url: `redis://127.0.0.1:${relay.port}`, timeoutMs: 500 });
  t.after(() => store.close());
  await untilBack(store);
  await inSync(second);
  await second.command('REPLICAOF', 'NO', 'ONE');
  await first.command('REPLICAOF', '127.0.0.1', String(second.port));
  relay.retarget(second.port);
  await expectFailures(store, ['unwritable'], 1000, ['put']);
  await untilBack(store);
  assert.equal(
    (await store.put('pool', { revision: 1, value: Buffer.from('new') }, { ifRevision: 0, ttlMs: 60_000 })).stored,
    true,
  );
  assert.equal(await second.command('EXISTS', 'holdfast:pool'), 1);
});
