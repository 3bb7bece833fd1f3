import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startProcessClient } from '../support/process-client.ts';
import { until } from '../support/wait.ts';
import { assertFoundInTime } from './heartbeat-scenario.ts';
import { assertReached } from './limits-scenario.ts';

const timeoutMs = 900;

test('A client stopped with SIGSTOP is found within its timeout and dropped, its backend is told, and the others stay', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 300 } } });
  const backend = await startBackend(t, { record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const healthy = await connect(t, gateway.url);
  const frozen = await startProcessClient(t, gateway.url);
  const [, pipe] = [...gateway.manager];
  await gateway.waitFor('heartbeat.pong', ({ hop, pipeId }) => hop === 'client' && pipeId === pipe!.id);

  const at = performance.now();
  await frozen.freeze();
  const { event, foundMs } = await assertFoundInTime(gateway, 'client', at, timeoutMs);
  assert.equal(event.pipeId, pipe!.id);
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.pipeId, pipe!.id);
  assert.equal(closed.reason, 'heartbeat-timeout');
  assert.equal(closed.initiator, 'gateway');
  assert.equal(closed.closeCode, 1006);
  await assertReached(gateway, 'holdfast_heartbeat_timeouts_total{hop="client"}', 1);
  await until(
    () => backend.received().find(({ headers }) => headers['holdfast-pipe'] === pipe!.id)?.closed !== undefined,
    {
      what: 'the backend to be told',
    },
  );

  frozen.thaw();
  assert.equal((await frozen.waitClosed()).code, 1006);
  await healthy.ask('still there?');
  assert.equal(gateway.manager.size, 1);
  t.diagnostic(`found after ${foundMs.toFixed(0)} ms, ${event.silentMs.toFixed(0)} ms of silence`);
});
