import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const messageBytes = 16_384;
const mib = 1_048_576;
/** What a backend may send behind our Close to a client that is slower. */
const bound = 16 * mib;
const noEnd = Number.POSITIVE_INFINITY;

for (const [what, bytes] of [
  ['answers our Close behind 15 MiB is heard out', 15 * mib],
  ['sends on for ever behind our Close is dropped after 16 MiB', noEnd],
] as const) {
  test(`An old backend that ${what}, by a client that is slower; then the next one is heard`, async (t) => {
    const gateway = await startGateway(t, { buffer: { maxDownstreamBytes: 65_536 } });
    const old = await startRawBackend(t, { autoPong: true });
    gateway.manager.registerBackend({ id: 'old', url: old.url });
    const connecting = connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
    const link = await old.acceptNext();
    const client = await connecting;
    // Reads only while the gateway waits for it.
    gateway.manager.events.on('pipe.paused', () => client.resume());
    gateway.manager.events.on('pipe.resumed', () => client.pause());
    const next = await startBackend(t, { tag: 'new', hello: 'hello of the new one' });
    gateway.manager.registerBackend({ id: 'new', url: next.url });
    await gateway.admin('DELETE', '/backends/old');
    await link.nextClose();

    client.pause();
    let sent = 0;
    const pour = (): void => {
      while (!link.isClosed && sent * messageBytes < bytes) {
        const payload = Buffer.alloc(messageBytes);
        payload.writeUInt32BE(sent);
        sent += 1;
        if (!link.socket.write(encodeFrame({ opcode: 'binary', payload }))) return;
      }
      if (link.isClosed || link.socket.writableEnded) return;
      void link.sendClose(1001);
      link.fin();
    };
    link.socket.on('drain', pour);
    pour();
    await gateway.waitFor('backend.removed', ({ backendId }) => backendId === 'old', 20_000);
    client.resume();
    await until(() => client.frames.all.some(({ text }) => text === 'hello of the new one'));

    const heard = client.frames.all.filter(({ opcode }) => opcode === 2).map(({ payload }) => payload.readUInt32BE());
    assert.deepEqual(
      heard,
      heard.map((_, index) => index),
      'in order, without a hole',
    );
    assert.equal(client.frames.all.at(-1)?.text, 'hello of the new one');
    if (bytes === noEnd) assert.ok(heard.length * messageBytes > bound, `${heard.length} messages were heard`);
    else assert.equal(heard.length, sent);
    assert.ok(gateway.eventsOf('pipe.paused').length > 1, 'the client was slower');
  });
}
