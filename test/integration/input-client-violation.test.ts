/** Clients that break RFC 6455 or the size limit: closed with the right code from the header alone, and nobody else notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const closing = { handshakeMs: 50, lingerMs: 300 };
const maxMessageBytes = 1000;
const closeFrame = (payload: readonly number[]) => ({ opcode: 'close', payload: Uint8Array.from(payload) }) as const;

const violations: readonly (readonly [name: string, code: number, act: (client: RawClient) => unknown])[] = [
  ...[1, 2, 3, 4, 7].map(
    (rsv) => [`the reserved bits ${rsv}`, 1002, (c: RawClient) => c.sendFrame({ rsv, payload: 'x' })] as const,
  ),
  ['a ping with a reserved bit', 1002, (c) => c.sendFrame({ opcode: 'ping', rsv: 4 })],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    (opcode) => [`the opcode ${opcode}`, 1002, (c: RawClient) => c.sendFrame({ opcode, payload: 'x' })] as const,
  ),
  ['an unmasked text', 1002, (c) => c.sendFrame({ mask: false, payload: 'x' })],
  ['an unmasked empty text', 1002, (c) => c.sendFrame({ mask: false, payload: '' })],
  ['an unmasked ping', 1002, (c) => c.sendFrame({ opcode: 'ping', mask: false })],
  ['an unmasked Close', 1002, (c) => c.sendFrame({ opcode: 'close', mask: false })],
  ['a ping of 126 bytes', 1002, (c) => c.sendFrame({ opcode: 'ping', payload: 'x'.repeat(126) })],
  ['the header of a ping of 126 bytes', 1002, (c) => c.sendBytes(Uint8Array.of(0x89, 0xfe))],
  ['a pong of 126 bytes', 1002, (c) => c.sendFrame({ opcode: 'pong', payload: 'x'.repeat(126) })],
  ['a Close of 126 bytes', 1002, (c) => c.sendFrame({ opcode: 'close', payload: 'x'.repeat(126) })],
  ['a fragmented ping', 1002, (c) => c.sendFrame({ opcode: 'ping', fin: false })],
  ['a fragmented Close', 1002, (c) => c.sendFrame({ opcode: 'close', fin: false })],
  ['a Close of one byte', 1002, (c) => c.sendFrame(closeFrame([3]))],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code) => [`a Close with the code ${code}`, 1002, (c: RawClient) => c.sendClose(code)] as const,
  ),
  ['a Close whose reason is not UTF-8', 1007, (c) => c.sendFrame(closeFrame([3, 232, 0xc3, 0x28]))],
  ['a Close whose reason is cut in a character', 1007, (c) => c.sendFrame(closeFrame([3, 232, 0xe2, 0x82]))],
  ['a continuation of nothing', 1002, (c) => c.sendFrame({ opcode: 'continuation', payload: 'x' })],
  [
    'a new text inside a fragmented one',
    1002,
    async (c) => {
      await c.sendFrame({ fin: false, payload: 'a' });
      await c.sendFrame({ payload: 'b' });
    },
  ],
  [
    'a new binary inside a fragmented text',
    1002,
    async (c) => {
      await c.sendFrame({ fin: false, payload: 'a' });
      await c.sendFrame({ opcode: 'binary', fin: false, payload: 'b' });
    },
  ],
  ['a length of 5 in 16 bits', 1002, (c) => c.sendFrame({ payload: 'hello', lengthEncoding: 16 })],
  ['a length of 5 in 64 bits', 1002, (c) => c.sendFrame({ payload: 'hello', lengthEncoding: 64 })],
  ['a length of 126 in 64 bits', 1002, (c) => c.sendFrame({ payload: 'x'.repeat(126), lengthEncoding: 64 })],
  ['a length with its highest bit set', 1002, (c) => c.sendFrame({ declaredLength: 2n ** 63n, lengthEncoding: 64 })],
  ['a length of 2^63 - 1', 1009, (c) => c.sendFrame({ declaredLength: 2n ** 63n - 1n, lengthEncoding: 64 })],
  ['a message over the limit', 1009, (c) => c.sendFrame({ payload: 'x'.repeat(maxMessageBytes + 1) })],
  ['the header of a message over the limit', 1009, (c) => c.sendFrame({ declaredLength: maxMessageBytes + 1 })],
  [
    'the header, without its mask, of a message over the limit',
    1009,
    (c) => c.sendBytes(Uint8Array.of(0x82, 0xfe, 0x03, 0xe9)),
  ],
  [
    'fragments that are over the limit together',
    1009,
    async (c) => {
      await c.sendFrame({ fin: false, payload: 'x'.repeat(600) });
      await c.sendFrame({ fin: false, opcode: 'continuation', declaredLength: 401 });
    },
  ],
  ['an HTTP request', 1002, (c) => c.sendBytes('GET / HTTP/1.1\r\n\r\n')],
];

test('each violation of a client is answered with its code, after what came before it was delivered', async (t) => {
  const backend = await startRawBackend(t, {
    autoClose: true,
    autoPong: true,
    onConnection: (connection) => void connection.accept(),
  });
  const gateway = await startGateway(t, { backends: [backend.url], maxMessageBytes, closing });
  const bystander = await connect(t, gateway.url);
  const bystanderLink = await backend.nextConnection();
  for (const [name, code, act] of violations) {
    await t.test(name, async (t) => {
      const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
      const link: RawBackendConnection = await backend.nextConnection();
      await client.sendFrame({ fin: false, payload: 'be' });
      await client.sendFrame({ opcode: 'continuation', payload: 'fore' });
      await act(client);
      assert.equal((await client.nextClose()).code, code);
      await client.waitClosed();
      assert.equal((await link.nextMessage()).text, 'before');
      const ended = await link.waitClosed();
      assert.equal(ended.code, 1001, 'the backend is told that the client is gone');
      const data = link.frames.all.filter(({ opcode }) => opcode < 8).map(({ text }) => text);
      assert.deepEqual(data, ['be', 'fore'], 'and gets nothing of the violation');
    });
  }
  bystander.send('unharmed');
  assert.equal((await bystanderLink.nextMessage()).text, 'unharmed');
  const violated = gateway.eventsOf('pipe.violated');
  assert.deepEqual(
    violated.map(({ closeCode }) => closeCode),
    violations.map(([, code]) => code),
  );
  assert.equal(gateway.manager.size, 1);
  assert.equal(backend.connections.all.length, 1 + violations.length, 'no failover');
});

test('a message of exactly the limit passes, in one frame and in many', async (t) => {
  const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  const gateway = await startGateway(t, { backends: [backend.url], maxMessageBytes, closing });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
  const link = await backend.nextConnection();
  await client.sendFrame({ payload: 'x'.repeat(maxMessageBytes) });
  assert.equal((await link.nextMessage()).text.length, maxMessageBytes);
  await client.sendFrame({ fin: false, opcode: 'binary', payload: 'y'.repeat(maxMessageBytes - 1) });
  await client.sendFrame({ fin: false, opcode: 'continuation', payload: '' });
  await client.ping('between');
  await client.sendFrame({ opcode: 'continuation', payload: 'y' });
  const message = await link.nextMessage();
  assert.equal(message.data.length, maxMessageBytes);
  assert.equal(message.type, 'binary');
});

test('a client that goes on sending after its violation is read no further and dropped in time', async (t) => {
  const backend = await startRawBackend(t, { autoClose: true, onConnection: (connection) => void connection.accept() });
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', halfOpen: true });
  await client.sendFrame({ rsv: 7, payload: 'x' });
  assert.equal((await client.nextClose()).code, 1002);
  await client.sendText('more');
  await client.peerEnded;
  await gateway.waitFor('pipe.closed');
  const connections = () => new Promise<number>((resolve) => gateway.app.server.getConnections((_e, n) => resolve(n)));
  let left = 1;
  const count = async () => {
    left = await connections();
  };
  await until(
    () => {
      void count();
      return left === 0;
    },
    { what: 'the connection to be dropped' },
  );
  assert.deepEqual(
    backend.connections.all[0]!.frames.all.filter(({ opcode }) => opcode < 8),
    [],
  );
});

test('frames that come with the upgrade request are relayed, and a violation among them is answered after the 101', async (t) => {
  const backend = await startRawBackend(t, { autoClose: true, onConnection: (connection) => void connection.accept() });
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const early = encodeFrame({ payload: 'early', mask: true });
  const good = await connectRaw(t, { port: gateway.port, path: '/ws', after: early, autoClose: true });
  assert.equal((await (await backend.nextConnection()).nextMessage()).text, 'early');
  const bad = await connectRaw(t, {
    port: gateway.port,
    path: '/ws',
    after: Buffer.concat([early, Buffer.from('garbage')]),
  });
  assert.equal((await bad.nextClose()).code, 1002);
  assert.equal((await (await backend.nextConnection()).nextMessage()).text, 'early');
  assert.equal(good.isClosed, false);
});
