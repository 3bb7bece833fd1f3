/** The store in memory keeps the contract of ClusterStore, and a bound in bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import { StoreFailure } from '../../src/cluster/store.ts';
import { storeScenarios } from '../support/store-contract.ts';

for (const { title, run } of storeScenarios) {
  test(`memory: ${title}`, async () => {
    let now = 0;
    const hub = new MemoryHub({ now: () => now });
    const pass = async (ms: number): Promise<void> => {
      now += ms;
    };
    await run({ one: new MemoryStore(hub), two: new MemoryStore(hub), pass });
  });
}

test('memory: a hub takes no more than its bound, and what has expired makes room', async () => {
  let now = 0;
  const hub = new MemoryHub({ now: () => now, maxBytes: 1000 });
  const store = new MemoryStore(hub);
  const put = (key: string, bytes: number, revision = 1) =>
    store.put(key, { revision, value: Buffer.alloc(bytes) }, { ifRevision: revision - 1, ttlMs: 500 });
  await put('a', 899);
  await assert.rejects(put('b', 100), (error) => error instanceof StoreFailure && error.reason === 'full');
  assert.equal(await store.get('b'), null);
  await put('b', 99);
  await put('a', 800, 2);
  assert.equal(hub.bytes, 901);
  now = 2000;
  await put('c', 999);
  assert.equal(hub.bytes, 1000);
  await store.remove('c');
  assert.equal(hub.bytes, 0);
});

test('memory: what is changed after it was put does not change what is there', async () => {
  const store = new MemoryStore();
  const value = Buffer.from('before');
  await store.put('a', { revision: 1, value }, { ifRevision: 0, ttlMs: 1000 });
  value.fill('x');
  assert.equal((await store.get('a'))?.value.toString(), 'before');
});
