/** Client ids over several gateways on a real Redis: two at once, gateways that are killed or frozen, and a Redis that is gone for a while. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused, RefusedError } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/cluster-process.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import type { TestGateway } from '../support/gateway.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';

type Policy = 'reject' | 'replace';
const memberTtlMs = 2000;

async function settings(t: TestContext, onDuplicateClient: Policy) {
  const backend = await startBackend(t, { tag: 'a' });
  return { backends: [backend.url], path: '/ws/:clientId', onDuplicateClient };
}

async function startHere(t: TestContext, onDuplicateClient: Policy) {
  needDebianPackages(t, 'redis-server');
  const redis = await startRedis(t);
  const store = () => redisStore({ url: redis.url, timeoutMs: 300 });
  const [one, two] = await startCluster(t, 2, { ...(await settings(t, onDuplicateClient)), store });
  return { redis, one: one!, two: two! };
}

async function startApart(t: TestContext, onDuplicateClient: Policy): Promise<GatewayProcess[]> {
  needDebianPackages(t, 'redis-server');
  const redis = await startRedis(t);
  const cluster = { beatMs: 100, memberTtlMs };
  const options = { ...(await settings(t, onDuplicateClient)), cluster, admin: false } as const;
  return Promise.all([1, 2].map(() => startGatewayProcess(t, redis.url, options)));
}

const pipesOf = (gateways: readonly TestGateway[], clientId: string) =>
  gateways.flatMap(({ manager }) => manager.pipes({ clientId }).pipes);

const statusOf = (error: unknown): number | null => (error instanceof RefusedError ? error.refusal.status : null);

/** Asks until it is let in. @returns how long that took, milliseconds. */
async function untilLetIn(t: TestContext, url: string): Promise<number> {
  const begun = performance.now();
  const client = await until(
    () =>
      connect(t, url).catch((error: unknown) => {
        assert.equal(statusOf(error), 409);
        return null;
      }),
    { timeoutMs: 10_000, what: 'a client that is let in' },
  );
  assert.equal((await client!.ask('hello')).text, 'a:hello');
  return performance.now() - begun;
}

test('of two at once exactly one is served, and the other gets 409', async (t) => {
  const { redis, one, two } = await startHere(t, 'reject');
  for (let round = 0; round < 20; round += 1) {
    const id = `client-${round}`;
    const outcomes = await Promise.allSettled([one, two].map(({ url }) => connect(t, `${url}/${id}`)));
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const reasons: unknown[] = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    assert.deepEqual(reasons.map(statusOf), [409]);
    assert.equal(pipesOf([one, two], id).length, 1);
  }
  const keys = (await redis.command('KEYS', 'holdfast:client:*')) as string[];
  assert.equal(keys.length, 20);
  const ttls = await Promise.all(keys.map((key) => redis.command('PTTL', key)));
  assert.ok(
    ttls.every((ttl) => Number(ttl) > 800_000 && Number(ttl) <= 900_000),
    `${ttls}`,
  );
});

test('with replace the newer one is served, wherever it comes, and the older one is closed with 4409', async (t) => {
  const { one, two } = await startHere(t, 'replace');
  let older = await connect(t, `${one.url}/anna`);
  for (let round = 0; round < 10; round += 1) {
    const newer = await connect(t, `${(round % 2 === 0 ? two : one).url}/anna`);
    assert.equal((await older.waitClosed()).code, 4409);
    assert.equal((await newer.ask('hello')).text, 'a:hello');
    older = newer;
  }
  for (let round = 0; round < 10; round += 1) {
    const id = `client-${round}`;
    await Promise.allSettled([one, two].map(({ url }) => connect(t, `${url}/${id}`)));
    await until(() => pipesOf([one, two], id).length === 1, { what: 'one of the two' });
  }
});

test('the id of a gateway that was killed is free when its beat is over', async (t) => {
  const [one, two] = await startApart(t, 'reject');
  await connect(t, `${one!.url}/anna`);
  assert.equal((await connectRefused(t, `${two!.url}/anna`)).status, 409);
  one!.child.kill('SIGKILL');
  const tookMs = await untilLetIn(t, `${two!.url}/anna`);
  assert.ok(tookMs < memberTtlMs + 2000, `${tookMs} ms`);
  t.diagnostic(`let in ${Math.round(tookMs)} ms after the SIGKILL, at a memberTtlMs of ${memberTtlMs}`);
});

test('the id of a gateway that is frozen is free when its beat is over, and that gateway closes its client when it goes on', async (t) => {
  const [one, two] = await startApart(t, 'reject');
  const older = await connect(t, `${one!.url}/anna`);
  one!.child.kill('SIGSTOP');
  const tookMs = await untilLetIn(t, `${two!.url}/anna`);
  assert.ok(tookMs > 1000 && tookMs < memberTtlMs + 3000, `${tookMs} ms`);
  one!.child.kill('SIGCONT');
  assert.equal((await older.waitClosed()).code, 4409);
  assert.equal((await connectRefused(t, `${one!.url}/anna`)).status, 409);
});

test('with replace a gateway that is frozen is waited for a second, and closes its client when it goes on', async (t) => {
  const [one, two] = await startApart(t, 'replace');
  const older = await connect(t, `${one!.url}/anna`);
  one!.child.kill('SIGSTOP');
  const tookMs = await untilLetIn(t, `${two!.url}/anna`);
  assert.ok(tookMs > 900 && tookMs < memberTtlMs, `${tookMs} ms`);
  one!.child.kill('SIGCONT');
  assert.equal((await older.waitClosed()).code, 4409);
});

for (const [onDuplicate, stays] of [
  ['reject', 0],
  ['replace', 1],
] as const)
  test(`while Redis is gone clients are let in without delay; of two with one id the ${stays === 0 ? 'older' : 'newer'} is left when it is back (${onDuplicate})`, async (t) => {
    const { redis, one, two } = await startHere(t, onDuplicate);
    const older = await connect(t, `${one.url}/anna`);
    await redis.freeze();
    for (const gateway of [one, two]) await gateway.waitFor('cluster.degraded', undefined, 10_000);
    const begun = performance.now();
    const newer = await connect(t, `${two.url}/anna`);
    assert.ok(performance.now() - begun < 250, 'it waited for the store');
    await connect(t, `${one.url}/bert`);
    for (const client of [older, newer]) assert.equal((await client.ask('both')).text, 'a:both');
    redis.thaw();
    const both = [older, newer];
    const closed = both[1 - stays]!;
    assert.equal((await closed.waitClosed(10_000)).code, 4409);
    assert.equal((await both[stays]!.ask('left')).text, 'a:left');
    await until(() => pipesOf([one, two], 'anna').length === 1);
    if (onDuplicate === 'reject') assert.equal((await connectRefused(t, `${two.url}/anna`)).status, 409);
  });
