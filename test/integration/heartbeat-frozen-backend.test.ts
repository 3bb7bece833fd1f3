import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { startPair } from './failover-scenario.ts';
import { assertFoundInTime, recordedOf } from './heartbeat-scenario.ts';
import { assertReached } from './limits-scenario.ts';

const timeoutMs = 900;

test('A backend stopped with SIGSTOP under idle pipes is found within its timeout, and each of them fails over', async (t) => {
  const { a, gateway } = await startPair(t, {
    heartbeat: { backend: { intervalMs: 300 } },
    pool: { balancing: 'least-connections' },
  });
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, gateway.url)));
  const frozen = gateway.manager.backends().find(({ id }) => id === 'a')!.connections;
  assert.equal(frozen, 3);
  await gateway.waitFor('heartbeat.pong', ({ hop, backendId }) => hop === 'backend' && backendId === 'a');

  const at = performance.now();
  await a.freeze();
  const { event, foundMs } = await assertFoundInTime(gateway, 'backend', at, timeoutMs);
  assert.equal(event.backendId, 'a');
  const interrupted = await gateway.waitFor('pipe.interrupted');
  assert.equal(interrupted.reason, 'heartbeat-timeout');
  for (const client of clients) assert.match((await client.ask('still there?', { timeoutMs: 8000 })).text, /^b:still/);

  assert.equal(gateway.eventsOf('heartbeat.timeout').length, frozen);
  await assertReached(gateway, 'holdfast_heartbeat_timeouts_total{hop="backend"}', frozen);
  assert.ok(gateway.eventsOf('heartbeat.timeout').every(({ backendId }) => backendId === 'a'));
  assert.equal(recordedOf(gateway, 'pipe.closed').length, 0);
  t.diagnostic(`found after ${foundMs.toFixed(0)} ms, ${event.silentMs.toFixed(0)} ms of silence`);
});
