/** A removal ends when its gateway says so, or when its time is long over where that gateway is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolEntry, Removal } from '../../src/gateways/pool-record.ts';
import { Removals } from '../../src/gateways/removals.ts';

test('the time of a removal that another gateway began is counted from when it is seen, whatever the clocks say', (t) => {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const dropped: Removal[] = [];
  const removals = new Removals({
    gateway: 'one.aaaaaa',
    idle: () => assert.fail('who is not asked for it does not look whether it can end sooner'),
    drop: async (_id, removal) => void dropped.push(removal),
    onError: (error) => assert.fail(String(error)),
  });
  t.after(() => removals.stop());
  const removal = { startedAt: Date.now() - 3_600_000, timeoutMs: 60_000, gateway: 'two.bbbbbb' };
  const entry: PoolEntry = {
    ...{ id: 'a', url: 'ws://127.0.0.1:9001/', weight: 1, maxConnections: null, labels: {} },
    ...{ adminState: 'draining', removal, registeredAt: 1, version: 1 },
  };
  const pass = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  removals.watch([entry]);
  pass(64_999);
  assert.deepEqual(dropped, []);
  removals.watch([entry]);
  pass(1);
  assert.deepEqual(dropped, [removal]);
});
