import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { sleep, until } from '../support/wait.ts';
import { assertComplete, echoedNumbers } from './failover-scenario.ts';

const KiB = 1024;
const maxBytesPerPipe = 256 * KiB;
const maxTotalBytes = 320 * KiB;
const bytes = 4000;

/** Three clients of a backend that is gone, and what each of them holds. */
async function startThree(t: Owner, onFull: 'close' | 'pause') {
  const gateway = await startGateway(t, {
    maxMessageBytes: 100_000,
    buffer: { maxBytesPerPipe, maxTotalBytes, onFull },
    failover: { backoffMaxMs: 200 },
  });
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const clients: Client[] = [];
  for (const name of ['small', 'large', 'middle']) clients.push(await connect(t, `${gateway.url}?${name}`));
  await backend.kill();
  await until(() => gateway.eventsOf('pipe.interrupted').length === 3);
  const [small, large, middle] = clients as [Client, Client, Client];
  small.sendNumbered({ count: 10, bytes });
  large.sendNumbered({ count: 40, bytes });
  middle.sendNumbered({ count: 20, bytes });
  await until(() => gateway.manager.budget.usedBytes >= 70 * bytes, { what: 'the journals to fill' });
  return { gateway, backend, small, large, middle };
}

function limits(gateway: TestGateway) {
  return gateway.manager.budget.usedBytes < maxTotalBytes + 3 * 64 * KiB;
}

test('at the bound of all together the largest interrupted pipe is closed first, and no more than it takes', async (t) => {
  const { gateway, backend, small, large, middle } = await startThree(t, 'close');
  await sleep(1100);
  assert.ok(large.closeInfo === undefined && middle.closeInfo === undefined, 'not at the bound yet');
  middle.sendNumbered({ count: 20, bytes, prefix: 'more' });
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.reason, 'buffer-full');
  assert.equal((await large.waitClosed()).code, 1013);
  await sleep(200);
  assert.deepEqual([small.closeInfo, middle.closeInfo], [undefined, undefined]);
  assert.ok(limits(gateway));
  await backend.restart();
  await middle.received.count(40, { timeoutMs: 8000 });
  await small.received.count(10);
  await until(() => gateway.manager.budget.usedBytes === 0, { what: 'the budget to be free' });
});

test("with 'pause' all wait at the bound of all together, nothing is lost, and a raised bound lets them go on", async (t) => {
  const { gateway, backend, small, large, middle } = await startThree(t, 'pause');
  middle.sendNumbered({ count: 100, bytes, prefix: 'more' });
  await gateway.waitFor('pipe.paused');
  await sleep(1300);
  assert.ok(limits(gateway), `${gateway.manager.budget.usedBytes} bytes held`);
  small.sendNumbered({ count: 10, bytes, prefix: 'more' });
  await until(() => gateway.eventsOf('pipe.paused').length === 2, { what: 'the small one to be stopped too' });
  await gateway.admin('PATCH', '/config/buffer', { maxTotalBytes: 1024 * KiB });
  await until(() => gateway.manager.pipes().pipes.some(({ journal }) => journal.messages === 20), {
    what: 'the small one to be read on',
  });
  await backend.restart();
  await middle.received.count(120, { timeoutMs: 8000 });
  await large.received.count(40);
  await small.received.count(20);
  assertComplete(echoedNumbers(large), 40, 'large');
  await until(() => gateway.manager.budget.usedBytes === 0, { what: 'the budget to be free' });
  assert.deepEqual(
    [small, middle, large].map((client) => client.closeInfo),
    [undefined, undefined, undefined],
  );
});

test('regression: the bound of all together lowered under what is held applies the policy at once', async (t) => {
  const { gateway, small, large, middle } = await startThree(t, 'close');
  await sleep(1100);
  await gateway.admin('PATCH', '/config/buffer', { maxBytesPerPipe: 200 * KiB, maxTotalBytes: 200 * KiB });
  assert.equal((await large.waitClosed(1000)).code, 1013);
  await sleep(200);
  assert.deepEqual([small.closeInfo, middle.closeInfo], [undefined, undefined]);
});
