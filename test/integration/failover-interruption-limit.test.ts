import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { assertNothingLeft, onlyPipe, startPair, untilAcknowledged } from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

test('After failover.maxInterruptionMs without a backend the client is closed with 1013', async (t) => {
  const { a, b, gateway } = await startPair(t, { failover: { maxInterruptionMs: 700 } });
  const client = await connect(t, gateway.url);
  await client.ask('delivered');
  await untilAcknowledged(gateway, onlyPipe(gateway));
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  client.send('lost');
  const from = performance.now();
  assert.equal((await client.waitClosed()).code, 1013);
  const ms = performance.now() - from;
  assert.ok(ms > 600 && ms < 1500, `closed after ${ms} ms`);
  const closed = await gateway.waitFor('pipe.closed');
  assert.deepEqual([closed.reason, closed.undelivered], ['interruption-too-long', 1]);
  await assertReached(gateway, 'holdfast_pipes_closed_total{reason="interruption-too-long"}', 1);
  await assertNothingLeft(gateway);
});

test('The limit counts from the upgrade for a client that never had a backend', async (t) => {
  const gateway = await startGateway(t, { failover: { maxInterruptionMs: 300, handshakeWaitMs: 50 } });
  const client = await connect(t, gateway.url);
  assert.equal((await client.waitClosed()).code, 1013);
  await assertNothingLeft(gateway);
});
