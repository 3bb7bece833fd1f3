/** A record that several gateways have: seen by all, changed by one at a time, put back where a store has lost it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Type } from 'typebox';
import { Courier } from '../../src/cluster/courier.ts';
import { Membership } from '../../src/cluster/membership.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import type { GatewayFacts } from '../../src/cluster/records.ts';
import { SharedRecord } from '../../src/cluster/shared-record.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

const facts: GatewayFacts = { v: 1, name: 'gw', address: '', version: '1', startedAt: 1, pipes: 0, closing: false };
const List = Type.Object({ names: Type.Array(Type.String()) });
const kind = { ttlMs: 60_000, maxBytes: 200 };
const ids = { a: 'one.aaaaaa', b: 'two.bbbbbb', c: 'six.cccccc' };

interface Given {
  readonly first?: string[] | null;
  readonly pollMs?: number;
  readonly hub?: MemoryHub;
  readonly onApply?: () => void;
}

async function join(t: TestContext, id: string, given: Given = {}) {
  const { first = null, pollMs = 60_000, hub = new MemoryHub(), onApply = () => {} } = given;
  const store = new UnsteadyStore(hub);
  const errors: unknown[] = [];
  const applied: string[] = [];
  const onError = (error: unknown): number => errors.push(error);
  const membership = new Membership({ store, id, facts: () => facts, beatMs: 10, events: { emit() {} }, onError });
  const courier = new Courier({ store, id, gateways: () => [], onError });
  const record = new SharedRecord({
    ...{ store, courier, membership, kind, pollMs, onError },
    key: 'list',
    schema: List,
    what: 'the list',
    first: () => first && { names: first },
    apply: ({ value }) => {
      applied.push(value.names.join(' '));
      onApply();
    },
  });
  record.start();
  courier.start();
  t.after(async () => {
    record.stop();
    courier.stop();
    await membership.stop();
  });
  await membership.start();
  await record.look();
  const add = (name: string) =>
    record.change((present) => ({ names: [...(present?.value.names ?? []), name] })).then(({ revision }) => revision);
  return { record, store, courier, membership, errors, applied, add, hub };
}

const stored = (hub: MemoryHub) => {
  const record = hub.get('list');
  return record && { revision: record.revision, names: JSON.parse(record.value.toString()).names as string[] };
};

const codeOf = (error: unknown) => (error as { code?: string }).code;

test('the first gateway puts what it was given, and what is there is what the next one has', async (t) => {
  const hub = new MemoryHub();
  const a = await join(t, ids.a, { hub, first: ['given'] });
  const b = await join(t, ids.b, { hub, first: ['other'] });
  assert.deepEqual(stored(hub), { revision: 1, names: ['given'] });
  assert.deepEqual([a.applied, b.applied], [['given'], ['given']]);
});

test('a change on one is seen by the others at the hint, without waiting for a poll', async (t) => {
  const hub = new MemoryHub();
  const a = await join(t, ids.a, { hub });
  const b = await join(t, ids.b, { hub });
  assert.equal(a.record.present, null);
  const revision = await a.add('x');
  await until(() => b.applied.length === 1);
  assert.deepEqual(b.record.present, { revision, value: { names: ['x'] } });
  assert.ok((await b.add('y')) > revision);
  await until(() => a.applied.at(-1) === 'x y');
  assert.deepEqual(a.applied, ['x', 'x y']);
});

test('a hint that was lost is made up for by the next poll', async (t) => {
  const hub = new MemoryHub();
  const a = await join(t, ids.a, { hub });
  const b = await join(t, ids.b, { hub, pollMs: 20 });
  b.courier.stop();
  await a.add('x');
  await until(() => b.applied.includes('x'));
});

test('two that change it at once both do, one after the other', async (t) => {
  const hub = new MemoryHub();
  const a = await join(t, ids.a, { hub });
  const b = await join(t, ids.b, { hub });
  const names = Array.from({ length: 10 }, (_, number) => [`a${number}`, `b${number}`]).flat();
  await Promise.all(names.map((name) => (name.startsWith('a') ? a : b).add(name)));
  assert.deepEqual(stored(hub)?.names.sort(), names.sort());
  await Promise.all([a.record.look(), b.record.look()]);
  assert.deepEqual(a.record.present, b.record.present);
});

test('a change that throws changes nothing, one that changes nothing puts nothing', async (t) => {
  const { record, add, store, applied } = await join(t, ids.a);
  await add('x');
  const failure = new Error('no');
  const { put } = store.calls;
  const refuse = (): never => {
    throw failure;
  };
  await assert.rejects(record.change(refuse), failure);
  const same = await record.change((present) => present!.value);
  assert.deepEqual(same, record.present);
  await assert.rejects(add('x'.repeat(300)), { code: 'HOLDFAST_ERR_STORE_VALUE_TOO_BIG' });
  assert.equal(store.calls.put, put);
  assert.deepEqual(applied, ['x']);
});

test('a store that comes back empty gets it back, and the highest revision wins over a new beginning', async (t) => {
  const hub = new MemoryHub();
  const a = await join(t, ids.a, { hub, first: ['given'] });
  const b = await join(t, ids.b, { hub, first: ['given'] });
  await a.add('x');
  b.courier.stop();
  const revision = await a.add('y');
  // All is lost, and a gateway that knows nothing is the first to look.
  hub.remove('list');
  const c = await join(t, ids.c, { hub, first: ['new'] });
  // One with an older revision comes before the one with the highest.
  hub.leave(ids.b);
  await until(() => stored(hub)?.names.includes('x'));
  hub.leave(ids.a);
  await until(() => stored(hub)?.revision === revision);
  assert.deepEqual(stored(hub)?.names, ['given', 'x', 'y']);
  await until(() => c.applied.at(-1) === 'given x y');
  await b.record.look();
  assert.equal(b.record.present?.revision, revision);
});

test('after a failover that lost a change, what somebody has changed since is right', async (t) => {
  const { record, add, hub, applied } = await join(t, ids.a, { first: ['given'] });
  const revision = await add('lost');
  hub.remove('list');
  const other = { revision, value: Buffer.from(JSON.stringify({ names: ['since'] })) };
  hub.put('list', other, { ifRevision: 0, ttlMs: 60_000 });
  await record.look();
  assert.equal(applied.at(-1), 'since');
});

for (const [what, nonsense] of [
  ['no JSON', '{'],
  ['another schema', '{"names":[1]}'],
  ['too long', JSON.stringify({ names: ['x'.repeat(400)] })],
] as const) {
  test(`nonsense in the store is told and written over, whatever its revision: ${what}`, async (t) => {
    const { record, add, hub, applied, errors } = await join(t, ids.a, { first: ['given'] });
    await add('x');
    const present = stored(hub)!.revision;
    const wild = present + 1_000_000;
    hub.put('list', { revision: wild, value: Buffer.from(nonsense) }, { ifRevision: present, ttlMs: 60_000 });
    await record.look();
    assert.deepEqual(stored(hub), { revision: wild + 1, names: ['given', 'x'] });
    assert.deepEqual(applied.at(-1), 'given x');
    assert.deepEqual(errors.map(codeOf), ['HOLDFAST_ERR_STORE_RECORD_UNREADABLE']);
  });
}

test('two that cannot read each other write over what the other has put once a minute, and a change is put at any time', async (t) => {
  const { record, add, hub, errors } = await join(t, ids.a, { first: ['given'] });
  const written = () => hub.get('list')!.value.toString();
  const other = '{"lists":[]}';
  const overwrite = (): void => {
    const { revision } = hub.get('list')!;
    const value = Buffer.from(other);
    hub.put('list', { revision: revision + 1, value }, { ifRevision: revision, ttlMs: 600_000 });
  };
  overwrite();
  await record.look();
  assert.notEqual(written(), other);
  overwrite();
  await record.look();
  assert.equal(written(), other);
  await add('x');
  assert.deepEqual(stored(hub)?.names, ['given', 'x']);
  overwrite();
  await record.look();
  assert.equal(written(), other);
  assert.equal(errors.length, 1);
  const now = performance.now();
  t.mock.method(performance, 'now', () => now + 61_000);
  await record.look();
  assert.deepEqual(stored(hub)?.names, ['given', 'x']);
  assert.equal(errors.length, 2);
});

test('nonsense is told where nothing is known that it could be written over with, and a change puts a value in its place', async (t) => {
  const hub = new MemoryHub();
  const nonsense = { revision: 7, value: Buffer.from('{') };
  hub.put('list', nonsense, { ifRevision: 0, ttlMs: 600_000 });
  const { record, add, errors } = await join(t, ids.a, { hub });
  await record.look();
  assert.deepEqual(hub.get('list'), nonsense);
  assert.deepEqual(errors.map(codeOf), ['HOLDFAST_ERR_STORE_RECORD_UNREADABLE'], 'once a minute');
  await add('x');
  assert.deepEqual(stored(hub)?.names, ['x']);
  assert.equal(errors.length, 1);
});

test('nonsense that only a change finds is told, too', async (t) => {
  const { add, hub, errors } = await join(t, ids.a);
  hub.put('list', { revision: 7, value: Buffer.from('{') }, { ifRevision: 0, ttlMs: 600_000 });
  await add('x');
  assert.deepEqual(stored(hub)?.names, ['x']);
  assert.deepEqual(errors.map(codeOf), ['HOLDFAST_ERR_STORE_RECORD_UNREADABLE']);
});

test('what nobody could read is not put', async (t) => {
  const { record, hub, errors } = await join(t, ids.a, { first: [1 as never] });
  assert.equal(hub.get('list'), null);
  assert.ok(errors[0] instanceof RangeError);
  await assert.rejects(
    record.change(() => ({ names: [2 as never] })),
    RangeError,
  );
  assert.equal(hub.get('list'), null);
});

test('while the store is away nothing is changed, and what was known is kept', async (t) => {
  const { record, add, membership, store, errors } = await join(t, ids.a);
  await add('x');
  store.failure = 'full';
  await assert.rejects(add('y'), { code: 'HOLDFAST_ERR_STORE_UNAVAILABLE', reason: 'full' });
  await until(() => !membership.up);
  const { get } = store.calls;
  await assert.rejects(add('y'), { code: 'HOLDFAST_ERR_STORE_UNAVAILABLE', reason: 'full' });
  await record.look();
  assert.equal(store.calls.get, get, 'a store that is known to be away was asked');
  assert.deepEqual(record.present?.value.names, ['x']);
  store.failure = null;
  await until(() => membership.up);
  await add('z');
  assert.deepEqual(errors, []);
});

test('a value that cannot be applied is told, and is there all the same', async (t) => {
  const failure = new Error('mine');
  const throwIt = (): never => {
    throw failure;
  };
  const { record, add, errors } = await join(t, ids.a, { onApply: throwIt });
  await add('x');
  assert.deepEqual(errors, [failure]);
  assert.deepEqual(record.present?.value.names, ['x']);
});

test('who has stopped changes nothing more', async (t) => {
  const { record, add } = await join(t, ids.a);
  record.stop();
  await assert.rejects(add('y'), { code: 'HOLDFAST_ERR_STORE_UNAVAILABLE', reason: 'closed' });
});

test('a store that never takes it is not asked without end, and by who has stopped not at all', async (t) => {
  const { record, store, errors } = await join(t, ids.a, { first: ['given'] });
  store.put = async () => ({ stored: false, present: null });
  await store.remove('list');
  const { get: before = 0 } = store.calls;
  await record.look();
  const { get: looked = 0 } = store.calls;
  assert.ok(looked - before <= 20, `${looked - before} times`);
  store.hold('get');
  const looking = record.look();
  await until(() => store.calls.get === looked + 1);
  record.stop();
  store.release();
  await looking;
  assert.equal(store.calls.get, looked + 1);
  assert.deepEqual(errors, []);
});
