import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backend } from '../../src/pool/backend.ts';
import { type BalancerName, createBalancer } from '../../src/pool/balancing.ts';
import { nextOnRing } from '../support/naive-balancing.ts';

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
interface Picker {
  pick(clientId?: string, exclude?: ReadonlySet<string>): Backend;
  /** Picks and keeps the connection. */
  take(clientId?: string): Backend;
}

function among(name: BalancerName, backends: readonly Backend[], weight = (of: Backend): number => of.weight): Picker {
  const balancer = createBalancer(name, seeded(7));
  for (const one of backends) balancer.add(one, weight(one));
  const pick = (clientId = 'c', exclude?: ReadonlySet<string>): Backend => {
    const picked = balancer.pick({ clientId, exclude });
    assert.ok(picked);
    return picked;
  };
  return {
    pick,
    take(clientId) {
      const picked = pick(clientId);
      picked.reserve();
      balancer.changed(picked, weight(picked));
      return picked;
    },
  };
}

/** Picks `times` times; answers how many each got. */
function spread(name: BalancerName, backends: readonly Backend[], times: number, keep = true): Record<string, number> {
  const picker = among(name, backends);
  const counts: Record<string, number> = Object.fromEntries(backends.map(({ id }) => [id, 0]));
  for (let n = 0; n < times; n += 1) {
    const { id } = keep ? picker.take(`client-${n}`) : picker.pick(`client-${n}`);
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
}

test('least-connections takes the one with the fewest per weight', () => {
  const unequal = [backend('a', 1, 3), backend('b', 1, 1), backend('c', 1, 2)];
  assert.equal(among('least-connections', unequal).pick().id, 'b');
  assert.equal(among('least-connections', [backend('a', 1, 3), backend('b', 4, 6)]).pick().id, 'b');
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

test('round-robin is smooth: the heavy one is not taken more often in a row than it must', () => {
  const { pick } = among('round-robin', [backend('a', 5), backend('b', 1), backend('c', 1)]);
  const order = Array.from({ length: 70 }, () => pick().id).join('');
  for (let at = 0; at <= 63; at += 1) {
    const window = [...order.slice(at, at + 7)].sort().join('');
    assert.equal(window, 'aaaaabc', order);
  }
  assert.ok(!order.includes('aaaa'), order);
});

test('round-robin keeps its shares while backends come and go', () => {
  const all = [backend('a'), backend('b'), backend('c')];
  const balancer = createBalancer('round-robin', seeded(1));
  for (const one of all) balancer.add(one, 1);
  const random = seeded(3);
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  const due: Record<string, number> = { a: 0, b: 0, c: 0 };
  const c = all[2]!;
  for (let n = 0; n < 900; n += 1) {
    const away = random() < 1 / 3;
    if (away) balancer.delete(c);
    for (const { id } of all) if (!away || id !== 'c') due[id] = (due[id] ?? 0) + (away ? 1 / 2 : 1 / 3);
    const { id } = balancer.pick({ clientId: '', exclude: undefined })!;
    if (away) balancer.add(c, 1);
    counts[id] = (counts[id] ?? 0) + 1;
  }
  for (const id of ['a', 'b', 'c'])
    assert.ok(Math.abs((counts[id] ?? 0) - (due[id] ?? 0)) < 15, `${id}: ${counts[id]} of ${due[id]}`);
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
  const [one, other] = [among('hash', [a, b, c]), among('hash', [c, a, b])];
  for (let n = 0; n < 100; n += 1) assert.equal(one.pick(`client-${n}`), other.pick(`client-${n}`));
});

test('hash shares clients out by weight', () => {
  const backends = [backend('10.0.0.1'), backend('10.0.0.2'), backend('10.0.0.3', 2)];
  const counts = spread('hash', backends, 20_000);
  // 256 points for each unit of weight: even to some 6 %.
  for (const { id, weight } of backends)
    assert.ok(Math.abs((counts[id] ?? 0) - 5000 * weight) < 900 * Math.sqrt(weight), JSON.stringify(counts));
});

test('hash moves only the clients of the backend that goes', () => {
  const backends = ['a', 'b', 'c', 'd'].map((id) => backend(id));
  const all = among('hash', backends);
  const without = among(
    'hash',
    backends.filter(({ id }) => id !== 'c'),
  );
  const landed = new Set<string>();
  for (let n = 0; n < 2000; n += 1) {
    const before = all.pick(`client-${n}`);
    const after = without.pick(`client-${n}`);
    if (before.id === 'c') landed.add(after.id);
    else assert.equal(after, before);
  }
  assert.deepEqual([...landed].sort(), ['a', 'b', 'd']);
});

test('hash finds the next that is left when nearly all are excluded', () => {
  const backends = Array.from({ length: 60 }, (_, n) => backend(`10.0.0.${n}`));
  const { pick } = among('hash', backends);
  const left = [backends[17]!, backends[43]!];
  const exclude = new Set(backends.filter((one) => !left.includes(one)).map(({ id }) => id));
  const found = new Set<Backend>();
  for (let n = 0; n < 200; n += 1) {
    const picked = pick(`client-${n}`, exclude);
    assert.equal(picked, nextOnRing(left, `client-${n}`));
    found.add(picked);
  }
  assert.equal(found.size, 2);
});

test('round-robin gives a backend that has become heavier its turn the sooner', () => {
  const [a, b] = [backend('a'), backend('b')];
  const balancer = createBalancer('round-robin', seeded(1));
  for (const one of [a, b]) balancer.add(one, 1);
  const pick = () => balancer.pick({ clientId: '', exclude: undefined })?.id;
  assert.deepEqual([pick(), pick()], ['a', 'b']);
  balancer.changed(b, 50);
  assert.equal(Array.from({ length: 10 }, pick).join(''), 'b'.repeat(10));
});

test('hash sends a backend in slow start only its part, always the same clients and more and more of them', () => {
  const [old, fresh] = [backend('10.0.0.1'), backend('10.0.0.2')];
  const clients = Array.from({ length: 4000 }, (_, n) => `client-${n}`);
  let before = new Set<string>();
  for (const share of [0.1, 0.5, 1]) {
    const { pick } = among('hash', [old, fresh], (one) => (one === fresh ? share : 1));
    const its = new Set(clients.filter((client) => pick(client) === fresh));
    const due = (clients.length * share) / (1 + share);
    assert.ok(Math.abs(its.size - due) < due * 0.4, `${its.size} of ${due} at ${share}`);
    for (const client of before) assert.ok(its.has(client));
    before = its;
  }
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
  const { take } = among('least-connections', [veteran, fresh], (one) => one.effectiveWeight(100_000, 10_000));
  let got = 0;
  for (let n = 0; n < 30; n += 1) if (take() === fresh) got += 1;
  assert.ok(got >= 2 && got <= 5, `${got}`);
});
