import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('under round-robin the backend that a rebalance has filled gets its turns of later clients, too', async (t) => {
  const gateway = await startGateway(t, { pool: { balancing: 'round-robin' }, drain: { quietMs: 50 } });
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((tag) => startBackend(t, { tag })));
  const connectMany = (count: number) => Promise.all(Array.from({ length: count }, () => connect(t, gateway.url)));
  gateway.manager.registerBackend({ id: 'a', url: a!.url });
  gateway.manager.registerBackend({ id: 'b', url: b!.url });
  await connectMany(18);
  gateway.manager.registerBackend({ id: 'c', url: c!.url });
  await gateway.admin('POST', '/backends/c/rebalance');
  assert.equal((await gateway.waitFor('backend.rebalanced')).moved, 6);
  // When the links that were left have been read out.
  const shares = () => gateway.manager.backends().map(({ connections }) => connections);
  await until(() => shares().join() === '6,6,6', { what: () => `6 each, not ${shares()}` });
  await connectMany(9);
  for (const share of shares()) assert.ok(Math.abs(share - 9) <= 1, `${shares()}, not about 9 each`);
});
