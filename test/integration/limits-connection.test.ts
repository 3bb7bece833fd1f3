/** What one connection may do: each limit is hit, the client is told by its code, metric and event count it, and others are not touched. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertLimited, limited } from './limits-scenario.ts';

const heartbeat = { client: { intervalMs: 0 }, backend: { intervalMs: 0 } };

async function stage(t: TestContext, options: TestGatewayOptions) {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { backends: [backend.url], heartbeat, ...options });
  const good = await connect(t, gateway.url);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  return { backend, gateway, good, client };
}

async function closedWith(client: RawClient, code: number): Promise<void> {
  assert.equal((await client.nextClose()).code, code);
  await client.waitClosed();
}

test('limits.maxFragments: a message of more frames closes the client with 1008', async (t) => {
  const { gateway, good, client, backend } = await stage(t, { limits: { maxFragments: 50 } });
  for (let n = 0; n < 50; n += 1)
    await client.sendFrame({ opcode: n === 0 ? 'text' : 'continuation', fin: n === 49, payload: 'x' });
  assert.equal((await client.nextMessage()).text, 'x'.repeat(50));
  for (let n = 0; n < 51; n += 1)
    await client.sendFrame({ opcode: n === 0 ? 'text' : 'continuation', fin: false, payload: '' });
  await closedWith(client, 1008);
  await assertLimited(gateway, 'fragments', 1);
  assert.equal((await gateway.waitFor('pipe.closed')).reason, 'limit-exceeded');
  assert.equal((await good.ask('still here')).text, 'still here');
  assert.deepEqual([...backend.receivedTexts()].sort(), ['still here', 'x'.repeat(50)]);
});

test('limits.messageTimeoutMs: one byte a second of a message is 1008; pings between them and earlier messages change nothing', async (t) => {
  const { gateway, client } = await stage(t, { limits: { messageTimeoutMs: 600 } });
  await client.sendText('a whole one before');
  await client.nextMessage();
  await client.sendFrame({ opcode: 'text', payload: 'of which', declaredLength: 1000 });
  const began = performance.now();
  const drip = setInterval(() => void client.sendBytes(Buffer.from('x')), 50);
  t.after(() => clearInterval(drip));
  await closedWith(client, 1008);
  const tookMs = performance.now() - began;
  assert.ok(tookMs > 550, `after ${tookMs} ms`);
  await assertLimited(gateway, 'message-time', 1);
});

test('limits.messageTimeoutMs: many messages in pieces, each in time, are never late', async (t) => {
  const { gateway, client } = await stage(t, { limits: { messageTimeoutMs: 500, controlFramesPerSecond: 0 } });
  const until = performance.now() + 1500;
  for (let n = 0; performance.now() < until; n += 1) {
    const text = `${n} `.repeat(200);
    await client.sendFrame({ opcode: 'text', fin: false, payload: text.slice(0, 100) });
    await client.ping('between');
    await client.sendFrame({ opcode: 'continuation', payload: text.slice(100) });
    assert.equal((await client.nextMessage()).text, text);
  }
  assert.equal(await limited(gateway, 'message-time'), 0);
});

test('limits.controlFramesPerSecond: a flood of pings, of pongs and of JSON pings is 1008', async (t) => {
  const { gateway, good } = await stage(t, { limits: { controlFramesPerSecond: 5 } });
  for (const [n, flood] of [
    (client: RawClient) => client.ping(''),
    (client: RawClient) => client.pong(''),
    (client: RawClient) => client.sendText('{"type":"ping"}'),
  ].entries()) {
    const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
    for (let sent = 0; sent < 50; sent += 1) await flood(client);
    await client.sendText('ten seconds\u2019 worth at once is nothing');
    assert.equal(
      (await client.nextMessage().then(skipPongs(client))).text,
      'ten seconds\u2019 worth at once is nothing',
    );
    for (let sent = 0; sent < 5; sent += 1) void flood(client);
    await closedWith(client, 1008);
    await assertLimited(gateway, 'control-frames', n + 1);
  }
  assert.equal((await good.ask('still here')).text, 'still here');
});

test('limits.pongsPerSecond: beyond it pings of clients and of backends are left unanswered, and counted', async (t) => {
  const raw = await startRawBackend(t, { autoClose: true });
  const limits = { pongsPerSecond: 2, controlFramesPerSecond: 0 };
  const gateway = await startGateway(t, { backends: [raw.url], heartbeat, limits });
  const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
  const link = await raw.acceptNext();
  const client = await opening;
  for (const end of [client, link]) {
    const other = end === client ? link : client;
    for (let n = 0; n < 500; n += 1) void end.ping(`${n}`);
    await end.sendText('behind them');
    assert.equal((await other.nextMessage()).text, 'behind them');
    const pongs = end.frames.all.filter(({ opcode }) => opcode === 10).length;
    assert.ok(pongs >= 1 && pongs <= 20, `${pongs} pongs`);
  }
  assert.ok((await limited(gateway, 'pongs')) >= 960);
  const told = gateway.eventsOf('limit.reached').filter(({ limit }) => limit === 'pongs');
  assert.ok(told.length >= 1 && told.length < 20, `${told.length} events`);
});

test('limits.messagesPerSecond: a client that sends more is read more slowly; nothing is lost and nobody is closed', async (t) => {
  const { gateway, client, backend, good } = await stage(t, { limits: { messagesPerSecond: 200 } });
  const texts = Array.from({ length: 500 }, (_, n) => `${n}`);
  const began = performance.now();
  for (const text of texts) void client.sendText(text);
  await gateway.waitFor('limit.reached', ({ limit }) => limit === 'messages');
  // The other one is not held back: it is answered before all of the first have been read.
  assert.equal((await good.ask('meanwhile')).text, 'meanwhile');
  assert.ok(backend.receivedTexts().length < 1 + texts.length);
  for (const text of texts) assert.equal((await client.nextMessage()).text, text);
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds > 1.2, `500 messages took ${seconds} s; 200 may come at once, and 200 a second`);
  assert.deepEqual(
    backend.receivedTexts().filter((text) => text !== 'meanwhile'),
    texts,
  );
  assert.ok((await limited(gateway, 'messages')) >= 1);
  assert.ok(
    gateway.eventsOf('limit.reached').some(({ limit, pipeId }) => limit === 'messages' && pipeId !== undefined),
  );
});

test('maxMessageBytes: the header of a message that is too big is enough for 1009', async (t) => {
  const { gateway, client } = await stage(t, { maxMessageBytes: 1000 });
  await client.sendFrame({ opcode: 'binary', payload: '', declaredLength: 1001 });
  await closedWith(client, 1009);
  await assertLimited(gateway, 'message-bytes', 1);
});

test('closing.handshakeMs: a client that does not answer a Close is dropped', async (t) => {
  const { gateway, client } = await stage(t, { closing: { handshakeMs: 200 } });
  const [first, second] = gateway.manager.pipes().pipes;
  assert.ok(first !== undefined && second !== undefined);
  gateway.manager.closePipe(second.id, { code: 4000 });
  assert.equal((await client.nextClose()).code, 4000);
  await client.waitClosed();
  await assertLimited(gateway, 'close-time', 1);
});

test('resume.startTimeoutMs: a client of holdfast.v1 that does not say what it wants is closed with 4400, and its slot is free', async (t) => {
  const { gateway } = await stage(t, { resume: { startTimeoutMs: 200 } });
  const mute = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
  assert.equal(gateway.manager.entrance.arriving, 1);
  assert.equal((await mute.waitClosed()).code, 4400);
  await assertLimited(gateway, 'start-time', 1);
  await until(() => gateway.manager.entrance.arriving === 0, { what: 'the slot to be free' });
});

/** nextMessage passes over control frames; JSON pongs are texts. */
function skipPongs(client: RawClient) {
  return async (message: { text: string }): Promise<{ text: string }> => {
    let next = message;
    while (next.text === '{"type":"pong"}') next = await client.nextMessage();
    return next;
  };
}
