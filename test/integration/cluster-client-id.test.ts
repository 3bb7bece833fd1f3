/** A second client with the id of a live one, at another gateway. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { resumeProtocol } from '../../src/wire/resume.ts';
import { startBackend } from '../support/backend-process.ts';
import { claimOf, untilClaimed } from '../support/claiming-gateway.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';
import { connectResumable } from '../support/resume-client.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

async function startTwo(t: TestContext, onDuplicateClient: 'reject' | 'replace' = 'reject', path = '/ws/:clientId') {
  const hub = new MemoryHub();
  const backend = await startBackend(t, { tag: 'a', record: true });
  const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub)] as const;
  const [one, two] = await startCluster(t, 2, {
    store: (number) => stores[number]!,
    backends: [backend.url],
    path,
    onDuplicateClient,
    closing: { handshakeMs: 50, lingerMs: 200 },
  });
  return { hub, backend, stores, one: one!, two: two! };
}

/** Nobody is in, and nothing is left of who was. */
function checkEmpty({ manager }: TestGateway): void {
  assert.deepEqual([manager.size, manager.entrance.pipes, manager.entrance.arriving], [0, 0, 0]);
}

test('it gets 409 before the upgrade and before any dial, and the older one keeps running', async (t) => {
  const { backend, one, two } = await startTwo(t);
  const older = await connect(t, `${one.url}/anna`);
  const refusal = await connectRefused(t, `${two.url}/anna`);
  assert.equal(refusal.status, 409);
  assert.equal((JSON.parse(refusal.body) as { code: string }).code, 'HOLDFAST_ERR_CLIENT_ID_IN_USE');
  const [refused] = two.eventsOf('pipe.refused');
  assert.deepEqual([refused?.clientId, refused?.code], ['anna', 'HOLDFAST_ERR_CLIENT_ID_IN_USE']);
  assert.equal((await older.ask('still here')).text, 'a:still here');
  assert.equal(backend.upgrades().length, 1);
  checkEmpty(two);
  const other = await connect(t, `${two.url}/bert`);
  assert.equal((await other.ask('me too')).text, 'a:me too');
});

test("with onDuplicateClient 'replace' the older one is closed with 4409, and the newer one is served", async (t) => {
  const { one, two } = await startTwo(t, 'replace');
  const older = await connect(t, `${one.url}/anna`);
  const newer = await connect(t, `${two.url}/anna`);
  assert.equal((await older.waitClosed()).code, 4409);
  assert.equal((await newer.ask('hello')).text, 'a:hello');
  assert.equal((await one.waitFor('pipe.closed')).reason, 'replaced');
  await until(() => one.manager.size === 0);
  checkEmpty(one);
});

for (const [onDuplicate, wanted] of [
  ['reject', [101, 409]],
  ['replace', [101]],
] as const)
  test(`of two at once, at two gateways, one is served in the end (${onDuplicate})`, async (t) => {
    const { one, two } = await startTwo(t, onDuplicate);
    for (let round = 0; round < 5; round += 1) {
      const path = `/ws/client-${round}`;
      const both = await Promise.all([one, two].map(({ port }) => openRaw(t, { port, path, autoClose: true })));
      const answers = await Promise.all(both.map((client) => client.response()));
      const statuses = answers.map(({ status }) => status).sort();
      for (const status of wanted) assert.ok(statuses.includes(status), `${statuses}`);
      const pipes = () => [one, two].flatMap(({ manager }) => manager.pipes({ clientId: `client-${round}` }).pipes);
      await until(() => pipes().length === 1, { what: () => `one pipe; there are ${JSON.stringify(pipes())}` });
    }
  });

test('a resumable one is told 4409 in place of a welcome', async (t) => {
  const { one, two } = await startTwo(t);
  const { client } = await connectResumable(t, `${one.url}/anna`);
  const second = await connect(t, `${two.url}/anna`, { protocols: [resumeProtocol] });
  await second.next();
  second.send('\u001e{"type":"start","resume":null}');
  assert.equal((await second.waitClosed()).code, 4409);
  const [refused] = two.eventsOf('pipe.refused');
  assert.deepEqual([refused?.statusCode, refused?.code], [101, 'HOLDFAST_ERR_CLIENT_ID_IN_USE']);
  assert.equal(client.closeInfo, undefined);
  await until(() => two.manager.entrance.arriving === 0);
  checkEmpty(two);
});

test('the id is free at every gateway when its client has left, however it does', async (t) => {
  const { hub, one, two } = await startTwo(t);
  for (let round = 0; round < 6; round += 1) {
    const client = await connect(t, `${(round % 2 === 0 ? one : two).url}/anna`);
    if (round % 3 === 0) client.terminate();
    else client.close();
    await client.waitClosed();
    await until(() => one.manager.size + two.manager.size === 0);
  }
  await untilClaimed(hub, null);
  assert.deepEqual([...one.eventsOf('pipe.refused'), ...two.eventsOf('pipe.refused')], []);
});

test('a client whose id was made up asks no store and leaves nothing in it', async (t) => {
  const { stores, hub, one } = await startTwo(t, 'reject', '/ws');
  const [store] = stores;
  const { bytes } = hub;
  const { put } = store.calls;
  store.hold('put');
  const client = await connect(t, one.url);
  assert.equal((await client.ask('hello')).text, 'a:hello');
  client.close();
  await until(() => one.manager.size === 0);
  store.release();
  assert.deepEqual([store.calls.put, store.calls.remove, hub.bytes], [put, undefined, bytes]);
});

for (const how of ['reset', 'fin'] as const)
  test(`a client that goes away (${how}) while the store is asked leaves no slot, no id and no dial`, async (t) => {
    const { stores, hub, backend, one } = await startTwo(t);
    const [store] = stores;
    const { put = 0 } = store.calls;
    store.hold('put');
    const client = await openRaw(t, { port: one.port, path: '/ws/anna' });
    await until(() => (store.calls.put ?? 0) > put);
    assert.equal(one.manager.entrance.pipes, 1);
    client[how]();
    await until(() => one.manager.size === 0 && one.manager.entrance.pipes === 0);
    store.release();
    await until(() => (store.calls.remove ?? 0) > 0);
    checkEmpty(one);
    assert.deepEqual([claimOf(hub), backend.upgrades()], [null, []]);
    const [refused] = one.eventsOf('pipe.refused');
    assert.equal(refused?.code, 'HOLDFAST_ERR_CLIENT_GONE');
  });

test('a resumable client that goes away while the store is asked leaves no slot, no id and no dial', async (t) => {
  const { stores, hub, backend, one } = await startTwo(t);
  const [store] = stores;
  const client = await connect(t, `${one.url}/anna`, { protocols: [resumeProtocol] });
  await client.next();
  const { put = 0 } = store.calls;
  store.hold('put');
  client.send('\u001e{"type":"start","resume":null}');
  await until(() => (store.calls.put ?? 0) > put);
  client.terminate();
  await until(() => one.manager.size === 0);
  store.release();
  await until(() => (store.calls.remove ?? 0) > 0);
  checkEmpty(one);
  assert.deepEqual([claimOf(hub), backend.upgrades()], [null, []]);
  const told = one.eventsOf('pipe.refused').map(({ code }) => code);
  assert.deepEqual(told, ['HOLDFAST_ERR_CLIENT_GONE']);
});

test('a client that waits for the store when its gateway ends gets 503, at once', async (t) => {
  const { stores, one } = await startTwo(t);
  const [store] = stores;
  const { put = 0 } = store.calls;
  store.hold('put');
  const client = await openRaw(t, { port: one.port, path: '/ws/anna' });
  await until(() => (store.calls.put ?? 0) > put);
  const ended = one.manager.close();
  assert.equal((await client.response()).status, 503);
  await ended;
  store.release();
  checkEmpty(one);
});

test('of two at once at one gateway, while the store is asked, the second is refused at once', async (t) => {
  const { stores, hub, one } = await startTwo(t);
  const [store] = stores;
  const { put = 0 } = store.calls;
  store.hold('put');
  const first = await openRaw(t, { port: one.port, path: '/ws/anna' });
  await until(() => (store.calls.put ?? 0) > put);
  assert.equal((await connectRefused(t, `${one.url}/anna`)).status, 409);
  store.release();
  assert.equal((await first.response()).status, 101);
  assert.equal(claimOf(hub)?.pipe, one.manager.pipes().pipes[0]?.id);
});
