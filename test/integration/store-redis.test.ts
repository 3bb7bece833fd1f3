/** The store in Redis keeps the contract of ClusterStore: with a client of its own, and with one that was handed in. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createClient, createCluster } from 'redis';
import { highestRevision } from '../../src/cluster/keys.ts';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { type ClusterStore, storeBounds } from '../../src/cluster/store.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { type RedisServer, type RedisServerOptions, startRedis } from '../support/redis-server.ts';
import { listen, storeScenarios } from '../support/store-contract.ts';

const timeoutMs = 5000;
let prefixes = 0;
/** One server serves many tests. */
const ownPrefix = (): string => {
  prefixes += 1;
  return `test-${prefixes}:`;
};

/** Of a suite, at the first test that asks; gone after it. */
function lateServer(options?: RedisServerOptions): () => Promise<RedisServer> {
  let server: Promise<RedisServer> | undefined;
  after(async () => (await server)?.dispose());
  return () => {
    server ??= startRedis(null, options);
    return server;
  };
}

describe('redis, a client of its own', () => {
  const server = lateServer();
  for (const { title, run } of storeScenarios) {
    test(title, async (t) => {
      if (!needDebianPackages(t, 'redis-server')) return;
      const settings = { url: (await server()).url, prefix: ownPrefix(), timeoutMs };
      const [one, two] = [redisStore(settings), redisStore(settings)];
      t.after(() => Promise.all([one.close(), two.close()]));
      await run({ one, two });
    });
  }
});

describe('redis, clients that were handed in', () => {
  const server = lateServer();
  for (const { title, run } of storeScenarios) {
    test(title, async (t) => {
      if (!needDebianPackages(t, 'redis-server')) return;
      const { url } = await server();
      const prefix = ownPrefix();
      const clients = await Promise.all([createClient({ url }).connect(), createClient({ url, RESP: 2 }).connect()]);
      const [one, two] = clients.map((client) => redisStore({ client, prefix, timeoutMs }));
      t.after(async () => {
        await Promise.all([one!.close(), two!.close()]);
        // They are still their owner's.
        for (const client of clients) {
          assert.equal(await client.ping(), 'PONG');
          client.destroy();
        }
      });
      await run({ one: one!, two: two! });
    });
  }
});

describe('redis, a cluster of servers', () => {
  const server = lateServer({ cluster: true });
  for (const { title, run } of storeScenarios) {
    test(title, async (t) => {
      if (!needDebianPackages(t, 'redis-server')) return;
      const { url } = await server();
      const client = createCluster({ rootNodes: [{ url }] });
      await client.connect();
      const prefix = ownPrefix();
      const [one, two] = [1, 2].map(() => redisStore({ client, prefix, timeoutMs }));
      t.after(async () => {
        await Promise.all([one!.close(), two!.close()]);
        client.destroy();
      });
      await run({ one: one!, two: two! });
    });
  }
});

test('every key lies below the prefix and has a time to live; two prefixes share nothing', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const stores = ['blue:', 'green:'].map((prefix) => redisStore({ url: redis.url, prefix, timeoutMs }));
  t.after(() => Promise.all(stores.map((store) => store.close())));
  const [blue, green] = stores as [ClusterStore, ClusterStore];
  await blue.put('pool', { revision: 1, value: Buffer.from('blue') }, { ifRevision: 0, ttlMs: 60_000 });
  await blue.beat('gw-a', Buffer.from('a'), 5000);
  assert.equal(await green.get('pool'), null);
  assert.deepEqual(
    (await green.beat('gw-b', Buffer.from('b'), 5000)).members.map(({ id }) => id),
    ['gw-b'],
  );
  const heard = await listen(green, 'all');
  await blue.publish('all', Buffer.from('blue'));
  await green.publish('all', Buffer.from('green'));
  assert.equal(await heard.heard.next(), 'green');
  const keys = ((await redis.command('KEYS', '*')) as string[]).sort();
  assert.deepEqual(keys, ['blue:members', 'blue:pool', 'green:members']);
  for (const key of keys) assert.ok(Number(await redis.command('PTTL', key)) > 0, key);
});

test('what is no record counts as none, and is written over; members that make no sense are dropped', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t);
  const store = redisStore({ url: redis.url, timeoutMs });
  t.after(() => store.close());
  const strangers: string[][] = [
    ['SET', 'holdfast:k', 'garbage'],
    ['SET', 'holdfast:k', ''],
    ['SET', 'holdfast:k', '\n'],
    ['SET', 'holdfast:k', '-1\nx'],
    ['SET', 'holdfast:k', '0\nx'],
    ['SET', 'holdfast:k', '99999999999999999999\nx'],
    ['SET', 'holdfast:k', '9007199254740993\nx'],
    ['SET', 'holdfast:k', '9007199254740991\nx'],
    ['SET', 'holdfast:k', `${highestRevision() + 1_000_000_000}\nx`],
    ['SET', 'holdfast:k', '007\n{}'],
    ['SET', 'holdfast:k', `7\n${'x'.repeat(storeBounds.valueBytes + 1)}`],
    ['LPUSH', 'holdfast:k', '1\nx'],
    ['HSET', 'holdfast:k', '1', '2'],
  ];
  for (const command of strangers) {
    await redis.command('DEL', 'holdfast:k');
    await redis.command(...command);
    assert.equal(await store.get('k'), null, command.join(' '));
    assert.deepEqual(await store.touch([{ key: 'k', revision: 1 }], 60_000), [false]);
    assert.deepEqual(await store.put('k', { revision: 3, value: Buffer.from('x') }, { ifRevision: 2, ttlMs: 60_000 }), {
      stored: false,
      present: null,
    });
    assert.deepEqual(
      await store.put('k', { revision: 3, value: Buffer.from('x') }, { ifRevision: 0, ttlMs: 60_000 }),
      { stored: true },
      command.join(' '),
    );
    assert.equal((await store.get('k'))?.revision, 3);
    await redis.command('DEL', 'holdfast:k');
    await redis.command(...command);
    assert.equal(await store.remove('k'), null, command.join(' '));
    assert.equal(await redis.command('EXISTS', 'holdfast:k'), 0);
  }
  await redis.command('SET', 'holdfast:members', 'garbage');
  assert.equal((await store.beat('gw-a', Buffer.from('a'), 5000)).members.length, 1);
  await redis.command(
    'HSET',
    'holdfast:members',
    'stranger',
    'garbage',
    'huge',
    `${Date.now() + 60_000}:0:${'x'.repeat(5000)}`,
    'there-for-ever',
    '99999999999999:0:x',
    'n'.repeat(201),
    `${Date.now() + 60_000}:0:x`,
    'gw-b',
    `${Date.now() + 60_000}:0:b`,
  );
  const beat = async () => (await store.beat('gw-a', Buffer.from('a'), 5000)).members.map(({ id }) => id);
  assert.deepEqual(await beat(), ['gw-a', 'gw-b']);
  assert.equal(await redis.command('HLEN', 'holdfast:members'), 2, 'what is no member was left there');
  const many = Array.from({ length: 2000 }, (_, n) => [`gw-${n}`, `${Date.now() + 60_000}:0:b`]).flat();
  await redis.command('HSET', 'holdfast:members', ...many);
  assert.deepEqual(await beat(), ['gw-a']);
  assert.equal(await redis.command('HLEN', 'holdfast:members'), 1);
});
