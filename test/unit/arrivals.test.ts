/** A pipe that another gateway has: how long that one is asked where it is busy, and where what the store says of it does not come to rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipeKey, sha256 } from '../../src/cluster/keys.ts';
import { MemoryStore } from '../../src/cluster/memory-store.ts';
import type { PipeRecord } from '../../src/cluster/records.ts';
import { PeersBusy } from '../../src/errors.ts';
import { Arrivals, type ParkResult } from '../../src/gateways/arrivals.ts';

const token = 'A'.repeat(43);
const resume = { pipe: 'p1', token, received: 0 };
const binding = { origin: '', clientId: null, principalId: null };

interface Given {
  readonly longestMs?: number;
  /** What the other gateway does when it is asked for the `n`th time, from 1. */
  readonly answer: (n: number) => ParkResult | 'busy';
}

async function stage({ longestMs = 60_000, answer }: Given) {
  const store = new MemoryStore();
  const held = { v: 1, state: 'held', gateway: 'two.bbbbbb', fence: 0, blobBytes: 0, backend: null } as const;
  const record: PipeRecord = { ...held, tokens: [sha256(token)] };
  const value = Buffer.from(JSON.stringify(record));
  await store.put(pipeKey('p1')!, { revision: 1, value }, { ifRevision: 0, ttlMs: 60_000 });
  let asked = 0;
  const ask = async (): Promise<never> => {
    asked += 1;
    const result = answer(asked);
    if (result === 'busy') throw new PeersBusy(256);
    return { result } as never;
  };
  const membership = { id: 'one.aaaaaa', up: true, isAlive: () => true, findAlive: async () => true };
  const arrivals = new Arrivals({
    store,
    courier: { ask },
    membership,
    longestMs,
    leaving: () => undefined,
    pauseMs: () => 0,
  });
  return { fetch: () => arrivals.fetch(resume, binding), asked: () => asked };
}

test('a gateway that is busy is asked until it answers', async () => {
  const { fetch, asked } = await stage({ answer: (n) => (n <= 100 ? 'busy' : 'counts') });
  assert.deepEqual(await fetch(), { kind: 'none', reason: 'counts' });
  assert.equal(asked(), 101);
});

test('a gateway that stays busy is asked no longer than a hand-over may take', async () => {
  const { fetch, asked } = await stage({ longestMs: 50, answer: () => 'busy' });
  const begun = performance.now();
  assert.deepEqual(await fetch(), { kind: 'none', reason: 'hand-over-failed' });
  assert.ok(performance.now() - begun >= 50);
  assert.ok(asked() > 1);
});

test('a record that changes again and again is given up, however much time there is', async () => {
  const { fetch, asked } = await stage({ answer: () => 'parked' });
  assert.deepEqual(await fetch(), { kind: 'none', reason: 'hand-over-failed' });
  assert.equal(asked(), 20);
});
