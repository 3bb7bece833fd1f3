import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { onlyPipe } from './failover-scenario.ts';
import { assertNobodyJudged } from './heartbeat-scenario.ts';

const timeoutMs = 1200;

/** A client that stops reading while its backend sends more than all buffers between them take. */
async function setUp(t: TestContext): Promise<{ gateway: TestGateway; client: RawClient }> {
  const gateway = await startGateway(t, {
    heartbeat: { client: { intervalMs: 400, timeoutMs }, backend: { intervalMs: 200, timeoutMs: 60_000 } },
  });
  const backend = await startBackend(t, { echo: false, push: { intervalMs: 4, bytes: 65_536, binary: true } });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  client.pause();
  await gateway.waitFor('pipe.paused', ({ direction }) => direction === 'toClient', 10_000);
  return { gateway, client };
}

test('A client that takes nothing at all is terminated for want of progress within its timeout, and not before', async (t) => {
  const { gateway } = await setUp(t);
  const pipe = onlyPipe(gateway);
  const { body } = await gateway.admin('GET', `/pipes/${pipe.id}`);
  assert.ok((body as { client: { bufferedBytes: number } }).client.bufferedBytes > 0);
  const verdict = await gateway.waitFor('heartbeat.timeout', undefined, timeoutMs + 4000);
  assert.deepEqual(
    { hop: verdict.hop, cause: verdict.cause, timeoutMs: verdict.timeoutMs },
    { hop: 'client', cause: 'no-progress', timeoutMs },
  );
  // Looked at every eighth of the timeout; the verdict itself is timed to the step.
  assert.ok(verdict.silentMs >= timeoutMs - 0.01 && verdict.silentMs <= timeoutMs + 62, `${verdict.silentMs} ms`);
  const closed = await gateway.waitFor('pipe.closed');
  assert.deepEqual(
    { reason: closed.reason, initiator: closed.initiator },
    { reason: 'no-progress', initiator: 'gateway' },
  );
  // Its silence was not held against it: nobody knows what it would have answered to pings it has not read.
  assert.equal(gateway.eventsOf('heartbeat.timeout').length, 1);
});

test('A client that takes a little all the time stays, however far behind it is', async (t) => {
  const { gateway, client } = await setUp(t);
  // Some 64 KiB each time: about 3 MB/s of the 16 MB/s that are sent.
  client.socket.on('data', () => client.pause());
  const timer = setInterval(() => client.resume(), 20);
  t.after(() => clearInterval(timer));
  const behindAt = performance.now();
  const before = client.bytesReceived;
  // Pings of the other hop are the clock: 20 of them are more than three timeouts.
  const pings = () => gateway.eventsOf('heartbeat.ping').filter(({ hop }) => hop === 'backend').length;
  const wanted = pings() + 20;
  const judged = () => gateway.eventsOf('heartbeat.timeout').length > 0;
  await until(() => judged() || pings() >= wanted, { timeoutMs: 20_000, what: 'twenty intervals' });
  assertNobodyJudged(gateway);
  const seconds = (performance.now() - behindAt) / 1000;
  assert.ok(seconds * 1000 >= 3 * timeoutMs, `${seconds} s are too short to say anything`);
  const { body } = await gateway.admin('GET', `/pipes/${onlyPipe(gateway).id}`);
  assert.ok((body as { client: { bufferedBytes: number } }).client.bufferedBytes > 0, 'it is still behind');
  t.diagnostic(
    `${((client.bytesReceived - before) / seconds / 1e6).toFixed(1)} MB/s taken for ${seconds.toFixed(1)} s`,
  );
});
