/** A message of endless fragments from a backend is no way around the limits: as with one too large, no other backend is asked for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

for (const [what, payload] of [
  ['empty', ''],
  ['short', 'x'],
] as const) {
  test(`after 1,001 ${what} fragments without an end the client is closed with 1008, and nothing of them has reached it`, async (t) => {
    const bad = await startRawBackend(t);
    const good = await startRawBackend(t);
    const gateway = await startGateway(t, {
      backends: [{ url: bad.url, id: 'bad' }],
      limits: { maxFragments: 1000 },
      closing: { handshakeMs: 300, lingerMs: 300 },
    });
    const opening = connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
    const link = await bad.acceptNext();
    const client = await opening;
    gateway.manager.registerBackend({ url: good.url, id: 'good' });
    const more = encodeFrame({ opcode: 'continuation', fin: false, payload });
    await link.sendFrame({ opcode: 'text', fin: false, payload });
    await link.sendBytes(Buffer.concat(Array.from({ length: 999 }, () => more)));
    await client.sendText('still here');
    assert.equal((await link.nextMessage()).text, 'still here', '1,000 fragments are within the limit');
    assert.deepEqual(gateway.eventsOf('pipe.violated'), []);
    await link.sendBytes(more);

    assert.equal((await client.nextClose()).code, 1008);
    const violated = await gateway.waitFor('pipe.violated');
    assert.deepEqual([violated.hop, violated.backendId, violated.closeCode], ['backend', 'bad', 1008]);
    assert.match(violated.detail, /over 1000 fragments \(limits\.maxFragments\)/);
    assert.equal((await link.nextClose()).code, 1008);
    assert.equal((await gateway.waitFor('pipe.closed')).reason, 'message-too-big');
    assert.equal(good.connections.all.length, 0, 'the next one would send the same');
    assert.equal(client.frames.all.filter(({ opcode }) => opcode < 8).length, 0);
  });
}
