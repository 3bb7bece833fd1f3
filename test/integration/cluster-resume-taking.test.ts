/** A gateway is taking a parked pipe, and the store is slow to give it: the client comes anew meanwhile, or the gateway closes. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

/** Three gateways. The second is taking the pipe of a client that was at the first, and waits for its store. */
async function stage(t: TestContext, options: { readonly handshakeMs?: number } = {}) {
  const backend = await startBackend(t, { echo: true });
  const hub = new MemoryHub();
  const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub), new UnsteadyStore(hub)];
  const gateways: TestGateway[] = [];
  for (const store of stores)
    gateways.push(
      await startGateway(t, {
        backends: [backend.url],
        drain: { quietMs: 50, tailMs: 400 },
        closing: { handshakeMs: options.handshakeMs ?? 5000 },
        cluster: { store, beatMs: 100, memberTtlMs: 10_000 },
      }),
    );
  const [first, taker, third] = gateways as [TestGateway, TestGateway, TestGateway];
  await until(() => gateways.every(({ manager }) => manager.clusterState?.()?.gateways === 3), { what: 'gateways' });
  const { welcome } = await connectResumable(t, first.url);
  await until(() => hub.get(pipeKey(welcome.pipe)!) !== null, { what: 'the record of the pipe' });
  const resume = { pipe: welcome.pipe, token: welcome.token, received: 0 };
  const store = stores[1]!;
  store.hold('remove', true);
  const removed = store.calls['remove'] ?? 0;
  const client = await connect(t, taker.url, { protocols: ['holdfast.v1'] });
  client.send(`\u001e${JSON.stringify({ type: 'start', resume: { ...resume, attempt: 1 } })}`);
  await until(() => (store.calls['remove'] ?? 0) > removed, { what: 'that the blob is taken' });
  return { taker, third, store, stores, client, resume };
}

// At the taker the record is read, at another gateway the taker is asked.
for (const [where, verb] of [
  ['taker', 'get'],
  ['third', 'publish'],
] as const)
  test(`the client gives up and comes anew, to the ${where}: the same session`, async (t) => {
    const { store, stores, client, resume, ...gateways } = await stage(t);
    client.terminate();
    const { calls } = stores[where === 'taker' ? 1 : 2]!;
    const before = calls[verb] ?? 0;
    const again = connectResumable(t, gateways[where].url, { resume: { ...resume, attempt: 2 } });
    await until(() => (calls[verb] ?? 0) > before, { what: 'that the pipe is asked for' });
    for (let turn = 0; turn < 100; turn += 1) await nextTurn();
    store.release();
    const { welcome } = await again;
    assert.deepEqual([welcome.resumed, welcome.pipe], [true, resume.pipe]);
  });

test('the gateway closes: it waits for the pipe and parks it, and the client finds it elsewhere', async (t) => {
  const { taker, third, store, client, resume } = await stage(t);
  client.terminate();
  await until(() => taker.manager.admission.greetings.size === 0, { what: 'that its client has gone' });
  let over = false;
  const closed = taker.manager.close().then(() => {
    over = true;
  });
  for (let turn = 0; turn < 100; turn += 1) await nextTurn();
  assert.equal(over, false);
  store.release();
  await closed;
  assert.equal(taker.manager.size, 0);
  const { welcome } = await connectResumable(t, third.url, { resume: { ...resume, attempt: 2 } });
  assert.deepEqual([welcome.resumed, welcome.pipe], [true, resume.pipe]);
});

test('the gateway has closed when the pipe comes: it keeps nothing of it', async (t) => {
  const { taker, store } = await stage(t, { handshakeMs: 100 });
  await taker.close();
  store.release();
  await taker.waitFor('pipe.closed');
  assert.equal(taker.manager.size, 0);
});
