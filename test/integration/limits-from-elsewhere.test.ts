/** limits.maxPipes and limits.maxPipesPerAddress hold for pipes that come from another gateway too. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { type ClusterOptions, startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';
import { connectResumable, type ResumeClient } from '../support/resume-client.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';
import { assertLimited, assertNobodyIn } from './limits-scenario.ts';

async function startTwo(t: TestContext, options: ClusterOptions): Promise<[TestGateway, TestGateway]> {
  const { url } = await startBackend(t, { echo: true });
  const drain = { quietMs: 50, tailMs: 400 };
  return (await startCluster(t, 2, { backends: [url], drain, ...options })) as [TestGateway, TestGateway];
}

const resumeOf = ({ welcome: { pipe, token } }: ResumeClient) => ({ pipe, token, received: 0 });

/** Says which pipe it wants, and does not wait for an answer. */
async function ask(t: TestContext, { url }: TestGateway, resume: object, headers = {}): Promise<Client> {
  const client = await connect(t, url, { protocols: ['holdfast.v1'], headers });
  client.send(`\u001e${JSON.stringify({ type: 'start', resume })}`);
  return client;
}

async function assertAllGone(gateways: readonly TestGateway[]): Promise<void> {
  for (const gateway of gateways) await assertNobodyIn(gateway);
  for (const { manager } of gateways) assert.equal(manager.size, 0);
}

const exemptAddresses: string[] = [];

for (const [limit, limits, code] of [
  ['pipes', { maxPipes: 1 }, 'HOLDFAST_ERR_GATEWAY_FULL'],
  ['pipes-per-address', { maxPipesPerAddress: 1, exemptAddresses }, 'HOLDFAST_ERR_ADDRESS_FULL'],
] as const)
  test(`regression: a full gateway (${limit}) refuses a pipe from elsewhere with 1013; it stays, and is resumed there, or here when there is room`, async (t) => {
    const [one, two] = await startTwo(t, { limits });
    const first = await connect(t, two.url);
    const owner = await connectResumable(t, one.url);
    const refused = await ask(t, two, resumeOf(owner));
    assert.equal((await refused.waitClosed()).code, 1013);
    assert.deepEqual(
      two.eventsOf('pipe.refused').map((event) => [event.code, event.statusCode]),
      [[code, 101]],
    );
    await assertLimited(two, limit, 1);
    owner.send('still here');
    await owner.text('still here');
    owner.client.terminate();
    await one.waitFor('client.detached');
    const back = await connectResumable(t, one.url, { resume: resumeOf(owner) });
    assert.equal(back.welcome.resumed, true);
    await back.text('still here');

    first.close();
    await assertNobodyIn(two);
    const moved = await connectResumable(t, two.url, { resume: resumeOf(back) });
    assert.equal(moved.welcome.resumed, true);
    await assertNobodyIn(one);
    assert.deepEqual([two.manager.entrance.pipes, two.manager.entrance.arriving], [1, 0]);
    moved.client.close();
    await assertAllGone([one, two]);
  });

test('regression: a pipe whose client has gone when it comes from elsewhere has a slot until its window is over', async (t) => {
  const [one, two] = await startTwo(t, { limits: { maxPipes: 1 }, resume: { windowMs: 1000 } });
  const owner = await connectResumable(t, one.url);
  (await ask(t, two, resumeOf(owner))).terminate();
  await two.waitFor('pipe.adopted');
  assert.equal(two.manager.entrance.pipes, 1);
  await until(() => one.manager.size === 0 && two.manager.entrance.arriving === 0);
  const next = await connectResumable(t, one.url);
  assert.equal((await (await ask(t, two, resumeOf(next))).waitClosed()).code, 1013);
  next.client.close();
  await two.waitFor('pipe.closed', ({ reason }) => reason === 'resume-window-over');
  await assertAllGone([one, two]);
});

test('who asks for a pipe that does not come has the room it was kept for its new one, and gives it back when it has gone', async (t) => {
  const hub = new MemoryHub();
  const stores = [0, 1].map(() => new UnsteadyStore(hub));
  const [one, two] = await startTwo(t, { limits: { maxPipes: 1 }, store: (number) => stores[number]! });
  const nowhere = { pipe: 'nowhere', token: 'A'.repeat(43), received: 0 };
  const started = await connectResumable(t, two.url, { resume: nowhere });
  assert.deepEqual([started.welcome.resumed, started.welcome.reason], [false, 'unknown']);
  assert.deepEqual([two.manager.entrance.pipes, two.manager.entrance.arriving], [1, 0]);
  started.client.close();
  await assertNobodyIn(two);
  stores[1]!.hold();
  const asks = await ask(t, two, nowhere);
  await until(() => two.manager.entrance.arriving === 2, { what: 'the one that asks, and room for its pipe' });
  asks.terminate();
  await until(() => two.manager.entrance.arriving === 1, { what: 'the one that asked to be gone' });
  stores[1]!.release();
  await assertAllGone([one, two]);
});

test('of two that want the same pipe at once neither leaves a slot behind', async (t) => {
  const [one, two] = await startTwo(t, { limits: { maxPipes: 2 } });
  for (let round = 0; round < 3; round += 1) {
    const owner = await connectResumable(t, one.url);
    const both = [await ask(t, two, resumeOf(owner)), await ask(t, two, resumeOf(owner))];
    await Promise.all(both.map((client) => client.waitFor(({ text }) => text.includes('"welcome"'))));
    for (const client of both) client.close();
    await assertAllGone([one, two]);
  }
});

test('a pipe that was on its way when its principal was closed is closed as soon as it is there', async (t) => {
  const hub = new MemoryHub();
  const stores = [0, 1].map(() => new UnsteadyStore(hub));
  const [one, two] = await startTwo(t, {
    store: (number) => stores[number]!,
    authenticate: ({ headers }) => ({ id: String(headers['x-user']) }),
  });
  const headers = { 'x-user': 'ann' };
  const owner = await connectResumable(t, one.url, { headers });
  stores[1]!.hold();
  const asks = await ask(t, two, resumeOf(owner), headers);
  await until(() => two.manager.entrance.arriving === 2, { what: 'the pipe to be asked for' });
  assert.equal(two.manager.closeOwnPrincipal('ann', { code: 4401 }), 1);
  assert.equal((await asks.waitClosed()).code, 4401);
  stores[1]!.release();
  assert.equal((await two.waitFor('pipe.closed')).closeCode, 4401);
  await assertAllGone([one, two]);
});
