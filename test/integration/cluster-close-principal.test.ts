/** Who logs out is logged out at every gateway. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { membersOf, startCluster } from '../support/cluster.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

const authenticate = ({ headers }: { headers: Record<string, unknown> }) => ({ id: String(headers['x-user']) });
const as = (user: string) => ({ headers: { 'x-user': user } });

test('all clients of somebody are closed, whichever gateway they are at, and those of nobody else', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const hub = new MemoryHub();
  const stores = [0, 1, 2].map(() => new UnsteadyStore(hub));
  const gateways = await startCluster(t, 3, {
    backends: [backend.url],
    authenticate,
    store: (number) => stores[number]!,
  });
  const [one, two, three] = gateways as [TestGateway, TestGateway, TestGateway];
  const ids = (await membersOf(one)).sort();
  const ann = [await connect(t, one.url, as('ann')), await connect(t, two.url, as('ann'))];
  const bob = await connect(t, two.url, as('bob'));
  const order = { code: 4401, reason: 'logged out' };
  assert.deepEqual(await three.manager.closePrincipal('ann', order), { closed: 2, partial: false, missing: [] });
  for (const client of ann) assert.deepEqual(await client.closed, order);
  assert.equal((await bob.ask('1')).text, 'a:1');
  // A gateway may see the end of a connection a moment later than its client.
  await until(() => gateways.reduce((sum, { manager }) => sum + manager.size, 0) === 1);
  assert.deepEqual(await one.manager.closePrincipal('ann'), { closed: 0, partial: false, missing: [] });

  // Without the store its own are closed all the same, and it is told that there may be more.
  const own = await connect(t, three.url, as('bob'));
  stores[2]!.failure = 'disconnected';
  const partly = await three.manager.closePrincipal('bob');
  assert.deepEqual(partly, { closed: 1, partial: true, missing: ids.slice(0, 2) });
  assert.equal((await own.closed).code, 1000);
  assert.equal((await bob.ask('2')).text, 'a:2');
  stores[2]!.failure = null;
});

test('a gateway that is cut off from the store is missing, also when it counts as gone', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const hub = new MemoryHub();
  const stores = [0, 1].map(() => new UnsteadyStore(hub));
  const [one, two] = await startCluster(t, 2, {
    backends: [backend.url],
    authenticate,
    cluster: { memberTtlMs: 1500 },
    store: (number) => stores[number]!,
  });
  const id = (await membersOf(one!)).find((member) => member.startsWith('gw-1'))!;
  const client = await connect(t, two!.url, as('ann'));
  stores[1]!.failure = 'disconnected';
  await until(async () => (await membersOf(one!)).length === 1);
  assert.deepEqual(await one!.manager.closePrincipal('ann'), { closed: 0, partial: true, missing: [id] });
  assert.equal((await one!.admin('GET', '/pipes/p-unknown')).status, 504);
  assert.equal((await client.ask('1')).text, 'a:1');
  stores[1]!.failure = null;
  await until(async () => (await membersOf(one!)).length === 2);
  assert.deepEqual(await one!.manager.closePrincipal('ann'), { closed: 1, partial: false, missing: [] });
  await client.closed;
});

test('where there is no other gateway only what was closed is told', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], authenticate });
  const client = await connect(t, gateway.url, as('ann'));
  assert.deepEqual(await gateway.manager.closePrincipal('ann'), { closed: 1 });
  await client.closed;
});
