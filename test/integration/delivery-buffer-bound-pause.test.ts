import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { assertExact, echoedNumbers, onlyPipe, startPair, viewOf, watchMost } from './failover-scenario.ts';

const maxBytesPerPipe = 256 * 1024;
/** Node reads at most so much at one time. */
const oneRead = 65_536;

test("At the bound the policy 'pause' stops reading the client, whose own buffer fills; later all is delivered, in order", async (t) => {
  const { a, b, gateway } = await startPair(t, { buffer: { maxBytesPerPipe, onFull: 'pause' } });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  const most = watchMost(t, () => gateway.manager.budget.usedBytes);
  // 20 MB: more than the gateway may hold and the kernel takes.
  const count = 1000;
  client.sendNumbered({ count, bytes: 20_000 });
  const paused = await gateway.waitFor('pipe.paused');
  await until(() => (viewOf(gateway, pipe).interruptedMs ?? 0) > 1200, { what: 'the policy to be applied' });
  assert.equal(client.closeInfo, undefined);
  assert.equal(viewOf(gateway, pipe).client?.paused, true);
  assert.ok(client.ws.bufferedAmount > 1_000_000, `${client.ws.bufferedAmount} bytes wait at the client`);
  assert.ok(paused.bufferedBytes <= maxBytesPerPipe + oneRead);
  await b.restart();
  await client.received.count(count, { timeoutMs: 15_000 });
  assertExact(echoedNumbers(client), count, 'answers');
  assert.ok(client.numbered.every(({ whole }) => whole));
  assert.ok(most() <= maxBytesPerPipe + oneRead, `never over the bound by more than a read: ${most()}`);
  await gateway.waitFor('pipe.resumed');
  await until(() => gateway.manager.budget.usedBytes === 0);
  t.diagnostic(`most held ${most()} bytes of ${maxBytesPerPipe}`);
});
