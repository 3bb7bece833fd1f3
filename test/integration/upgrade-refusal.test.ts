/** What the answers of backends to a dial mean for the client. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

const closing = { handshakeMs: 50, lingerMs: 200 };

for (const status of [400, 401, 403, 404, 410, 418, 426, 451]) {
  test(`a backend's ${status} is the client's answer, and no other backend is asked`, async (t) => {
    const first = await startRawBackend(t, { onConnection: (connection) => void connection.respond(status) });
    const gateway = await startGateway(t, { backends: [first.url], closing });
    const client = await connectRaw(t, { port: gateway.port, path: '/ws', expectStatus: status });
    const body = JSON.parse(client.answer.body) as Record<string, unknown>;
    assert.equal(body['statusCode'], status);
    assert.equal(body['code'], 'HOLDFAST_ERR_BACKEND_REFUSED');
    await client.waitClosed();
    assert.equal(first.connections.all.length, 1);
    assert.equal(gateway.manager.size, 0);
    assert.deepEqual(gateway.eventsOf('backend.failed'), [], 'an answer is no failure');
  });
}

test("a backend's 403 after the upgrade closes the client with 1008", async (t) => {
  const gateway = await startGateway(t, { failover: { handshakeWaitMs: 30 }, closing });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
  const backend = await startRawBackend(t, { onConnection: (connection) => void connection.respond(403) });
  gateway.manager.registerBackend({ url: backend.url });
  assert.equal((await client.nextClose()).code, 1008);
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.reason, 'refused-by-backend');
  assert.equal(closed.initiator, 'backend');
});

const garbage: readonly (readonly [name: string, failure: string, act: (connection: RawBackendConnection) => void])[] =
  [
    ...[500, 502, 503, 408, 429, 301, 302, 307, 200].map(
      (status) =>
        [
          `the status ${status}`,
          'status',
          (connection: RawBackendConnection) => void connection.respond(status, { Location: 'ws://127.0.0.1:1/' }),
        ] as const,
    ),
    ['garbage', 'bad-handshake', (one) => void one.sendBytes('\u0000\u0001 I am no HTTP server\r\n\r\n')],
    ['a head over all limits', 'bad-handshake', (one) => void one.respond(101, { X: 'x'.repeat(40_000) })],
    ['a FIN', 'refused', (one) => one.fin()],
    ['half a head and a FIN', 'refused', (one) => void one.sendBytes('HTTP/1.1 101 Sw').then(() => one.fin())],
    ['a reset', 'refused', (one) => one.reset()],
    ['no answer at all', 'timeout', () => {}],
  ];
for (const [name, failure, act] of garbage) {
  test(`after ${name} the next backend is tried, and the client sees nothing of it`, async (t) => {
    const bad = await startRawBackend(t, { onConnection: act });
    const good = await startRawBackend(t);
    const gateway = await startGateway(t, {
      backends: [{ url: bad.url, id: 'bad' }],
      pool: { dialTimeoutMs: 300, balancing: 'round-robin' },
      closing,
    });
    const client = connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['a', 'b'] });
    await bad.nextConnection();
    gateway.manager.registerBackend({ url: good.url, id: 'good' });
    const link = await good.acceptNext();
    await (await client).sendText('through');
    assert.equal((await link.nextMessage()).text, 'through');
    const failed = gateway.eventsOf('backend.attempt-failed')[0];
    assert.equal(failed?.backendId, 'bad');
    assert.equal(failed.failure, failure, failed.detail);
    assert.equal(gateway.eventsOf('backend.failed')[0]?.backendId, 'bad');
    assert.doesNotMatch(JSON.stringify(failed), /Location|no HTTP server/, 'what the backend wrote is not logged');
  });
}

test('a port where nobody listens counts as refused, and the next backend is tried', async (t) => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  const good = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  const gateway = await startGateway(t, {
    backends: [`ws://127.0.0.1:${port}`, good.url],
    pool: { balancing: 'round-robin' },
    closing,
  });
  await connectRaw(t, { port: gateway.port, path: '/ws' });
  assert.equal(gateway.eventsOf('backend.attempt-failed')[0]?.failure, 'refused');
});
