import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backend } from '../../src/pool/backend.ts';
import { type BalancerName, createBalancer } from '../../src/pool/balancing.ts';

/** Mulberry32: the same numbers in every run. */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
function backend(id: string, weight = 1, connections = 0, now = () => 0): Backend {
  const made = new Backend({
    id,
    url: new URL(`ws://${id}:9000/`),
    weight,
    maxConnections: null,
    labels: {},
    maxConcurrentDials: Number.POSITIVE_INFINITY,
    now,
    wallClock: () => 0,
  });
  for (let n = 0; n < connections; n += 1) made.reserve();
  return made;
}
const contextOf = (clientId = 'c', now = 0, slowStartMs = 0) => ({ clientId, now, slowStartMs });

/** Picks `times` times, keeping each connection; answers how many each got. */
function spread(name: BalancerName, backends: readonly Backend[], times: number, keep = true): Record<string, number> {
  const balancer = createBalancer(name, seeded(7));
  const counts: Record<string, number> = Object.fromEntries(backends.map(({ id }) => [id, 0]));
  for (let n = 0; n < times; n += 1) {
    const picked = balancer.pick(backends, contextOf(`client-${n}`));
    if (keep) picked.reserve();
    counts[picked.id] = (counts[picked.id] ?? 0) + 1;
  }
  return counts;
}

test('least-connections takes the one with the fewest per weight', () => {
  const balancer = createBalancer('least-connections', seeded(1));
  assert.equal(balancer.pick([backend('a', 1, 3), backend('b', 1, 1), backend('c', 1, 2)], contextOf()).id, 'b');
  assert.equal(balancer.pick([backend('a', 1, 3), backend('b', 4, 6)], contextOf()).id, 'b');
  assert.deepEqual(spread('least-connections', [backend('a', 1), backend('b', 3)], 400), { a: 100, b: 300 });
});

test('least-connections spreads ties fairly', () => {
  const counts = spread(
    'least-connections',
    [backend('a'), backend('b'), backend('c'), backend('d', 1, 1)],
    3000,
    false,
  );
  assert.equal(counts['d'], 0);
  for (const id of ['a', 'b', 'c']) assert.ok(Math.abs((counts[id] ?? 0) - 1000) < 120, `${id}: ${counts[id]}`);
});

test('round-robin is smooth: the heavy one is not taken in a row', () => {
  const backends = [backend('a', 5), backend('b', 1), backend('c', 1)];
  const balancer = createBalancer('round-robin', seeded(1));
  const order = Array.from({ length: 14 }, () => balancer.pick(backends, contextOf()).id).join('');
  assert.equal(order, 'aabacaa'.repeat(2));
});

test('round-robin keeps its shares while backends come and go', () => {
  const [a, b, c] = [backend('a'), backend('b'), backend('c')];
  const balancer = createBalancer('round-robin', seeded(1));
  const random = seeded(3);
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  const due: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 900; n += 1) {
    const there = random() < 1 / 3 ? [a, b] : [a, b, c];
    for (const { id } of there) due[id] = (due[id] ?? 0) + 1 / there.length;
    const { id } = balancer.pick(there, contextOf());
    counts[id] = (counts[id] ?? 0) + 1;
  }
  for (const id of ['a', 'b', 'c'])
    assert.ok(Math.abs((counts[id] ?? 0) - (due[id] ?? 0)) < 15, `${id}: ${counts[id]}`);
});

test('random-two never takes the fullest of three, and follows the weights', () => {
  const counts = spread('random-two', [backend('a', 1, 0), backend('b', 1, 5), backend('c', 1, 9)], 1000, false);
  assert.equal(counts['c'], 0);
  assert.ok((counts['a'] ?? 0) > 550 && (counts['b'] ?? 0) > 200, JSON.stringify(counts));
  const weighted = spread('random-two', [backend('a', 1), backend('b', 3)], 4000);
  assert.ok(Math.abs((weighted['b'] ?? 0) - 3000) <= 2, JSON.stringify(weighted));
  assert.deepEqual(spread('random-two', [backend('a')], 3), { a: 3 });
});

test('random-two draws two different ones by weight', () => {
  assert.deepEqual(spread('random-two', [backend('a', 1, 1), backend('b')], 100, false), { a: 0, b: 100 });
  const backends = [backend('a', 98), backend('b', 1), backend('c', 1)];
  const counts = spread('random-two', backends, 10_000, false);
  // Idle, the heavy one wins every draw it is in: all but those of b with c.
  assert.ok((counts['a'] ?? 0) > 9950, JSON.stringify(counts));
});

test('hash gives a client the same backend, whatever the order and the load', () => {
  const [a, b, c] = [backend('a'), backend('b', 1, 50), backend('c')];
  const balancer = createBalancer('hash', seeded(1));
  for (let n = 0; n < 100; n += 1) {
    const context = contextOf(`client-${n}`);
    assert.equal(balancer.pick([a, b, c], context), balancer.pick([c, a, b], context));
  }
});

test('hash shares clients out by weight', () => {
  const backends = [backend('10.0.0.1'), backend('10.0.0.2'), backend('10.0.0.3', 2)];
  const counts = spread('hash', backends, 20_000);
  for (const { id, weight } of backends) {
    assert.ok(Math.abs((counts[id] ?? 0) - 5000 * weight) < 300 * weight, JSON.stringify(counts));
  }
});

test('hash moves only the clients of the backend that goes', () => {
  const backends = ['a', 'b', 'c', 'd'].map((id) => backend(id));
  const balancer = createBalancer('hash', seeded(1));
  const without = backends.filter(({ id }) => id !== 'c');
  const landed = new Set<string>();
  for (let n = 0; n < 2000; n += 1) {
    const context = contextOf(`client-${n}`);
    const before = balancer.pick(backends, context);
    const after = balancer.pick(without, context);
    if (before.id === 'c') landed.add(after.id);
    else assert.equal(after, before);
  }
  assert.deepEqual([...landed].sort(), ['a', 'b', 'd']);
});

test('slow start: 10 % of the weight at first, all of it at the end, linear between', () => {
  const fresh = backend('a', 20, 0, () => 1000);
  const weights = [0, 1000, 1500, 2000, 9000].map((now) => fresh.effectiveWeight(now, 1000));
  assert.deepEqual(weights, [2, 2, 11, 20, 20]);
  assert.deepEqual(
    [0, 1000, 5000].map((now) => fresh.effectiveWeight(now, 0)),
    [20, 20, 20],
  );
});

test('least-connections sends a backend in slow start only its part', () => {
  const veteran = backend('old', 1, 20, () => 0);
  const fresh = backend('new', 1, 0, () => 100_000);
  const balancer = createBalancer('least-connections', seeded(1));
  let got = 0;
  for (let n = 0; n < 30; n += 1) {
    const picked = balancer.pick([veteran, fresh], contextOf('c', 100_000, 10_000));
    picked.reserve();
    if (picked === fresh) got += 1;
  }
  assert.ok(got >= 2 && got <= 5, `${got}`);
});
