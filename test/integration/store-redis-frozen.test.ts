/** Redis does not answer, or the network swallows everything without a FIN: calls end in time, and a silent connection is made anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startRedis } from '../support/redis-server.ts';
import { listen } from '../support/store-contract.ts';
import { expectFailures, untilBack } from '../support/store-failures.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep, until } from '../support/wait.ts';

const timeoutMs = 300;

test('Redis freezes, for a moment and for long', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const store = redisStore({ url: redis.url, timeoutMs });
  t.after(() => store.close());
  const { heard, gaps } = await listen(store, 'all');
  await untilBack(store);
  await redis.freeze();
  await expectFailures(store, ['timeout'], 3 * timeoutMs);
  redis.thaw();
  await untilBack(store);
  await redis.freeze();
  // Its connections are made anew meanwhile, and again; nobody answers those either.
  await sleep(12 * timeoutMs);
  await expectFailures(store, ['timeout', 'disconnected'], 3 * timeoutMs);
  redis.thaw();
  await untilBack(store);
  await until(() => gaps() >= 2, { what: 'the word that messages may be missing' });
  await store.publish('all', Buffer.from('again'));
  assert.equal(await heard.waitFor((text) => text === 'again'), 'again');
});

test('a partition that swallows everything heals elsewhere: the connection is given up, and another one made', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const relay = await startRelay(t, { targetPort: redis.port });
  const store = redisStore({ url: `redis://127.0.0.1:${relay.port}`, timeoutMs });
  t.after(() => store.close());
  const { heard, gaps } = await listen(store, 'all');
  await untilBack(store);
  relay.partition('toClient');
  await expectFailures(store, ['timeout'], 3 * timeoutMs);
  await until(() => relay.connections > 2, { what: 'new connections' });
  relay.heal();
  await untilBack(store);
  await until(() => gaps() >= 2, { what: 'the word that messages may be missing' });
  await store.publish('all', Buffer.from('again'));
  assert.equal(await heard.waitFor((text) => text === 'again'), 'again');
});

test('a slow Redis is a working one, as long as it answers in time', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const relay = await startRelay(t, { targetPort: redis.port });
  relay.delay(40);
  const store = redisStore({ url: `redis://127.0.0.1:${relay.port}`, timeoutMs: 1000 });
  t.after(() => store.close());
  await untilBack(store);
  for (let round = 0; round < 5; round += 1) await untilBack(store, 0);
  relay.delay(2000);
  await expectFailures(store, ['timeout'], 1500);
  relay.delay(0);
  await untilBack(store);
});
