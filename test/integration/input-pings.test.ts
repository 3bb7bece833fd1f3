/** Floods of pings, and JSON pings: they end at the gateway, what only looks like one is relayed. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';

const closing = { handshakeMs: 300, lingerMs: 300 };

async function relay(
  t: TestContext,
  options: TestGatewayOptions = {},
  protocols: readonly string[] = [],
): Promise<{ gateway: TestGateway; client: RawClient; link: RawBackendConnection }> {
  const backend = await startRawBackend(t, { autoClose: true });
  const heartbeat = { client: { intervalMs: 0 }, backend: { intervalMs: 0 } };
  const gateway = await startGateway(t, { backends: [backend.url], heartbeat, closing, ...options });
  const opening = connectRaw(t, { port: gateway.port, path: '/ws', protocols, autoClose: true });
  const link = await backend.acceptNext();
  return { gateway, client: await opening, link };
}
const pongsOf = (client: RawClient) => client.frames.all.filter(({ opcode }) => opcode === 10);
const dataOf = (link: RawBackendConnection | RawClient) =>
  link.frames.all.filter(({ opcode }) => opcode < 8).map(({ text }) => text);

test('a flood of pings gets a bounded number of pongs, and messages still pass', async (t) => {
  const { client, link } = await relay(t, { limits: { controlFramesPerSecond: 0 } });
  for (let n = 0; n < 5000; n += 1) void client.ping(`${n}`);
  await client.sendText('after the flood');
  assert.equal((await link.nextMessage()).text, 'after the flood');
  await link.sendText('answered');
  await client.nextMessage();
  const pongs = pongsOf(client).length;
  assert.ok(pongs >= 1 && pongs <= 200, `${pongs} pongs`);
});

test('JSON pings of a client are answered and not forwarded', async (t) => {
  const { client, link } = await relay(t);
  const padded = ` {"type":"ping"}${' '.repeat(48)}`;
  assert.equal(padded.length, 64);
  for (const ping of ['{"type":"ping"}', '{ "type" : "ping" }\n', padded]) {
    await client.sendText(ping);
    assert.equal((await client.nextMessage()).text, '{"type":"pong"}');
  }
  await client.sendText('end');
  assert.equal((await link.nextMessage()).text, 'end');
  assert.deepEqual(dataOf(link), ['end']);
});

test('what only looks like a JSON ping is forwarded as it came', async (t) => {
  const { client, link } = await relay(t);
  const ping = '{"type":"ping"}';
  const texts = [
    `${ping}${' '.repeat(50)}`,
    '{"type":"ping","id":1}',
    '{"type":"pings"}',
    '{"type":"PING"}',
    '{"type":"pong"}',
    '["type","ping"]',
    `x${ping}`,
    '{"id":1,"type":"ping"}',
    `"${ping}"`,
  ];
  for (const text of texts) await client.sendText(text);
  await client.sendBinary(Buffer.from(ping));
  await client.sendFrame({ fin: false, payload: ping });
  await client.sendFrame({ opcode: 'continuation', payload: '' });
  await client.sendFrame({ fin: false, payload: '' });
  await client.sendFrame({ opcode: 'continuation', payload: ping });
  for (const text of [...texts, ping, ping, ping]) assert.equal((await link.nextMessage()).text, text);
  await link.sendText('end');
  assert.equal((await client.nextMessage()).text, 'end', 'nothing was answered');
});

test("a backend's JSON pings and pongs reach the client", async (t) => {
  const { client, link } = await relay(t);
  for (const text of ['{"type":"ping"}', '{"type":"pong"}']) {
    await link.sendText(text);
    assert.equal((await client.nextMessage()).text, text);
  }
  assert.deepEqual(dataOf(link), []);
});

test('with an application subprotocol JSON pings are the application\u2019s', async (t) => {
  const { client, link } = await relay(t, {}, ['graphql-transport-ws']);
  await client.sendText('{"type":"ping"}');
  assert.equal((await link.nextMessage()).text, '{"type":"ping"}');
});

for (const [json, protocols, forwarded] of [
  ['on', ['graphql-transport-ws'], false],
  ['off', [], true],
] as const) {
  test(`with heartbeat.client.json '${json}' a JSON ping is ${forwarded ? 'forwarded' : 'answered'} in any case`, async (t) => {
    const heartbeat = { client: { intervalMs: 0, json }, backend: { intervalMs: 0 } };
    const { client, link } = await relay(t, { heartbeat }, protocols);
    await client.sendText('{"type":"ping"}');
    await client.sendText('end');
    assert.equal((await link.nextMessage()).text, forwarded ? '{"type":"ping"}' : 'end');
    if (!forwarded) assert.equal((await client.nextMessage()).text, '{"type":"pong"}');
  });
}
