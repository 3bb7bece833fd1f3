/** Clients that break RFC 6455 or the size limit: who is told, and what comes behind or before. Each rule: test/conformance. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const closing = { handshakeMs: 50, lingerMs: 300 };

const violations: readonly (readonly [name: string, code: number, act: (client: RawClient) => unknown])[] = [
  ['a reserved bit', 1002, (c) => c.sendFrame({ rsv: 1, payload: 'x' })],
  ['the header of a ping of 126 bytes', 1002, (c) => c.sendBytes(Uint8Array.of(0x89, 0xfe))],
  [
    'a Close whose reason is not UTF-8',
    1007,
    (c) => c.sendFrame({ opcode: 'close', payload: Uint8Array.of(3, 232, 0xff) }),
  ],
  [
    'the header, without its mask, of a message over the limit',
    1009,
    (c) => c.sendBytes(Uint8Array.of(0x82, 0xfe, 0x03, 0xe9)),
  ],
];

test('violations of clients are told with their code, from what of the header is here; nobody else notices', async (t) => {
  const backend = await startRawBackend(t, {
    autoClose: true,
    autoPong: true,
    onConnection: (connection) => void connection.accept(),
  });
  const gateway = await startGateway(t, { backends: [backend.url], maxMessageBytes: 1000, closing });
  const bystander = await connect(t, gateway.url);
  const bystanderLink = await backend.nextConnection();
  for (const [name, code, act] of violations) {
    const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
    const link = await backend.nextConnection();
    await act(client);
    assert.equal((await client.nextClose()).code, code, name);
    await client.waitClosed();
    assert.equal((await link.waitClosed()).code, 1001, 'the backend is told that the client is gone');
  }
  bystander.send('unharmed');
  assert.equal((await bystanderLink.nextMessage()).text, 'unharmed');
  assert.deepEqual(
    gateway.eventsOf('pipe.violated').map(({ hop, closeCode }) => [hop, closeCode]),
    violations.map(([, code]) => ['client', code]),
  );
  assert.equal(gateway.manager.size, 1);
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
