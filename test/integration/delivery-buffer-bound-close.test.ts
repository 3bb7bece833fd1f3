import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, onlyPipe, startPair, untilAcknowledged } from './failover-scenario.ts';

const maxBytesPerPipe = 256 * 1024;

test("At the bound, with no backend for over a second, the policy 'close' closes the client with 1013 and says what was not delivered", async (t) => {
  const { a, b, gateway } = await startPair(t, { buffer: { maxBytesPerPipe, onFull: 'close' } });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  await client.ask('delivered');
  await untilAcknowledged(gateway, pipe);
  await Promise.all([a.kill(), b.kill()]);
  const interruptedAt = performance.now();
  await gateway.waitFor('pipe.interrupted');
  client.sendNumbered({ count: 100, bytes: 10_000 });
  // Full long before a second has passed: the client stays until the first round of dials is over.
  const paused = await gateway.waitFor('pipe.paused');
  assert.ok(performance.now() - interruptedAt < 900, 'full before the second is over');
  assert.equal(paused.direction, 'toBackend');
  assert.equal(client.closeInfo, undefined);
  const { code } = await client.waitClosed();
  const ms = performance.now() - interruptedAt;
  assert.equal(code, 1013);
  assert.ok(ms >= 900, `closed ${ms} ms after the interruption began`);
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.reason, 'buffer-full');
  assert.equal(closed.initiator, 'gateway');
  assert.equal(closed.undelivered, closed.messagesToBackend - 1);
  assert.ok(closed.undelivered >= 25, `${closed.undelivered} undelivered`);
  assert.ok(paused.bufferedBytes >= maxBytesPerPipe && paused.bufferedBytes <= maxBytesPerPipe + 65_536);
  await assertNothingLeft(gateway);
});

test('A backend that is back within the first second saves a client whose buffer is full', async (t) => {
  const { a, b, gateway } = await startPair(t, { buffer: { maxBytesPerPipe, onFull: 'close' } });
  const client = await connect(t, gateway.url);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  client.sendNumbered({ count: 60, bytes: 10_000 });
  await gateway.waitFor('pipe.paused');
  await b.restart();
  await client.received.count(60, { timeoutMs: 8000 });
  assert.equal(client.closeInfo, undefined);
  await until(() => gateway.manager.budget.usedBytes === 0);
});
