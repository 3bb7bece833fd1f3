/** What our own event loop stands still is nobody's failure: an answer that came meanwhile lies unread, and is read before the time is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

/** Longer than each of the time limits here. */
const stallMs = 900;
const limitMs = 500;

/** This process, the gateway with it, does nothing for so long. */
function standStill(): void {
  const end = performance.now() + stallMs;
  while (performance.now() < end);
}

test('a backend whose answer to a dial came while the gateway stood still has not failed', async (t) => {
  const gateway = await startGateway(t, { pool: { dialTimeoutMs: limitMs }, closing: { handshakeMs: 200 } });
  const backend = await startRawBackend(t, {
    autoPong: true,
    onConnection: (connection) => {
      void connection.accept();
      standStill();
    },
  });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  await connect(t, gateway.url);
  assert.deepEqual(gateway.eventsOf('backend.attempt-failed'), []);
  assert.equal(gateway.manager.backend('a').totals.failed, 0);
});

test('an onAttach whose answer came while the gateway stood still has not failed', async (t) => {
  const gateway = await startGateway(t, {
    failover: { attachTimeoutMs: limitMs },
    closing: { handshakeMs: 200 },
    onAttach: async ({ send, receive }) => {
      send('login');
      await receive();
    },
  });
  const backend = await startRawBackend(t, { autoPong: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const connected = connect(t, gateway.url);
  const link = await backend.acceptNext();
  await link.nextMessage();
  void link.sendText('welcome');
  standStill();
  await connected;
  assert.deepEqual(gateway.eventsOf('backend.attempt-failed'), []);
});

test('a client of holdfast.v1 whose start came while the gateway stood still is welcome', async (t) => {
  const gateway = await startGateway(t, { resume: { startTimeoutMs: limitMs }, closing: { handshakeMs: 200 } });
  const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['holdfast.v1'] });
  assert.match((await client.nextMessage()).text, /"hello"/);
  void client.sendText('\u001e{"type":"start","resume":null}');
  standStill();
  assert.match((await client.nextMessage()).text, /"welcome"/);
});
