import assert from 'node:assert/strict';
import test from 'node:test';
import type { EventName } from '../../src/observe/events.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, onlyPipe, startPair, untilAcknowledged } from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

const maxBytesPerPipe = 256 * 1024;

test("At the bound, with no backend for over a second, the policy 'close' closes the client with 1013 and says what was not delivered", async (t) => {
  const { a, b, gateway } = await startPair(t, { buffer: { maxBytesPerPipe, onFull: 'close' } });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  await client.ask('delivered');
  await untilAcknowledged(gateway, pipe);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  client.sendNumbered({ count: 100, bytes: 10_000 });
  const paused = await gateway.waitFor('pipe.paused');
  assert.equal(paused.direction, 'toBackend');
  const { code } = await client.waitClosed();
  assert.equal(code, 1013);
  const closed = await gateway.waitFor('pipe.closed');
  // Full long before a second has passed: the client stays until the first round of dials is over.
  const at = (name: EventName): number => gateway.events.find((one) => one.name === name)!.at;
  const ms = at('pipe.closed') - at('pipe.interrupted');
  assert.ok(ms >= 1000, `closed ${ms} ms after the interruption began`);
  assert.equal(closed.reason, 'buffer-full');
  await assertReached(gateway, 'holdfast_pipes_closed_total{reason="buffer-full"}', 1);
  assert.equal(closed.initiator, 'gateway');
  assert.equal(closed.undelivered, closed.messagesToBackend - 1);
  assert.ok(closed.undelivered >= 25, `${closed.undelivered} undelivered`);
  assert.ok(paused.bufferedBytes >= maxBytesPerPipe && paused.bufferedBytes <= maxBytesPerPipe + 65_536);
  await assertNothingLeft(gateway);
});

test('A backend that is back within the first second saves a client whose buffer is full', async (t) => {
  const gateway = await startGateway(t, { buffer: { maxBytesPerPipe, onFull: 'close' } });
  const backend = await startBackend(t);
  // Out of reach and back at once: a process that is started anew may need the second for itself.
  const relay = await startRelay(t, { targetPort: backend.port });
  gateway.manager.registerBackend({ url: relay.url });
  const client = await connect(t, gateway.url);
  relay.partition();
  relay.reset();
  await gateway.waitFor('pipe.interrupted');
  client.sendNumbered({ count: 60, bytes: 10_000 });
  await gateway.waitFor('pipe.paused');
  relay.heal();
  await client.received.count(60, { timeoutMs: 30_000 });
  assert.equal(client.closeInfo, undefined);
  await until(() => gateway.manager.budget.usedBytes === 0);
});
