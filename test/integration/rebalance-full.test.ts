import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';

/** Eight clients on 'a', and 'b' that has just joined. */
async function startJoined(t: Owner, maxConnections: number | null) {
  const gateway = await startGateway(t, { drain: { quietMs: 0 } });
  const [a, b] = await Promise.all(['a', 'b'].map((tag) => startBackend(t, { tag })));
  gateway.manager.registerBackend({ id: 'a', url: a!.url });
  await Promise.all(Array.from({ length: 8 }, () => connect(t, gateway.url)));
  gateway.manager.registerBackend({ id: 'b', url: b!.url, maxConnections });
  return gateway;
}

test('a rebalance plans no more than maxConnections lets in, and is over when these have moved', async (t) => {
  const gateway = await startJoined(t, 1);
  const { body } = await gateway.admin('POST', '/backends/b/rebalance');
  assert.deepEqual(body, { backendId: 'b', planned: 1 });
  const { planned, moved } = await gateway.waitFor('backend.rebalanced');
  assert.deepEqual([planned, moved], [1, 1]);
});

test('a backend that becomes full while pipes are moved to it is not tried again and again', async (t) => {
  const gateway = await startJoined(t, null);
  const lease = t.mock.method(gateway.manager.pool, 'lease');
  await gateway.admin('POST', '/backends/b/rebalance?pipesPerSecond=1&timeoutMs=2500');
  gateway.manager.updateBackend('b', { maxConnections: 1 });
  const { planned, moved } = await gateway.waitFor('backend.rebalanced', () => true, 10_000);
  assert.deepEqual([planned, moved], [4, 1]);
  assert.equal(lease.mock.callCount(), 1);
});
