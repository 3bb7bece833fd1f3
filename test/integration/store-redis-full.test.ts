/** Redis has reached maxmemory: what would take more fails as full, what is there can still be read, kept and removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { StoreFailure } from '../../src/cluster/store.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startRedis } from '../support/redis-server.ts';
import { expectFailures, untilBack } from '../support/store-failures.ts';

test('Redis is full (OOM), and has room again', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const store = redisStore({ url: redis.url, timeoutMs: 2000 });
  t.after(() => store.close());
  await store.put('pool', { revision: 1, value: Buffer.from('pool') }, { ifRevision: 0, ttlMs: 60_000 });
  await store.put('claim', { revision: 1, value: Buffer.from('claim') }, { ifRevision: 0, ttlMs: 60_000 });
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await redis.command('CONFIG', 'SET', 'maxmemory', '1');

  const full = (error: unknown): boolean => error instanceof StoreFailure && error.reason === 'full';
  await assert.rejects(
    store.put('more', { revision: 1, value: Buffer.alloc(10) }, { ifRevision: 0, ttlMs: 1000 }),
    full,
  );
  await expectFailures(store, ['full'], 1000, ['beat']);
  assert.equal((await store.get('pool'))?.value.toString(), 'pool');
  assert.deepEqual(await store.touch([{ key: 'pool', revision: 1 }], 60_000), [true]);
  assert.equal((await store.remove('claim', 1))?.value.toString(), 'claim');
  await store.publish('all', Buffer.from('still'));

  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
  await untilBack(store, 1000);
});
