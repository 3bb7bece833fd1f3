import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { opcodes } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

// Some servers limit how often they are pinged, and leave a ping unanswered.
for (const delivery of ['at-least-once', 'at-most-once'] as const) {
  test(`A drained backend that leaves one ping unanswered keeps no client for that (${delivery})`, async (t) => {
    const gateway = await startGateway(t, {
      delivery,
      heartbeat: { backend: { intervalMs: 0 } },
      closing: { handshakeMs: 300 },
    });
    const old = await startRawBackend(t);
    gateway.manager.registerBackend({ id: 'old', url: old.url });
    const connecting = connectRaw(t, { port: gateway.port, path: '/ws' });
    const link = await old.acceptNext();
    const client = await connecting;
    const nextPing = async () => {
      const frame = await link.nextFrame({ what: 'a ping' });
      assert.equal(frame.opcode, opcodes.ping);
      return frame;
    };
    await client.sendText('one');
    assert.equal((await link.nextMessage()).text, 'one');
    if (delivery === 'at-least-once') await link.pong((await nextPing()).payload);
    await until(() => gateway.manager.pipes().pipes[0]?.journal.messages === 0, { what: 'an empty journal' });
    const next = await startBackend(t, { tag: 'new' });
    gateway.manager.registerBackend({ id: 'new', url: next.url });
    await gateway.admin('DELETE', '/backends/old');
    await nextPing();
    await client.sendText('two');
    await link.pong((await nextPing()).payload);
    assert.equal((await client.nextMessage()).text, 'new:two');
    assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
  });
}
