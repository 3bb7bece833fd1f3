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

  constructor(name: string, heldBytes: number, { interrupted = true, willing = true } = {}) {
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
}

function budgetOf(tenants: readonly Tenant[], maxBytes = 1000): MemoryBudget {
  const budget = new MemoryBudget(maxBytes, () => tenants);
  for (const tenant of tenants) budget.change(tenant.heldBytes);
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
