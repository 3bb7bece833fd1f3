/** Backends that break the protocol have failed: the client sees nothing of it. A message over the limit closes the client with 1009. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

const closing = { handshakeMs: 300, lingerMs: 300 };
const half = { payload: 'half of it', declaredLength: 20 } as const;

const breaks: readonly (readonly [name: string, act: (link: RawBackendConnection) => unknown])[] = [
  ['a masked frame', (link) => link.sendFrame({ mask: true, payload: 'x' })],
  ['a reserved bit', (link) => link.sendFrame({ rsv: 4, payload: 'x' })],
  ['a reserved opcode', (link) => link.sendFrame({ opcode: 5, payload: 'x' })],
  ['a continuation of nothing', (link) => link.sendFrame({ opcode: 'continuation', payload: 'x' })],
  ['a ping of 126 bytes', (link) => link.sendFrame({ opcode: 'ping', payload: 'x'.repeat(126) })],
  ['garbage', (link) => link.sendBytes('HTTP/1.1 500 Oops\r\n\r\n')],
  ['a Close with the code 1006', (link) => link.sendClose(1006)],
  [
    'a Close whose reason is not UTF-8',
    (link) => link.sendFrame({ opcode: 'close', payload: Uint8Array.of(3, 232, 0xff) }),
  ],
  ['half a frame and a FIN', (link) => link.sendFrame(half).then(() => link.fin())],
  ['half a frame and a reset', (link) => link.sendFrame(half).then(() => link.reset())],
  [
    'half a fragmented message and a FIN',
    async (link) => {
      await link.sendFrame({ fin: false, payload: 'beginning' });
      link.fin();
    },
  ],
  ['half a header and a FIN', (link) => link.sendBytes(Uint8Array.of(0x81)).then(() => link.fin())],
];
for (const [name, act] of breaks) {
  test(`after ${name} from its backend the client is served by the next and saw only whole messages`, async (t) => {
    const bad = await startRawBackend(t);
    const good = await startRawBackend(t);
    const gateway = await startGateway(t, { backends: [{ url: bad.url, id: 'bad' }], closing });
    const opening = connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
    const first = await bad.acceptNext();
    const client = await opening;
    await first.sendText('whole');
    assert.equal((await client.nextMessage()).text, 'whole');
    gateway.manager.registerBackend({ url: good.url, id: 'good' });
    await act(first);
    const second = await good.acceptNext();
    await second.sendText('from the next');
    assert.equal((await client.nextMessage()).text, 'from the next');
    assert.deepEqual(
      client.frames.all.filter(({ opcode }) => opcode < 8).map(({ text }) => text),
      ['whole', 'from the next'],
    );
    await first.waitClosed();
    assert.equal(gateway.eventsOf('pipe.interrupted')[0]?.backendId, 'bad');
  });
}

test('garbage in one write with the 101 fails that backend, and the next one is taken', async (t) => {
  const bad = await startRawBackend(t, { onConnection: (link) => void link.accept({ after: 'garbage' }) });
  const good = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [bad.url], closing });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
  gateway.manager.registerBackend({ url: good.url });
  const link = await good.acceptNext();
  await client.sendText('on');
  assert.equal((await link.nextMessage()).text, 'on');
});

test('frames in one write with the 101 reach the client', async (t) => {
  const after = encodeFrame({ payload: 'welcome' });
  const backend = await startRawBackend(t, { onConnection: (link) => void link.accept({ after }) });
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
  assert.equal((await client.nextMessage()).text, 'welcome');
});

for (const [name, act] of [
  ['in one frame', (link: RawBackendConnection) => link.sendFrame({ declaredLength: 1001 })],
  [
    'in fragments',
    async (link: RawBackendConnection) => {
      await link.sendFrame({ fin: false, payload: 'x'.repeat(999) });
      await link.sendFrame({ opcode: 'continuation', declaredLength: 2 });
    },
  ],
] as const) {
  test(`a backend's message over the limit, ${name}, closes the client with 1009 and is no failover`, async (t) => {
    const backend = await startRawBackend(t);
    const other = await startRawBackend(t);
    const gateway = await startGateway(t, { backends: [backend.url], maxMessageBytes: 1000, closing });
    const opening = connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
    const link = await backend.acceptNext();
    const client = await opening;
    gateway.manager.registerBackend({ url: other.url });
    await act(link);
    assert.equal((await client.nextClose()).code, 1009);
    const closed = await gateway.waitFor('pipe.closed');
    assert.equal(closed.reason, 'message-too-big');
    await link.waitClosed();
    assert.equal(other.connections.all.length, 0);
    assert.equal(client.frames.all.filter(({ opcode }) => opcode < 8).length, 0);
  });
}
