/** A store that has lost all, and a gateway with more records than fit on its connection at one time. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type KeptRecord, KeptRecords } from '../../src/cluster/kept-records.ts';
import { keyKinds, pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import {
  type Claim,
  type ClusterStore,
  type PutAnswer,
  type PutCondition,
  type StoredRecord,
  StoreFailure,
  storeBounds,
} from '../../src/cluster/store.ts';
import { until } from '../support/wait.ts';

/** Takes so many calls at one time, as the connection to Redis does; a touch is one for each record. */
class NarrowStore extends MemoryStore {
  touches = 0;
  /** The touch that fails, counted from 1. */
  failing = 0;
  /** Puts that fail. */
  puts = 0;
  /** Most calls at one time so far. */
  most = 0;
  #calls = 0;

  override put(key: string, record: StoredRecord, condition: PutCondition): Promise<PutAnswer> {
    this.puts -= 1;
    if (this.puts >= 0) return Promise.reject(new StoreFailure('timeout'));
    return this.#pass(1, () => super.put(key, record, condition));
  }

  override touch(claims: readonly Claim[], ttlMs: number): Promise<boolean[]> {
    this.touches += 1;
    if (this.touches === this.failing) return Promise.reject(new StoreFailure('timeout'));
    return this.#pass(claims.length, () => super.touch(claims, ttlMs));
  }

  async #pass<T>(calls: number, call: () => Promise<T>): Promise<T> {
    if (this.#calls + calls > 20_000) throw new StoreFailure('full');
    this.#calls += calls;
    this.most = Math.max(this.most, this.#calls);
    await turn();
    try {
      return await call();
    } finally {
      this.#calls -= calls;
    }
  }
}

const count = 25_000;

/** Records that were all written to a store which has lost them. */
function forgotten(t: TestContext, store: ClusterStore, many = count): KeptRecords<KeptRecord> {
  const problems: unknown[] = [];
  const records = new KeptRecords<KeptRecord>({
    store,
    membership: { up: true, onLook: () => () => {} },
    kind: keyKinds.pipe,
    value: ({ key }) => ({ key }),
    mayWriteOver: async (_record, present) => present?.revision ?? 0,
    lost: ({ key }) => problems.push(key),
    onError: (error) => problems.push(error),
  });
  for (let n = 0; n < many; n += 1)
    records.add({ key: pipeKey(`pipe-${n}`)!, revision: 7, stale: false, leaving: false, writing: null });
  t.after(() => {
    records.stop();
    assert.deepEqual(problems, []);
  });
  return records;
}

const missing = (hub: MemoryHub, many = count): number => {
  let found = 0;
  for (let n = 0; n < many; n += 1) if (hub.get(pipeKey(`pipe-${n}`)!) !== null) found += 1;
  return many - found;
};

test('more records than calls are possible at one time are all written again in one round', async (t) => {
  const hub = new MemoryHub();
  const records = forgotten(t, new NarrowStore(hub));
  await records.keep();
  assert.equal(missing(hub), 0);
});

test('two that are kept at once leave nearly all calls to others, also where all that they write failed at first', async (t) => {
  const hub = new MemoryHub();
  const store = new NarrowStore(hub);
  const many = 4 * storeBounds.claims;
  store.puts = 2 * many;
  const [one, two] = [forgotten(t, store, many), forgotten(t, store, many)];
  await Promise.all([one.keep(), two.keep()]);
  await until(() => missing(hub, many) === 0, { timeoutMs: 10_000, what: 'all records', intervalMs: 100 });
  assert.ok(store.most <= 2 * storeBounds.claims, `${store.most} calls at one time`);
});

test('a round that fails half-way is made anew, with those that it had not reached', async (t) => {
  const hub = new MemoryHub();
  const store = new NarrowStore(hub);
  store.failing = 2;
  const records = forgotten(t, store);
  await records.keep();
  assert.equal(missing(hub), count - storeBounds.claims);
  await until(() => store.touches >= 3 && missing(hub) === 0, {
    timeoutMs: 10_000,
    what: 'all records',
    intervalMs: 100,
  });
});
