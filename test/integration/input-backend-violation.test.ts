/** What a backend sends with its 101; and a message over the limit, which closes the client with 1009. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

const closing = { handshakeMs: 300, lingerMs: 300 };

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
