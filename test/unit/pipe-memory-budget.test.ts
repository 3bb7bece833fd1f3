import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BudgetTenant, MemoryBudget } from '../../src/pipe/memory-budget.ts';

class Tenant implements BudgetTenant {
  yields = 0;
  told = 0;
  readonly name: string;
  readonly heldBytes: number;
  readonly interrupted: boolean;
  readonly willing: boolean;
  unfinishedBytes: number;
  budget: MemoryBudget | null = null;
  givenUp = 0;

  constructor(name: string, heldBytes: number, { interrupted = true, willing = true, unfinishedBytes = 0 } = {}) {
    this.unfinishedBytes = unfinishedBytes;
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
  giveUpUnfinished(): void {
    this.givenUp += 1;
    this.budget?.change(-this.unfinishedBytes);
    this.unfinishedBytes = 0;
  }
}

function budgetOf(tenants: readonly Tenant[], maxBytes = 1000): MemoryBudget {
  const budget = new MemoryBudget(maxBytes, () => tenants);
  for (const tenant of tenants) {
    tenant.budget = budget;
    budget.change(tenant.heldBytes);
  }
  return budget;
}

test('it is full at the bound', () => {
  const budget = new MemoryBudget(100, () => []);
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
  const budget = new MemoryBudget(1000, () => []);
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

test('the largest unfinished messages are given up first, no more than it takes, and those who wait are told', () => {
  const options = (unfinishedBytes: number) => ({ interrupted: false, unfinishedBytes });
  const tenants = [
    new Tenant('journal', 400, options(0)),
    new Tenant('small', 50, options(40)),
    new Tenant('large', 300, options(300)),
    new Tenant('larger', 320, options(310)),
  ];
  const budget = budgetOf(tenants);
  const waiter = new Tenant('waiter', 0, options(0));
  budget.wait(waiter);
  assert.equal(waiter.told, 0);
  budget.relieveUnfinished();
  assert.deepEqual(
    tenants.map(({ givenUp }) => givenUp),
    [0, 0, 0, 1],
  );
  assert.equal(waiter.told, 1);
  budget.relieveUnfinished();
  assert.equal(tenants[2]!.givenUp, 0, 'there is room');
});
