import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiscoveredList, endpointId } from '../../src/discovery/discovered-list.ts';

const at = (last: number, weight: number | null = null) => ({ address: `10.0.0.${last}`, port: 9000, weight });
const ids = (list: readonly { readonly id: string }[]) => list.map(({ id }) => id);
const start = (max = 100) => new DiscoveredList({ graceMs: 1000, max });

test('ids are made of address and port, and no two endpoints share one', () => {
  assert.equal(endpointId(at(7)), '10.0.0.7-9000');
  assert.equal(endpointId({ address: 'FD00::7', port: 9000 }), 'fd00--7-9000');
  const all = ['fd00::7', 'fd00::7:9000', '::1', '1::'].flatMap((address) =>
    [80, 9000].map((port) => ({ address, port })),
  );
  assert.equal(new Set(all.map(endpointId)).size, all.length);
});

test('who is new joins, in one order whatever the order of the answer, and what comes twice is one', () => {
  const one = start().apply([at(2), at(1), at(2)], true, 0);
  const other = start().apply([at(1), at(2)], true, 0);
  assert.deepEqual(ids(one.joined), ['10.0.0.1-9000', '10.0.0.2-9000']);
  assert.deepEqual(one.joined, other.joined);
});

test('who is missing leaves after the grace, counted from the first answer without it', () => {
  const list = start();
  list.apply([at(1), at(2)], true, 0);
  assert.deepEqual(ids(list.apply([at(1)], true, 100).left), []);
  assert.deepEqual(ids(list.apply([at(1)], true, 1099).left), []);
  assert.deepEqual(ids(list.apply([at(1)], true, 1100).left), ['10.0.0.2-9000']);
  assert.deepEqual(ids(list.apply([at(1)], true, 9000).left), [], 'once');
  assert.equal(list.size, 1);
});

test('who is back within the grace was never away', () => {
  const list = start();
  list.apply([at(1)], true, 0);
  list.apply([], true, 500);
  const back = list.apply([at(1)], true, 900);
  assert.deepEqual([back.joined, back.returned], [[], []]);
  assert.deepEqual(ids(list.apply([], true, 1600).left), [], 'the grace begins anew');
});

test('who is back while it leaves returns; who has left joins again', () => {
  const list = start();
  list.apply([at(1)], true, 0);
  list.apply([], true, 0);
  assert.equal(list.apply([], true, 1000).left.length, 1);
  assert.deepEqual(ids(list.apply([at(1)], true, 1100).returned), ['10.0.0.1-9000']);
  list.apply([], true, 1200);
  list.apply([], true, 2200);
  list.removed('10.0.0.1-9000');
  assert.deepEqual(ids(list.apply([at(1)], true, 2300).joined), ['10.0.0.1-9000']);
});

test('an answer that is not whole adds, and takes nothing away', () => {
  const list = start();
  list.apply([at(1)], true, 0);
  assert.deepEqual(ids(list.apply([at(2)], false, 100).joined), ['10.0.0.2-9000']);
  assert.deepEqual(ids(list.apply([at(2)], false, 5000).left), []);
});

test('who was removed by somebody else stays away until it was missing', () => {
  const list = start();
  list.apply([at(1)], true, 0);
  list.removed('10.0.0.1-9000');
  assert.equal(list.size, 0);
  assert.deepEqual(ids(list.apply([at(1)], true, 5000).joined), []);
  list.apply([], true, 6000);
  list.apply([], true, 7000);
  assert.deepEqual(ids(list.apply([at(1)], true, 8000).joined), ['10.0.0.1-9000']);
});

test('an operator who ends a removal gives it another grace', () => {
  const list = start();
  list.apply([at(1)], true, 0);
  list.apply([], true, 0);
  list.apply([], true, 1000);
  list.revived('10.0.0.1-9000');
  assert.deepEqual(ids(list.apply([], true, 1500).left), []);
  assert.deepEqual(ids(list.apply([], true, 2500).left), ['10.0.0.1-9000']);
});

test('of an answer that is too long those are taken that are there already', () => {
  const list = start(2);
  list.apply([at(5), at(6)], true, 0);
  const { joined, surplus } = list.apply([at(1), at(2), at(5), at(6)], true, 10);
  assert.deepEqual([ids(joined), surplus], [[], 2]);
  assert.deepEqual(ids(list.apply([at(1), at(2), at(5), at(6)], true, 5000).left), []);
});

test('of one endpoint that comes with several weights the highest counts, in whatever order', () => {
  const list = start();
  const [one] = list.apply([at(1, 10), at(1, 20), at(1)], true, 0).joined;
  assert.equal(one?.weight, 20);
  for (const answer of [[at(1, 20), at(1), at(1, 10)], [at(1), at(1, 10), at(1, 20)], [at(1, 20)]])
    assert.deepEqual(list.apply(answer, true, 1).reweighted, []);
});

test('another weight is told, an equal one is not', () => {
  const list = start();
  list.apply([at(1, 10)], true, 0);
  assert.deepEqual(ids(list.apply([at(1, 10)], true, 1).reweighted), []);
  assert.deepEqual(ids(list.apply([at(1, 20)], true, 2).reweighted), ['10.0.0.1-9000']);
});
