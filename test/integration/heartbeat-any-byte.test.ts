import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertFoundInTime, assertNobodyJudged, moreAnswers, recordedOf } from './heartbeat-scenario.ts';

const timeoutMs = 600;
const everyMs = 150;

/** Calls it again and again until the test is over. */
function every(t: { after(fn: () => void): void }, ms: number, fn: () => void): { stop(): void } {
  const timer = setInterval(fn, ms);
  t.after(() => clearInterval(timer));
  return { stop: () => clearInterval(timer) };
}

test('A client whose library never answers pings stays as long as it sends anything, and is dropped when it sends nothing', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 200 }, backend: { intervalMs: 200 } } });
  const backend = await startBackend(t, { echo: false, record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  let sentAt = 0;
  const sending = every(t, everyMs, () => {
    sentAt = performance.now();
    void client.sendText('hello');
  });
  // More than four timeouts by the heartbeat of the other hop.
  await moreAnswers(gateway, 'backend', 13);
  assertNobodyJudged(gateway);
  assert.deepEqual(gateway.eventsOf('heartbeat.missed'), []);
  assert.ok(client.frames.all.filter(({ opcode }) => opcode === 9).length >= 8, 'it was pinged all the while');
  assert.equal(gateway.eventsOf('heartbeat.pong').filter(({ hop }) => hop === 'client').length, 0);

  sending.stop();
  const { event } = await assertFoundInTime(gateway, 'client', sentAt, timeoutMs);
  assert.equal(event.hop, 'client');
  assert.equal((await client.waitClosed()).code, 1006);
});

test('Single bytes of a message that never ends prove life too', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 200 }, backend: { intervalMs: 200 } } });
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  await client.sendFrame({ opcode: 'binary', payload: Buffer.alloc(1), declaredLength: 10_000 });
  every(t, everyMs, () => void client.sendBytes(Buffer.alloc(1)));
  await moreAnswers(gateway, 'backend', 12);
  assertNobodyJudged(gateway);
});

test('A backend that never answers pings stays as long as it sends anything, with a warning, and fails over when it sends nothing', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 200 }, backend: { intervalMs: 200 } } });
  const mute = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  gateway.manager.registerBackend({ id: 'mute', url: mute.url });
  const client = await connect(t, gateway.url);
  const connection = await mute.nextConnection();
  let sentAt = 0;
  const sending = every(t, everyMs, () => {
    sentAt = performance.now();
    void connection.sendText('news');
  });
  await moreAnswers(gateway, 'client', 13);
  assertNobodyJudged(gateway);
  assert.equal(gateway.eventsOf('backend.unacknowledging').length, 1);
  assert.equal(gateway.eventsOf('heartbeat.pong').filter(({ hop }) => hop === 'backend').length, 0);
  assert.ok(connection.frames.all.filter(({ opcode }) => opcode === 9).length >= 8, 'it was pinged all the while');

  const other = await startBackend(t, { tag: 'b' });
  gateway.manager.registerBackend({ id: 'b', url: other.url });
  sending.stop();
  await assertFoundInTime(gateway, 'backend', sentAt, timeoutMs);
  assert.equal((await gateway.waitFor('pipe.restored')).backendId, 'b');
  client.send('hello');
  await client.waitFor('b:hello');
});

test('A missed interval is a warning, once an interval, and the verdict comes only after them', async (t) => {
  const gateway = await startGateway(t, {
    heartbeat: { client: { intervalMs: 200, timeoutMs: 1000 }, backend: { intervalMs: 0 } },
  });
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoPong: false });
  const at = performance.now();
  const { event } = await assertFoundInTime(gateway, 'client', at, 1000);
  const missed = recordedOf(gateway, 'heartbeat.missed').map((one) => one.event);
  // Pings at phase, phase + 200, ...: four or five of them before the verdict, the first of which misses nothing.
  assert.ok(missed.length >= 2 && missed.length <= 4, `${missed.length} warnings`);
  let before = 200 - 0.01;
  for (const { hop, silentMs, timeoutMs: told, pipeId } of missed) {
    assert.deepEqual({ hop, told, pipeId }, { hop: 'client', told: 1000, pipeId: event.pipeId });
    assert.ok(silentMs >= before, `a warning after ${silentMs} ms, the one before it was due at ${before}`);
    before = silentMs + 200 - 62;
  }
  const names = gateway.events.map(({ name }) => name);
  assert.ok(names.lastIndexOf('heartbeat.missed') < names.indexOf('heartbeat.timeout'));
  await client.waitClosed();
});

test('One late answer is one warning and no verdict', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 200, timeoutMs: 2000 } } });
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  await gateway.waitFor('heartbeat.missed');
  const { payload } = client.frames.all.filter(({ opcode }) => opcode === 9).at(-1)!;
  const warnings = gateway.eventsOf('heartbeat.missed').length;
  await client.pong(payload);
  await gateway.waitFor('heartbeat.pong', ({ hop }) => hop === 'client');
  assert.equal(gateway.eventsOf('heartbeat.missed').length, warnings);
  every(t, 50, () => void client.pong('still here'));
  await until(() => client.frames.all.length >= 8, { what: 'more pings' });
  assertNobodyJudged(gateway);
});
