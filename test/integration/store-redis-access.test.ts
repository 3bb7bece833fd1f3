/** Users, passwords and TLS: the least rights that are enough, what is said when they are not there, and no secret in any message. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { certificates } from '../support/certificates.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startRedis } from '../support/redis-server.ts';
import { listen } from '../support/store-contract.ts';
import { expectFailures, untilBack } from '../support/store-failures.ts';

const rights =
  'resetkeys resetchannels ~holdfast:* &holdfast:* -@all +hello +auth +client|setname +ping +evalsha +eval +getrange +set +del +pexpire +pttl +time +type +hgetall +hdel +hset +publish +subscribe +unsubscribe';

test('a user of an ACL with the rights of docs/SCALING.md can do all; with a wrong password nothing, until it is right', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t, { password: 'operator-pw', users: [`gateway on >s3cret:pw/ ${rights}`] });
  const url = (password: string): string => redis.url.replace('//', `//gateway:${encodeURIComponent(password)}@`);
  const store = redisStore({ url: url('s3cret:pw/'), timeoutMs: 1000 });
  t.after(() => store.close());
  await untilBack(store);
  const { heard } = await listen(store, 'all');
  await store.publish('all', Buffer.from('hello'));
  assert.equal(await heard.next(), 'hello');

  const wrong = redisStore({ url: url('other-pw'), timeoutMs: 1000 });
  t.after(() => wrong.close());
  await expectFailures(wrong, ['denied', 'timeout'], 1500);
  await expectFailures(wrong, ['denied'], 500);
  const error = await wrong.get('pool').catch((failure: unknown) => failure);
  assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /other-pw|s3cret/);
  await redis.command('ACL', 'SETUSER', 'gateway', '>other-pw');
  await untilBack(wrong);
});

test('a user that may not do what is asked is refused, and the rest goes on', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const redis = await startRedis(t, { password: 'operator-pw', users: [`gateway on >pw ${rights} -publish`] });
  const store = redisStore({ url: redis.url, username: 'gateway', password: 'pw' });
  t.after(() => store.close());
  assert.equal(await store.get('pool'), null);
  await expectFailures(store, ['denied'], 1000, ['publish']);
  await redis.command('ACL', 'SETUSER', 'gateway', '+publish');
  await untilBack(store);
});

test('TLS: the server must be known, the client too where the server asks for a certificate', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const { ca, server, client, stranger } = await certificates();
  const redis = await startRedis(t, { tls: { ...server, ca: ca.cert, client } });
  const good = redisStore({ url: redis.url, tls: { ca: ca.cert, cert: client.cert, key: client.key } });
  t.after(() => good.close());
  await untilBack(good);
  for (const tls of [{ cert: client.cert, key: client.key }, { ca: ca.cert }, { ca: ca.cert, ...stranger }]) {
    const store = redisStore({ url: redis.url, tls, timeoutMs: 500 });
    t.after(() => store.close());
    await expectFailures(store, ['disconnected', 'timeout'], 1000);
  }
});

test('options that cannot be are refused, without repeating the url', () => {
  const bad = [
    { url: 'http://user:hidden-pw@127.0.0.1' },
    { url: 'redis://user:hidden-pw@127.0.0.1/db' },
    { url: 'hidden-pw' },
    { url: 'redis://user:hidden-pw%zz@127.0.0.1' },
    { url: 'redis://127.0.0.1', tls: { ca: 'x' } },
    { prefix: '' },
    { prefix: 'a b' },
    { timeoutMs: 1 },
  ];
  for (const options of bad) {
    assert.throws(
      () => redisStore(options),
      (error: Error & { code?: string }) => error.code === 'HOLDFAST_ERR_OPTIONS' && !/hidden-pw/.test(inspect(error)),
    );
  }
});
