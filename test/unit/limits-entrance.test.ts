import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Entrance } from '../../src/limits/entrance.ts';
import type { Refusal } from '../../src/limits/refusal.ts';
import { type LimitSettings, limitProperties } from '../../src/limits/settings.ts';

const defaults = Value.Default(Type.Object(limitProperties), {}) as LimitSettings;
const entrance = (limits: Partial<LimitSettings>) => new Entrance({ ...defaults, ...limits });
const comes = (gate: Entrance, address: string, returning: boolean, now: number) => {
  gate.knock(address, now);
  return gate.enter(address, returning);
};
const refusal = (code: string, limit: string) => (error: Refusal & { code: string }) =>
  error.code === code && error.limit === limit && error.retryAfterMs > 0;
const full = refusal('HOLDFAST_ERR_GATEWAY_FULL', 'pipes');
const addressFull = refusal('HOLDFAST_ERR_ADDRESS_FULL', 'pipes-per-address');

test('one that is still arriving takes a slot, and gives it back when it leaves', () => {
  const gate = entrance({ maxPipes: 2 });
  const first = comes(gate, '203.0.113.1', false, 0);
  comes(gate, '203.0.113.2', false, 0).settle();
  assert.deepEqual([gate.arriving, gate.pipes], [1, 1]);
  assert.throws(() => comes(gate, '203.0.113.3', false, 0), full);
  first.leave();
  first.leave();
  assert.deepEqual([gate.arriving, gate.pipes], [0, 1]);
  const third = comes(gate, '203.0.113.3', false, 0);
  third.settle();
  third.leave();
  assert.equal(gate.pipes, 2, 'a pipe outlives the upgrade');
  third.end();
  third.end();
  assert.equal(gate.pipes, 1);
});

test('an address has its own limit, an IPv6 network is one address, and others are not touched by it', () => {
  const gate = entrance({ maxPipesPerAddress: 2 });
  comes(gate, '2001:db8::1', false, 0).settle();
  const second = comes(gate, '2001:db8::2:1', false, 0);
  assert.throws(() => comes(gate, '2001:db8::3', false, 0), addressFull);
  comes(gate, '2001:db8:0:1::1', false, 0);
  comes(gate, '203.0.113.1', false, 0);
  second.leave();
  comes(gate, '2001:db8::3', false, 0);
});

test('exempt addresses and unknown ones are limited only as part of all', () => {
  const gate = entrance({
    maxPipesPerAddress: 1,
    handshakesPerSecondPerAddress: 1,
    handshakeBurstPerAddress: 1,
    maxPipes: 9,
  });
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '']) {
    comes(gate, address, false, 0);
    comes(gate, address, false, 0);
  }
  assert.equal(gate.addresses, 0);
  comes(gate, '127.0.0.1', false, 0);
  assert.throws(() => comes(gate, '127.0.0.1', false, 0), full);
});

test('the rate of an address is looked at first: what it does too often takes nothing from the others', () => {
  const gate = entrance({
    handshakesPerSecond: 10,
    handshakeBurst: 4,
    handshakesPerSecondPerAddress: 1,
    handshakeBurstPerAddress: 2,
  });
  comes(gate, '203.0.113.1', false, 0);
  comes(gate, '203.0.113.1', false, 0);
  const own = refusal('HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS', 'handshakes-per-address');
  for (let n = 0; n < 100; n += 1) assert.throws(() => comes(gate, '203.0.113.1', false, 0), own);
  comes(gate, '203.0.113.2', false, 0);
  comes(gate, '203.0.113.3', false, 0);
  const all = refusal('HOLDFAST_ERR_TOO_MANY_HANDSHAKES', 'handshakes');
  assert.throws(() => comes(gate, '203.0.113.4', false, 0), all);
  comes(gate, '203.0.113.4', false, 100);
});

test('limits.handshakesPerViolation: who breaks the rules has used up handshakes of its address, and never owes more than one violation', () => {
  const gate = entrance({ handshakesPerSecondPerAddress: 10, handshakeBurstPerAddress: 5, handshakesPerViolation: 3 });
  const own = refusal('HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS', 'handshakes-per-address');
  comes(gate, '203.0.113.1', false, 0);
  gate.violated('203.0.113.1', 0);
  comes(gate, '203.0.113.1', false, 0);
  assert.throws(() => comes(gate, '203.0.113.1', false, 0), own);
  for (let n = 0; n < 100; n += 1) gate.violated('203.0.113.1', 0);
  gate.violated('127.0.0.1', 0);
  gate.violated('', 0);
  assert.equal(gate.addresses, 3, 'one that is in, its rate and its refusals');
  comes(gate, '203.0.113.2', false, 0);
  assert.throws(() => comes(gate, '203.0.113.1', false, 399), own);
  comes(gate, '203.0.113.1', false, 400);
});

test('limits.handshakesPerViolation: 0 costs nothing, and without a rate there is nothing to cost', () => {
  const free = entrance({ handshakeBurstPerAddress: 1, handshakesPerViolation: 0 });
  free.violated('203.0.113.1', 0);
  comes(free, '203.0.113.1', false, 0);
  const unlimited = entrance({ handshakesPerSecondPerAddress: 0, handshakesPerViolation: 50 });
  unlimited.violated('203.0.113.1', 0);
  comes(unlimited, '203.0.113.1', false, 0);
  assert.deepEqual([free.addresses, unlimited.addresses], [2, 1], 'none but who is in, and a rate that is looked at');
});

test('one that may return is let in with everything taken, comes back to its pipe, and is refused only if it wants a new one', () => {
  const gate = entrance({ maxPipes: 2, maxPipesPerAddress: 1, handshakesPerSecondPerAddress: 0 });
  const mine = comes(gate, '203.0.113.1', false, 0);
  mine.settle();
  comes(gate, '203.0.113.2', false, 0).settle();
  const back = comes(gate, '203.0.113.9', true, 0);
  back.takeOver();
  mine.end();
  assert.deepEqual([gate.pipes, gate.arriving], [2, 0]);
  comes(gate, '203.0.113.1', true, 0).leave();
  const other = comes(gate, '203.0.113.1', true, 0);
  assert.throws(() => other.settle(), full);
  other.leave();
  assert.deepEqual([gate.pipes, gate.arriving, gate.addresses], [2, 0, 2]);
  back.end();
  comes(gate, '203.0.113.9', true, 0).settle();
});

test('one that takes the place of another adds none', () => {
  const gate = entrance({ maxPipes: 1, maxPipesPerAddress: 1 });
  const older = comes(gate, '203.0.113.1', true, 0);
  older.settle();
  const newer = comes(gate, '203.0.113.1', true, 0);
  newer.settle(older);
  older.end();
  assert.equal(gate.pipes, 1);
  const elsewhere = comes(gate, '203.0.113.2', true, 0);
  elsewhere.settle(newer);
  newer.end();
  assert.equal(gate.pipes, 1);
});

test('those who have not said yet whether they return are bounded too', () => {
  const gate = entrance({ maxPipes: 2 });
  comes(gate, '203.0.113.1', true, 0);
  comes(gate, '203.0.113.2', true, 0);
  assert.throws(() => comes(gate, '203.0.113.3', true, 0), full);
});

test('nobody in, no address in memory', () => {
  const gate = entrance({ handshakesPerSecondPerAddress: 0 });
  const slots = Array.from({ length: 50 }, (_, n) => comes(gate, `203.0.113.${n}`, n % 2 === 0, 0));
  assert.equal(gate.addresses, 50);
  for (const [n, slot] of slots.entries()) {
    if (n % 3 === 0) slot.settle();
    slot.end();
  }
  assert.deepEqual([gate.addresses, gate.arriving, gate.pipes], [0, 0, 0]);
});

test('limits.maxAddresses: however many addresses come, no more are kept in memory', () => {
  const gate = entrance({ maxAddresses: 10, handshakesPerSecond: 0, handshakeBurstPerAddress: 1 });
  for (let n = 0; n < 1000; n += 1) {
    const address = `203.0.${n >> 8}.${n & 255}`;
    comes(gate, address, false, n / 1000).end();
    assert.throws(
      () => comes(gate, address, false, n / 1000),
      refusal('HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS', 'handshakes-per-address'),
    );
  }
  assert.equal(gate.addresses, 20, 'of those who came, and of those who were refused');
});

test('whoever knocks has used up a handshake, also without coming in, and so have connections that ended without a request', () => {
  const gate = entrance({ handshakesPerSecondPerAddress: 2, handshakeBurstPerAddress: 3 });
  gate.knock('203.0.113.1', 0);
  gate.endedUnasked('203.0.113.1', 0);
  comes(gate, '203.0.113.1', false, 0).leave();
  const own = refusal('HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS', 'handshakes-per-address');
  assert.throws(() => gate.knock('203.0.113.1', 0), own);
  assert.equal(gate.drops('203.0.113.1', 0), false);
  gate.endedUnasked('203.0.113.1', 0);
  assert.equal(gate.drops('203.0.113.1', 0), true);
  assert.equal(gate.drops('203.0.113.2', 0), false);
});
