import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertExact, echoedNumbers, onlyPipe, untilTaken } from './failover-scenario.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('A client that came when there was no backend is served as soon as one is registered by REST', async (t) => {
  const gateway = await startGateway(t, { failover: { handshakeWaitMs: 100 } });
  const backend = await startBackend(t, { record: true });
  const client = await connect(t, gateway.url);
  const { sent } = client.sendNumbered({ count: 50 });
  await untilTaken(gateway, onlyPipe(gateway), sent);
  assert.equal(client.messages.length, 0);
  const registeredAt = performance.now();
  const { status, body } = await gateway.admin('POST', '/backends', { url: backend.url, id: 'late' });
  assert.equal(status, 201);
  assert.equal((body as { id: string }).id, 'late');
  await client.received.count(sent);
  const ms = performance.now() - registeredAt;
  assertExact(echoedNumbers(client), sent, 'answers');
  assert.equal(backend.received()[0]?.headers['holdfast-replay'], '0');
  assert.ok(ms < 500, `all was there ${ms} ms after the request`);
  t.diagnostic(`all answered ${ms.toFixed(0)} ms after the request began`);
});

test('A backend that is registered while it cannot be reached is kept, tried, and used when it comes up', async (t) => {
  const gateway = await startGateway(t, { failover: { handshakeWaitMs: 100 } });
  const port = await freePort();
  const { status } = await gateway.admin('POST', '/backends', { url: `ws://127.0.0.1:${port}`, id: 'early' });
  assert.equal(status, 201);
  const client = await connect(t, gateway.url);
  const { sent } = client.sendNumbered({ count: 20 });
  await until(() => gateway.eventsOf('backend.attempt-failed').length >= 3, { what: 'three dials' });
  const { body } = await gateway.admin('GET', '/backends/early');
  const { health, lastError } = body as { health: string; lastError: { detail: string } };
  assert.equal(health, 'unhealthy');
  assert.match(lastError.detail, /nobody listens there \(ECONNREFUSED\)/);
  await startBackend(t, { port });
  await client.received.count(sent);
  assertExact(echoedNumbers(client), sent, 'answers');
  assert.equal(gateway.manager.size, 1);
});
