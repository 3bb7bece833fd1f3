import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';
import { assertComplete, numbersOf } from './failover-scenario.ts';

/** One way. */
const delayMs = 800;
const intervalMs = 400;

test('regression: a backend that freezes after its first bytes, before it has answered a ping, is not taken for one that never answers any', async (t) => {
  const gateway = await startGateway(t, {
    heartbeat: { backend: { intervalMs } },
    pool: { balancing: 'round-robin' },
    failover: { handshakeWaitMs: 5000 },
  });
  const far = await startBackend(t, { tag: 'far', push: { intervalMs: 10 } });
  const near = await startBackend(t, { tag: 'near', record: true });
  const relay = await startRelay(t, { targetPort: far.port });
  relay.delay(delayMs);
  gateway.manager.registerBackend({ id: 'far', url: `ws://127.0.0.1:${relay.port}` });
  const client = await connect(t, gateway.url);
  gateway.manager.registerBackend({ id: 'near', url: near.url });
  const run = client.sendNumbered({ count: 100 });
  await run.done;
  // A ping is on its way; what the backend has sent meanwhile comes after it has left, and no pong ever will.
  await far.freeze();
  const interrupted = await gateway.waitFor('pipe.interrupted');
  assert.deepEqual([interrupted.backendId, interrupted.reason], ['far', 'heartbeat-timeout']);
  assert.ok(interrupted.journalMessages >= 100, `${interrupted.journalMessages} messages were kept`);
  assert.deepEqual(gateway.eventsOf('backend.unacknowledging'), []);
  await gateway.waitFor('pipe.restored', ({ backendId }) => backendId === 'near');
  await until(() => near.received().some((one) => numbersOf(one).length >= 100), { what: 'all messages at the next' });
  assertComplete(numbersOf(near.received()[0]!), 100, 'at the next backend');
});
