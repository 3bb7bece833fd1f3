import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { type BudgetTenant, MemoryBudget } from '../../src/pipe/memory-budget.ts';
import { FakeClock } from '../support/fake-clock.ts';

class Tenant implements BudgetTenant {
  yields = 0;
  told = 0;
  readonly name: string;
  readonly heldBytes: number;
  readonly interrupted: boolean;
  readonly willing: boolean;
  stuckBytes: number;
  budget: MemoryBudget | null = null;
  givenUp = 0;

  constructor(name: string, heldBytes: number, { interrupted = true, willing = true, stuckBytes = 0 } = {}) {
    this.stuckBytes = stuckBytes;
    this.name = name;
    this.heldBytes = heldBytes;
    this.interrupted = interrupted;
    this.willing = willing;
  }
  yieldMemory(): boolean {
    this.yields += 1;
    return this.willing;
  }
  memoryAvailable(): void {
    this.told += 1;
  }
  giveUp(): void {
    this.givenUp += 1;
    this.budget?.change(-this.stuckBytes);
    this.stuckBytes = 0;
  }
}

function emptyBudget(maxBytes: number): MemoryBudget {
  return new MemoryBudget(maxBytes, () => [], new TimerWheel({ clock: new FakeClock(0) }));
}

function budgetOf(tenants: readonly Tenant[], clock = new FakeClock(0)): MemoryBudget {
  const budget = new MemoryBudget(1000, () => tenants, new TimerWheel({ clock }));
  for (const tenant of tenants) {
    tenant.budget = budget;
    budget.change(tenant.heldBytes);
  }
  return budget;
}

test('it is full at the bound', () => {
  const budget = emptyBudget(100);
  budget.change(99);
  assert.equal(budget.full, false);
  budget.change(1);
  assert.deepEqual([budget.full, budget.usedBytes], [true, 100]);
});

test('the largest interrupted pipe is dealt with first, and no more than it takes', () => {
  const small = new Tenant('small', 100);
  const large = new Tenant('large', 300);
  const attached = new Tenant('attached', 500, { interrupted: false });
  const empty = new Tenant('empty', 0);
  const waiter = new Tenant('waiter', 100, { interrupted: false });
  const budget = budgetOf([empty, small, large, attached, waiter]);
  budget.wait(waiter);
  // The bytes of a pipe are free when its client has gone: until then they count as promised.
  assert.deepEqual([large.yields, small.yields, attached.yields, empty.yields], [1, 0, 0, 0]);
});

test('regression: pipes are not all closed because the first is not gone at once', () => {
  const tenants = [400, 300, 200, 150].map((bytes) => new Tenant(`${bytes}`, bytes));
  const budget = budgetOf(tenants);
  budget.wait(new Tenant('waiter', 0, { interrupted: false }));
  assert.deepEqual(
    tenants.map((tenant) => tenant.yields),
    [1, 0, 0, 0],
  );
});

test('one that may not be closed leaves it to the next', () => {
  const patient = new Tenant('patient', 600, { willing: false });
  const next = new Tenant('next', 400);
  budgetOf([next, patient]).wait(new Tenant('waiter', 1, { interrupted: false }));
  assert.deepEqual([patient.yields, next.yields], [1, 1]);
});

test('who waits is told when there is some room, once', () => {
  const budget = emptyBudget(1000);
  budget.change(1000);
  const [a, b] = [new Tenant('a', 0), new Tenant('b', 0)];
  budget.wait(a);
  budget.wait(a);
  budget.wait(b);
  budget.change(-50);
  assert.deepEqual([a.told, b.told], [0, 0], 'not at the very edge');
  budget.leave(b);
  budget.change(-100);
  assert.deepEqual([a.told, b.told], [1, 0]);
  budget.change(-100);
  assert.equal(a.told, 1);
});

test('after a second those of whom most is stuck are given up, no more than it takes, and those who wait are told', () => {
  const options = (stuckBytes: number) => ({ interrupted: false, stuckBytes });
  const tenants = [
    new Tenant('journal', 400, options(0)),
    new Tenant('small', 50, options(40)),
    new Tenant('large', 300, options(300)),
    new Tenant('larger', 320, options(310)),
  ];
  const clock = new FakeClock(0);
  const budget = budgetOf(tenants, clock);
  const waiter = new Tenant('waiter', 0, options(0));
  budget.wait(waiter);
  clock.advance(900);
  assert.deepEqual([waiter.told, tenants[3]?.givenUp], [0, 0]);
  clock.advance(200);
  assert.deepEqual(
    tenants.map(({ givenUp }) => givenUp),
    [0, 0, 0, 1],
  );
  assert.equal(waiter.told, 1);
  clock.advance(10_000);
  assert.equal(tenants[2]!.givenUp, 0, 'there is room');
});

test('all pipes are looked at twice a second, however many wait and ask for room', () => {
  const clock = new FakeClock(0);
  let looks = 0;
  const tenants = Array.from({ length: 100 }, (_, n) => new Tenant(`${n}`, 10, { interrupted: false }));
  const all = {
    *[Symbol.iterator]() {
      looks += 1;
      yield* tenants;
    },
  };
  const budget = new MemoryBudget(1000, () => all, new TimerWheel({ clock }));
  budget.change(1000);
  for (const tenant of tenants) budget.wait(tenant);
  for (let count = 0; count < 100; count += 1) {
    clock.advance(100);
    for (const tenant of tenants) budget.wait(tenant);
    budget.relieve();
  }
  // Two things are looked for.
  assert.ok(looks > 30 && looks <= 44, `${looks} looks in ten seconds`);
  budget.change(-50);
  clock.advance(600);
  assert.deepEqual(new Set(tenants.map(({ told }) => told)), new Set([1]), 'not full, and they waited long enough');
  looks = 0;
  clock.advance(10_000);
  assert.equal(looks, 0, 'nobody waits');
});
