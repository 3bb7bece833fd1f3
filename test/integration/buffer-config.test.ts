import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendProcess } from '../support/backend-process.ts';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { opcodes } from '../support/frame-codec.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { sleep, until } from '../support/wait.ts';
import { assertExact, echoedNumbers, numbersOf } from './failover-scenario.ts';

const KiB = 1024;
/** Node reads at most so much at one time. */
const oneRead = 64 * KiB;

interface Stage {
  readonly gateway: TestGateway;
  readonly backend: BackendProcess;
  readonly client: Client;
}

async function start(
  t: Owner,
  { buffer, ...options }: Pick<TestGatewayOptions, 'buffer' | 'maxMessageBytes'> = {},
): Promise<Stage> {
  const gateway = await startGateway(t, {
    ...options,
    buffer: { maxBytesPerPipe: 64 * KiB, ...buffer },
    heartbeat: { backend: { intervalMs: 0 } },
  });
  const backend = await startBackend(t, { record: { textBytes: 64 } });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  return { gateway, backend, client };
}

function held(gateway: TestGateway): { messages: number; bytes: number; maxBytes: number } {
  return gateway.manager.pipes().pipes[0]!.journal;
}

async function patch(gateway: TestGateway, body: unknown, headers?: Record<string, string>) {
  const answer = await gateway.admin('PATCH', '/config/buffer', body, headers);
  return { ...answer, body: answer.body as Record<string, unknown> };
}

test('a raised bound lets a stopped client go on at once, a lowered one throws nothing away', async (t) => {
  const { gateway, backend, client } = await start(t);
  await backend.freeze();
  client.sendNumbered({ count: 100, bytes: 4000 });
  await gateway.waitFor('pipe.paused', ({ direction }) => direction === 'toBackend');
  assert.ok(held(gateway).bytes < 64 * KiB + oneRead);

  const raised = await patch(gateway, { maxBytesPerPipe: 1024 * KiB });
  assert.equal(raised.status, 200);
  assert.deepEqual([raised.body['maxBytesPerPipe'], raised.body['revision'], raised.body['pipes']], [1024 * KiB, 2, 1]);
  await gateway.waitFor('pipe.resumed', ({ direction }) => direction === 'toBackend');
  await until(() => held(gateway).messages === 100, { what: 'all 100 to be taken in' });
  assert.equal(held(gateway).maxBytes, 1024 * KiB);

  await patch(gateway, { maxBytesPerPipe: 64 * KiB });
  client.sendNumbered({ count: 400, bytes: 4000, prefix: 'more' });
  await until(() => gateway.manager.pipes().pipes[0]!.client!.paused, { what: 'the client to be stopped' });
  assert.ok(held(gateway).messages >= 100 && held(gateway).bytes < 500 * KiB + oneRead);
  assert.equal(client.closeInfo, undefined);
  backend.thaw();
  await client.received.count(500, { timeoutMs: 10_000 });
  const numbers = numbersOf(backend.received()[0]!);
  assertExact(numbers.slice(0, 100), 100, 'before');
  assertExact(numbers.slice(100), 400, 'after');
  await until(() => gateway.manager.budget.usedBytes === 0, { what: 'the budget to be free' });
});

test('the policy changed to pause saves a client, changed back to close it ends one that waits at the bound', async (t) => {
  const { gateway, backend, client } = await start(t);
  await backend.kill();
  await gateway.waitFor('pipe.interrupted');
  await patch(gateway, { onFull: 'pause' });
  client.sendNumbered({ count: 100, bytes: 4000 });
  await gateway.waitFor('pipe.paused');
  await sleep(1300);
  assert.equal(client.closeInfo, undefined, 'it waits');
  await patch(gateway, { onFull: 'close' });
  const { code } = await client.waitClosed(1000);
  assert.equal(code, 1013);
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.reason, 'buffer-full');
  assert.ok(closed.undelivered > 0);
});

test('regression: a bound lowered under what an interrupted pipe holds applies the policy, though the client sends nothing more', async (t) => {
  const { gateway, backend, client } = await start(t, { buffer: { maxBytesPerPipe: 1024 * KiB } });
  await backend.kill();
  await gateway.waitFor('pipe.interrupted');
  client.sendNumbered({ count: 50, bytes: 4000 });
  await until(() => held(gateway).messages === 50);
  await sleep(1200);
  await patch(gateway, { maxBytesPerPipe: 64 * KiB });
  assert.equal((await client.waitClosed(1000)).code, 1013);
});

test('bounds that contradict each other are refused, as are unknown keys and stale revisions; nothing has changed then', async (t) => {
  const { gateway, backend, client } = await start(t, { maxMessageBytes: 20_000 });
  const before = (await gateway.admin('GET', '/config/buffer')).body;
  const refusals: [unknown, Record<string, string>, number, string][] = [
    [{ maxBytesPerPipe: 30_000 }, {}, 400, 'HOLDFAST_ERR_BUFFER'],
    [{ maxTotalBytes: 32 * KiB }, {}, 400, 'HOLDFAST_ERR_BUFFER'],
    [{ maxBytesPerPipe: 2 ** 31, maxTotalBytes: 2 ** 30 }, {}, 400, 'HOLDFAST_ERR_BUFFER'],
    [{ maxBytesPerPipe: '70000' }, {}, 400, 'HOLDFAST_ERR_VALIDATION'],
    [{ maxBytes: 70_000 }, {}, 400, 'HOLDFAST_ERR_VALIDATION'],
    [{ onFull: 'drop' }, {}, 400, 'HOLDFAST_ERR_VALIDATION'],
    [{}, {}, 400, 'HOLDFAST_ERR_VALIDATION'],
    [{ onFull: 'pause' }, { 'if-match': '"7"' }, 412, 'HOLDFAST_ERR_REVISION_STALE'],
  ];
  for (const [body, headers, status, code] of refusals) {
    const answer = await patch(gateway, body, headers);
    assert.deepEqual([answer.status, answer.body['code']], [status, code], JSON.stringify(body));
  }
  assert.deepEqual((await gateway.admin('GET', '/config/buffer')).body, before);
  assert.equal(gateway.eventsOf('config.changed').length, 0);
  const answer = await patch(gateway, { onFull: 'pause', maxDownstreamBytes: 2048 }, { 'if-match': '"1"' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('etag'), '"2"');
  assert.equal(gateway.eventsOf('config.changed')[0]?.section, 'buffer');
  await client.ask('still there');
  assert.deepEqual(backend.receivedTexts(), ['still there']);
});

test('where maxMessageBytes is not set, half of the bound is the limit of a message, at once and on every connection', async (t) => {
  const { gateway, client } = await start(t);
  const early = await connect(t, gateway.url);
  assert.equal((await patch(gateway, { maxBytesPerPipe: 400 * KiB })).status, 200);
  const large = 'x'.repeat(200 * KiB);
  assert.equal((await client.ask(large)).text.length, large.length);

  assert.equal((await patch(gateway, { maxBytesPerPipe: 32 * KiB })).status, 200);
  const fits = 'x'.repeat(16 * KiB);
  assert.equal((await client.ask(fits)).text.length, fits.length);
  client.send(`${fits}x`);
  assert.equal((await client.waitClosed()).code, 1009);
  assert.equal(early.closeInfo, undefined);
  early.send('burst:1:20000');
  assert.equal((await early.waitClosed()).code, 1009, 'of the backend as well');
});

test('regression: a message whose first fragment was allowed comes to its end, though the bound was lowered meanwhile', async (t) => {
  const raw = await startRawBackend(t, { autoPong: true });
  const gateway = await startGateway(t, { backends: [raw.url], buffer: { maxBytesPerPipe: 400 * KiB } });
  const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
  const ends = [await raw.acceptNext(), await opening] as const;
  const part = 'x'.repeat(50 * KiB);
  for (const end of ends) {
    await end.sendFrame({ opcode: 'binary', fin: false, payload: part });
    await end.ping();
    await until(() => end.frames.all.some(({ opcode }) => opcode === opcodes.pong), {
      what: 'the fragment to be read',
    });
    await end.sendFrame({ opcode: 'continuation', fin: false, payload: part, declaredLength: 60 * KiB });
  }
  await until(() => gateway.manager.budget.usedBytes > 100 * KiB, { what: 'the half frame to be read' });
  assert.equal((await patch(gateway, { maxBytesPerPipe: 32 * KiB })).status, 200);
  for (const [n, end] of ends.entries()) {
    await end.sendBytes(Buffer.alloc(10 * KiB));
    await end.sendFrame({ opcode: 'continuation', payload: part });
    assert.equal((await ends[1 - n]!.nextMessage()).data.length, 160 * KiB);
  }
  await ends[1].sendText(part);
  assert.equal((await ends[1].nextClose()).code, 1009, 'the next one');
});

test('a lowered downstream bound holds for a client that is slow now', async (t) => {
  const { gateway, client } = await start(t);
  client.ws.pause();
  client.send('burst:1000:16000');
  await gateway.waitFor('pipe.paused', ({ direction }) => direction === 'toClient');
  await patch(gateway, { maxDownstreamBytes: 32 * KiB });
  client.ws.resume();
  await client.received.count(1000, { timeoutMs: 10_000 });
  assertExact(echoedNumbers(client), 1000, 'the burst');
});
