/** Redis is killed, and comes back empty at the same address: calls fail at once and typed, then all goes on, subscriptions too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { listen } from '../support/store-contract.ts';
import { expectFailures, untilBack } from '../support/store-failures.ts';
import { until } from '../support/wait.ts';

test('Redis dies and comes back empty', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const store = redisStore({ url: redis.url, timeoutMs: 500 });
  t.after(() => store.close());
  const { heard, gaps } = await listen(store, 'all');
  await store.put('pool', { revision: 1, value: Buffer.from('pool') }, { ifRevision: 0, ttlMs: 60_000 });
  assert.equal((await store.beat('gw-a', Buffer.from('a'), 60_000)).known, false);
  assert.equal((await store.beat('gw-a', Buffer.from('a'), 60_000)).known, true);

  // Under way while it dies.
  const underWay = Array.from({ length: 100 }, () => store.get('pool').catch((error: Error) => error.name));
  await redis.kill();
  await Promise.all(underWay);
  await expectFailures(store, ['disconnected'], 400);

  await redis.restartEmpty(t);
  await untilBack(store);
  assert.equal(await store.get('pool'), null);
  const beat = await store.beat('gw-a', Buffer.from('a'), 60_000);
  assert.equal(beat.known, false, 'an empty store is noticed by the first beat');
  await until(() => gaps() >= 2, { what: 'the word that messages may be missing' });
  await store.publish('all', Buffer.from('again'));
  assert.equal(await heard.next(), 'again');
});

test('a store is made before its Redis is there', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const port = await freePort();
  const store = redisStore({ url: `redis://127.0.0.1:${port}`, timeoutMs: 500 });
  t.after(() => store.close());
  const subscribed = listen(store, 'all');
  await expectFailures(store, ['disconnected', 'timeout'], 700);
  await expectFailures(store, ['disconnected'], 400);
  await startRedis(t, { port });
  await untilBack(store);
  const { heard } = await subscribed;
  await store.publish('all', Buffer.from('hello'));
  assert.equal(await heard.next(), 'hello');
});

test('a store that is closed while its Redis is away ends in time', async () => {
  const store = redisStore({ url: `redis://127.0.0.1:${await freePort()}`, timeoutMs: 500 });
  const waiting = store.beat('gw-a', Buffer.from('a'), 1000).catch((error: { reason: string }) => error.reason);
  const startedAt = performance.now();
  await store.close();
  assert.ok(performance.now() - startedAt < 1000);
  assert.ok(['closed', 'disconnected', 'timeout'].includes(await (waiting as Promise<string>)));
});
