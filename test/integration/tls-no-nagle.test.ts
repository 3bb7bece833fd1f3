import assert from 'node:assert/strict';
import test from 'node:test';
import { certificates } from '../support/certificates.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import type { RawLink } from '../support/raw-link.ts';

const rounds = 24;

/** Milliseconds that the second of two messages takes, in most rounds: the receiver of the first says nothing before it. */
async function secondMessageMs(from: RawLink, to: RawLink): Promise<number> {
  const tookMs: number[] = [];
  for (let n = 0; n < rounds; n += 1) {
    await from.sendText('first');
    await to.nextMessage();
    const at = performance.now();
    await from.sendText('second');
    await to.nextMessage();
    tookMs.push(performance.now() - at);
    // In a conversation acknowledgements wait for something to go with.
    await to.sendText('answer');
    await from.nextMessage();
  }
  return tookMs.sort((one, other) => one - other)[rounds / 2]!;
}

test('Over TLS, to backends and to clients, a small message does not wait until the one before it was acknowledged', async (t) => {
  const { server, ca } = await certificates();
  const gateway = await startGateway(t, { fastify: { https: server }, backendTls: { ca: ca.cert } });
  const backend = await startRawBackend(t, { tls: server, autoPong: true });
  gateway.manager.registerBackend({ url: backend.url });
  const connecting = connectRaw(t, { port: gateway.port, path: '/ws', tls: { ca: ca.cert } });
  const link = await backend.acceptNext();
  const client = await connecting;
  // An acknowledgement is put off for 40 ms at least.
  const toBackend = await secondMessageMs(client, link);
  assert.ok(toBackend < 30, `toBackend: ${toBackend} ms`);
  const toClient = await secondMessageMs(link, client);
  assert.ok(toClient < 30, `toClient: ${toClient} ms`);
});
