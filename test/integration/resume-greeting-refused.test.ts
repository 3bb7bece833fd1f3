/** A client of holdfast.v1 has its 101 before it has a backend: one that never gets its welcome is told of as any other that is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { assertReached } from './limits-scenario.ts';

const closing = { handshakeMs: 50, lingerMs: 200 };

async function startOne(gateway: TestGateway, t: Parameters<typeof connectRaw>[0], ...protocols: string[]) {
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['holdfast.v1', ...protocols] });
  await client.nextFrame();
  client.sendText('\u001e{"type":"start","resume":null}');
  return client;
}

async function assertTold(gateway: TestGateway, code: string): Promise<void> {
  const told = await gateway.waitFor('pipe.refused');
  assert.deepEqual([told.statusCode, told.code], [101, code]);
  await assertReached(gateway, `holdfast_pipes_refused_total{code="${code}"}`, 1);
  assert.equal(gateway.eventsOf('pipe.refused').length, 1);
  assert.deepEqual(gateway.eventsOf('pipe.closed'), []);
}

test('by the backend', async (t) => {
  const backend = await startRawBackend(t, { onConnection: (connection) => void connection.respond(403) });
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = await startOne(gateway, t);
  assert.equal((await client.nextClose()).code, 1008);
  await assertTold(gateway, 'HOLDFAST_ERR_BACKEND_REFUSED');
});

test('for want of a backend that chooses a subprotocol', async (t) => {
  const gateway = await startGateway(t, { failover: { handshakeWaitMs: 30 }, closing });
  const client = await startOne(gateway, t, 'a', 'b');
  assert.equal((await client.nextClose()).code, 1013);
  await assertTold(gateway, 'HOLDFAST_ERR_NO_BACKEND_IN_TIME');
});

for (const how of ['reset', 'fin', 'close'] as const)
  test(`it leaves during the dial: ${how}`, async (t) => {
    const backend = await startRawBackend(t);
    const gateway = await startGateway(t, { backends: [backend.url], closing, failover: { handshakeWaitMs: 60_000 } });
    const client = await startOne(gateway, t);
    const dial = await backend.nextConnection();
    if (how === 'close') client.sendClose(1000);
    else client[how]();
    await dial.waitClosed();
    await assertTold(gateway, 'HOLDFAST_ERR_CLIENT_GONE');
  });
