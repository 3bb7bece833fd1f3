/** Worker processes share a store through their primary: one that dies takes its place among the members along, and nothing of the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveIpcStore } from '../../src/cluster/ipc/ipc-primary.ts';
import { IpcStore } from '../../src/cluster/ipc/ipc-store.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import { StoreFailure } from '../../src/cluster/store.ts';
import { channelThrough, forkWorker, killWorker } from '../support/cluster-workers.ts';
import { until } from '../support/wait.ts';

const ids = async (store: MemoryStore): Promise<string[]> =>
  (await store.beat('primary', Buffer.alloc(0), 60_000)).members.map(({ id }) => id);

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`a worker that dies of ${signal} is no member any more; the others hear and read on`, async (t) => {
    const hub = new MemoryHub();
    t.after(serveIpcStore(hub));
    const own = new MemoryStore(hub);
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => forkWorker(t, { module: 'ipc-worker-main.ts', env: { WORKER_NAME: `worker-${name}` } })),
    );
    assert.deepEqual(await ids(own), ['primary', 'worker-a', 'worker-b']);
    await killWorker(a!.worker, signal);
    await until(async () => (await ids(own)).length === 2, { what: 'the dead worker to be gone' });
    assert.deepEqual(await ids(own), ['primary', 'worker-b']);
    // What it claimed is void without it, and may be taken over.
    const claim = await own.get('pipe:worker-a');
    assert.equal(claim?.value.toString(), 'worker-a');
    await own.publish('all', Buffer.from('news'));
    assert.equal(await b!.waitFor('heard'), 'news');
    await own.put('pool', { revision: 1, value: Buffer.from('the pool') }, { ifRevision: 0, ttlMs: 60_000 });
    b!.worker.send({ order: 'get' });
    assert.equal(await b!.waitFor('got'), 'the pool');
    assert.equal(
      b!.told.some(({ event }) => event === 'unhandled'),
      false,
    );
  });
}

test('a primary that does not serve makes every call fail in time', async (t) => {
  const worker = await forkWorker(t, { module: 'ipc-relay-main.mjs' });
  const store = new IpcStore({ channel: channelThrough(worker), timeoutMs: 100 });
  await assert.rejects(store.get('pool'), (error) => error instanceof StoreFailure && error.reason === 'timeout');
  const end = serveIpcStore();
  t.after(end);
  assert.equal(await store.get('pool'), null);
  // What waits when the channel ends does not wait until its time is over.
  worker.worker.process.kill('SIGSTOP');
  const patient = new IpcStore({ channel: channelThrough(worker), timeoutMs: 60_000 });
  const waiting = patient.get('pool');
  worker.worker.process.kill('SIGKILL');
  await assert.rejects(waiting, (error) => error instanceof StoreFailure && error.reason === 'disconnected');
  await until(() => !worker.worker.isConnected());
  await assert.rejects(store.get('pool'), (error) => error instanceof StoreFailure && error.reason === 'disconnected');
  await Promise.all([store.close(), patient.close()]);
});

test('messages of other code on the same channel are left alone, and calls that make no sense are answered', async (t) => {
  t.after(serveIpcStore());
  const worker = await forkWorker(t, { module: 'ipc-relay-main.mjs' });
  const channel = channelThrough(worker);
  const answers: unknown[] = [];
  channel.on('message', (message) => answers.push(message));
  const call = (message: object) => channel.send?.(message);
  for (const stranger of [
    { hello: 1 },
    { holdfast: 'other', store: 1, id: 1 },
    { holdfast: 'holdfast-store-1', id: 1 },
  ])
    call(stranger);
  call({
    holdfast: 'holdfast-store-1',
    store: 9,
    id: 7,
    body: { call: 'put', key: 'pool', record: { revision: 'x' } },
  });
  call({ holdfast: 'holdfast-store-1', store: 9, id: 8, body: { call: 'get', key: 'a b' } });
  call({ holdfast: 'holdfast-store-1', store: 9, id: 9, body: { call: 'get', key: 'pool' } });
  await until(() => answers.length >= 3);
  assert.deepEqual(
    answers.map((one) => {
      const { id, failure, result } = one as { id: number; failure?: string; result?: unknown };
      return [id, failure ?? result];
    }),
    [
      [7, 'failed'],
      [8, 'failed'],
      [9, null],
    ],
  );
});
