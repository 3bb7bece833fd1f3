import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';
import { assertExact, echoedNumbers, onlyPipe, untilAcknowledged } from './failover-scenario.ts';

test('Acknowledgements come also from a backend that is farther away than the heartbeat interval', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { backend: { intervalMs: 100, timeoutMs: 3000 } } });
  const backend = await startBackend(t);
  const relay = await startRelay(t, { targetPort: backend.port });
  relay.delay(200);
  gateway.manager.registerBackend({ id: 'far', url: relay.url });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 20, count: 80 });
  // While the heartbeats go on: a journal that only empties when the client falls silent would fill.
  await until(() => gateway.eventsOf('heartbeat.pong').length >= 8);
  assert.ok(pipe.upstream.journal.acknowledged > 0, 'something is acknowledged');
  await run.done;
  await client.received.count(80);
  assertExact(echoedNumbers(client), 80, 'answers');
  await untilAcknowledged(gateway, pipe);
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
});
