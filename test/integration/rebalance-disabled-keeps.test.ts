import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('a rebalance takes pipes from the enabled backends above their share; one that is disabled keeps its own', async (t) => {
  const gateway = await startGateway(t, { drain: { quietMs: 50 } });
  const [a, b, off] = await Promise.all(['a', 'b', 'off'].map((tag) => startBackend(t, { tag })));
  const connectMany = (count: number) => Promise.all(Array.from({ length: count }, () => connect(t, gateway.url)));
  gateway.manager.registerBackend({ id: 'off', url: off!.url });
  const kept = await connectMany(8);
  gateway.manager.updateBackend('off', { adminState: 'disabled' });
  gateway.manager.registerBackend({ id: 'a', url: a!.url });
  await connectMany(6);
  gateway.manager.registerBackend({ id: 'b', url: b!.url });

  const { body } = await gateway.admin('POST', '/backends/b/rebalance');
  assert.deepEqual(body, { backendId: 'b', planned: 3 });
  assert.equal((await gateway.waitFor('backend.rebalanced')).moved, 3);
  // When the links that were left have been read out.
  const shares = () => gateway.manager.backends().map(({ id, connections }) => `${id} ${connections}`);
  await until(() => shares().join() === 'off 8,a 3,b 3', { what: () => `off 8, a 3, b 3, not ${shares()}` });
  for (const client of kept) assert.equal((await client.ask('hello')).text, 'off:hello');
});
