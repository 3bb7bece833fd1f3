/** Records that a gateway owns: written one after the other, kept alive in batches that a store takes, and never twice at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeptRecord, KeptRecords } from '../../src/cluster/kept-records.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { type Claim, storeBounds } from '../../src/cluster/store.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

interface Counted extends KeptRecord {
  count: number;
}

const make = (key: string): Counted => ({ key, revision: 0, stale: false, leaving: false, writing: null, count: 0 });

function keep(hub: MemoryHub) {
  const store = new UnsteadyStore(hub);
  const lost: string[] = [];
  const errors: unknown[] = [];
  const records = new KeptRecords<Counted>({
    store,
    membership: { up: true, onLook: () => () => {} },
    kind: { ttlMs: 60_000, maxBytes: 100 },
    value: ({ count }) => count,
    mayWriteOver: async (_record, present) =>
      present?.value.toString() === '"theirs"' ? null : (present?.revision ?? 0),
    lost: ({ key }) => lost.push(key),
    onError: (error) => errors.push(error),
  });
  return { store, records, lost, errors };
}

const textAt = (hub: MemoryHub, key: string) => hub.get(key)?.value.toString();

test('what changes while it is written is written again, once, with what it is then', async () => {
  const hub = new MemoryHub();
  const { store, records } = keep(hub);
  const record = make('a');
  records.add(record);
  store.hold('put');
  const written = records.write(record);
  await until(() => store.calls['put'] === 1);
  for (record.count = 1; record.count < 5; record.count += 1) void records.write(record);
  store.release();
  assert.equal(await written, 'written');
  assert.deepEqual([textAt(hub, 'a'), store.calls['put'], record.stale], ['5', 2, false]);
});

test('what leaves while it is written is not written again, and leaves nothing behind', async () => {
  const hub = new MemoryHub();
  const { store, records } = keep(hub);
  const record = make('a');
  records.add(record);
  store.hold('put');
  void records.write(record);
  await until(() => store.calls['put'] === 1);
  void records.write(record);
  records.remove(record);
  store.release();
  await until(() => store.calls['remove'] === 1);
  assert.deepEqual([hub.get('a'), store.calls['put'], records.size], [null, 1, 0]);
});

test('what somebody else has is lost: it is told once, and kept no more', async () => {
  const hub = new MemoryHub();
  const { records, lost } = keep(hub);
  const record = make('a');
  records.add(record);
  await records.write(record);
  const { revision } = record;
  hub.put('a', { revision: revision + 1, value: Buffer.from('"theirs"') }, { ifRevision: revision, ttlMs: 60_000 });
  await records.keep();
  await until(() => lost.length > 0);
  await records.keep();
  assert.deepEqual([lost, records.size, textAt(hub, 'a')], [['a'], 0, '"theirs"']);
});

test('more than a store takes in one call are kept in several, and those it has lost are written again', async () => {
  const hub = new MemoryHub();
  const { store, records, errors } = keep(hub);
  const all = Array.from({ length: storeBounds.claims + 5 }, (_, n) => make(`key-${n}`));
  for (const record of all) {
    records.add(record);
    record.revision = 1;
    hub.put(record.key, { revision: 1, value: Buffer.from('0') }, { ifRevision: 0, ttlMs: 60_000 });
  }
  hub.remove('key-3');
  const sizes: number[] = [];
  const { touch } = store;
  store.touch = (claims: readonly Claim[], ttlMs: number) => {
    sizes.push(claims.length);
    return touch.call(store, claims, ttlMs);
  };
  await records.keep();
  await until(() => hub.get('key-3') !== null);
  assert.deepEqual([sizes, store.calls['put'], errors], [[storeBounds.claims, 5], 2, []]);
});
