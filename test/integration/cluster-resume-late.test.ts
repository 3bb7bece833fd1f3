/** What a gateway knows of the store is old news when it acts on it: a pipe was parked meanwhile, or forgotten, and is to be had all the same. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Courier } from '../../src/cluster/courier.ts';
import { pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import { parkQuestion } from '../../src/gateways/arrivals.ts';
import type { Handovers } from '../../src/gateways/handovers.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

const binding = { origin: '', clientId: null, principalId: null };

/** A gateway with a pipe, and another one whose store can be held. */
async function stage(t: TestContext) {
  const backend = await startBackend(t);
  const hub = new MemoryHub();
  const store = new UnsteadyStore(hub);
  const start = (own: MemoryStore) =>
    startGateway(t, {
      backends: [backend.url],
      drain: { quietMs: 50, tailMs: 400 },
      cluster: { store: own, beatMs: 100, memberTtlMs: 1000 },
    });
  const owner = await start(new MemoryStore(hub));
  const other = await start(store);
  await until(() => other.manager.clusterState?.()?.gateways === 2, { what: 'two gateways' });
  const { welcome } = await connectResumable(t, owner.url);
  await until(() => hub.get(pipeKey(welcome.pipe)!) !== null, { what: 'the record of the pipe' });
  const resume = { pipe: welcome.pipe, token: welcome.token, received: 0 };
  const handovers = other.manager.claims as Handovers;
  return { hub, owner, other, store, resume, fetch: () => handovers.fetch(resume, binding) };
}

test('the gateway that has the pipe parks it before the question for it arrives', async (t) => {
  const { owner, store, resume, fetch } = await stage(t);
  store.hold('publish');
  const published = store.calls['publish'] ?? 0;
  const fetched = fetch();
  await until(() => (store.calls['publish'] ?? 0) > published, { what: 'the question' });
  const pipe = owner.manager.findPipe(resume.pipe)!;
  const parked = await (owner.manager.claims as Handovers).park(pipe, { code: 1012, text: 'parked' });
  assert.equal(parked, true);
  store.release();
  assert.equal((await fetched).kind, 'moved');
});

test('the gateway that has the pipe parks it and ends before its record is judged', async (t) => {
  const { owner, other, store, fetch } = await stage(t);
  store.hold('get', true);
  const read = store.calls['get'] ?? 0;
  const fetched = fetch();
  await until(() => (store.calls['get'] ?? 0) > read, { what: 'the look at the record' });
  await owner.manager.close();
  await owner.close();
  await other.waitFor('cluster.left');
  store.release();
  assert.equal((await fetched).kind, 'moved');
});

test('the store has lost the record of a pipe when its gateway ends', async (t) => {
  const { hub, owner, resume, fetch } = await stage(t);
  hub.remove(pipeKey(resume.pipe)!);
  await owner.manager.close();
  const fetched = await fetch();
  assert.equal(fetched.kind, 'moved');
});

test('while the store is away nobody can tell where a pipe is, and the client is told so', async (t) => {
  const { other, store, resume } = await stage(t);
  store.failure = 'disconnected';
  await other.waitFor('cluster.degraded');
  const { welcome } = await connectResumable(t, other.url, { resume });
  assert.deepEqual([welcome.resumed, welcome.reason], [false, 'hand-over-failed']);
});

test('who is asked for a pipe takes as long for it as who asks waits, however long a backend may be read out', async (t) => {
  const { mock } = t.mock.method(Courier.prototype, 'serve');
  await startGateway(t, {
    drain: { tailMs: 40_000 },
    closing: { handshakeMs: 3000 },
    cluster: { store: new MemoryStore(new MemoryHub()) },
  });
  const park = mock.calls.find(({ arguments: [question] }) => question === parkQuestion);
  assert.equal(park?.arguments[2], 91_000);
});
