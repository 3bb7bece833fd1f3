import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Backend } from '../../src/pool/backend.ts';
import type { Balancer } from '../../src/pool/balancer.ts';
import { type BalancerName, createBalancer } from '../../src/pool/balancing.ts';
import { leastLoaded, nextOnRing, smoothTurn, twoDrawn } from '../support/naive-balancing.ts';

const which = fc.nat({ max: 11 });
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom('come' as const, 'leave' as const, 'forget' as const), which }),
    fc.record({ do: fc.constantFrom('reserve' as const, 'give back' as const), which }),
    fc.record({ do: fc.constant('weigh' as const), which, weight: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ do: fc.constant('pick' as const), client: fc.nat({ max: 50 }), exclude: fc.subarray([0, 3, 5, 8, 9]) }),
  ),
  { minLength: 20, maxLength: 150, size: 'max' },
);

function twelve(): Backend[] {
  return Array.from(
    { length: 12 },
    (_, n) =>
      new Backend({
        id: `b${n}`,
        url: new URL(`ws://10.0.0.${n}:9000/`),
        weight: 1 + (n % 3),
        maxConnections: null,
        labels: {},
        maxConcurrentDials: Number.POSITIVE_INFINITY,
        now: () => 0,
        wallClock: () => 0,
      }),
  );
}

type Picked = { readonly picked: Backend | null; readonly candidates: readonly Backend[]; readonly clientId: string };

/** Does the steps to a balancer; every pick is shown to `judge` with those that could have been taken. */
function play(name: BalancerName, random: () => number, judge: (picked: Picked) => void): void {
  fc.assert(
    fc.property(steps, (actions) => {
      const balancer = createBalancer(name, random);
      const backends = twelve();
      const present = new Set<Backend>();
      const update = (backend: Backend): void => {
        if (present.has(backend)) balancer.changed(backend, backend.weight);
      };
      for (const action of actions) {
        if (action.do === 'pick') {
          const exclude = new Set(action.exclude.map((n) => `b${n}`));
          const clientId = `client-${action.client}`;
          const candidates = backends.filter((backend) => present.has(backend) && !exclude.has(backend.id));
          judge({ picked: balancer.pick({ clientId, exclude }), candidates, clientId });
          continue;
        }
        const backend = backends[action.which]!;
        if (action.do === 'come') come(balancer, backend, present);
        else if (action.do === 'reserve') backend.reserve();
        else if (action.do === 'give back' && backend.connections > 0) backend.giveBack(true);
        else if (action.do === 'weigh') backend.change({ weight: action.weight });
        else if (action.do === 'leave' && present.delete(backend)) balancer.delete(backend);
        else if (action.do === 'forget') {
          present.delete(backend);
          balancer.forget(backend);
        }
        update(backend);
      }
    }),
    { numRuns: 200 },
  );
}

function come(balancer: Balancer, backend: Backend, present: Set<Backend>): void {
  if (present.has(backend)) return;
  present.add(backend);
  balancer.add(backend, backend.weight);
}

test('least-connections takes one of those with the lowest load, whatever came, went and changed before', () => {
  play('least-connections', Math.random, ({ picked, candidates }) => {
    if (candidates.length === 0) assert.equal(picked, null);
    else assert.ok(picked !== null && leastLoaded(candidates).includes(picked));
  });
});

test('hash takes the next one on the ring, whatever came, went and changed before', () => {
  play('hash', Math.random, ({ picked, candidates, clientId }) => {
    if (candidates.length === 0) assert.equal(picked, null);
    else assert.equal(picked, nextOnRing(candidates, clientId));
  });
});

test('random-two takes a candidate, and never one that loses every pair', () => {
  play('random-two', Math.random, ({ picked, candidates }) => {
    if (candidates.length === 0) assert.equal(picked, null);
    else assert.ok(picked !== null && twoDrawn(candidates).get(picked)! > 0);
  });
});

test('random-two takes each as often as two drawn by weight would have it', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 12 }), fc.integer(), (connections, seed) => {
      const balancer = createBalancer('random-two', xorshift(seed));
      const backends = twelve().slice(0, connections.length);
      for (const [at, backend] of backends.entries()) {
        for (let n = connections[at]!; n > 0; n -= 1) backend.reserve();
        balancer.add(backend, backend.weight);
      }
      const times = 4000;
      const counts = new Map<Backend, number>();
      for (let n = 0; n < times; n += 1) {
        const picked = balancer.pick({ clientId: '', exclude: undefined })!;
        counts.set(picked, (counts.get(picked) ?? 0) + 1);
      }
      for (const [backend, chance] of twoDrawn(backends)) {
        const deviation = Math.sqrt(times * chance * (1 - chance));
        assert.ok(Math.abs((counts.get(backend) ?? 0) - times * chance) <= 6 * deviation + 1e-9, backend.id);
      }
    }),
    { numRuns: 40 },
  );
});

test('round-robin gives everyone the turns that looking at all of them would', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
      fc.nat({ max: 60 }),
      (weights, more) => {
        const balancer = createBalancer('round-robin', Math.random);
        const backends = twelve().slice(0, weights.length);
        for (const [at, backend] of backends.entries()) {
          backend.change({ weight: weights[at] });
          balancer.add(backend, backend.weight);
        }
        const [got, due] = [new Map<Backend, number>(), new Map<Backend, number>()];
        const credits = new Map<Backend, number>();
        const whole = weights.reduce((sum, weight) => sum + weight, 0);
        for (let n = 1; n <= 2 * whole + more; n += 1) {
          const picked = balancer.pick({ clientId: '', exclude: undefined })!;
          const expected = smoothTurn(backends, credits);
          got.set(picked, (got.get(picked) ?? 0) + 1);
          due.set(expected, (due.get(expected) ?? 0) + 1);
          for (const backend of backends)
            assert.ok(Math.abs((got.get(backend) ?? 0) - (due.get(backend) ?? 0)) <= 2, `${n}: ${weights}`);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('round-robin takes a candidate, whatever came, went and changed before', () => {
  play('round-robin', Math.random, ({ picked, candidates }) => {
    if (candidates.length === 0) assert.equal(picked, null);
    else assert.ok(picked !== null && candidates.includes(picked));
  });
});

function xorshift(seed: number): () => number {
  let state = seed === 0 ? 1 : seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
