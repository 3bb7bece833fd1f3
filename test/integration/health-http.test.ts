/** pool.health.kind 'http': the backend says by a status whether it wants new pipes. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';

const health = { kind: 'http', path: '/healthz?deep=1', intervalMs: 100, timeoutMs: 1000, rise: 2, fall: 2 } as const;

test('503 makes a backend unhealthy, 200 healthy again; metrics count both', async (t) => {
  const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
  const gateway = await startGateway(t, {
    backends: [
      { id: 'a', url: a.url },
      { id: 'b', url: b.url },
    ],
    pool: { balancing: 'round-robin', health },
  });
  const passed = await gateway.waitFor('backend.checked');
  assert.deepEqual([passed.passed, passed.detail], [true, '200 OK']);
  a.set({ healthStatus: 503 });
  const unhealthy = await gateway.waitFor('backend.unhealthy');
  assert.deepEqual(unhealthy, {
    backendId: 'a',
    backendUrl: `${a.url}/`,
    failedChecks: 2,
    detail: '503 Service Unavailable',
  });
  for (let count = 0; count < 3; count += 1) {
    const client = await connect(t, gateway.url);
    assert.equal((await client.ask('x')).text, 'b:x');
  }
  const scrape = await fetch(`${gateway.httpUrl}/metrics`, {
    headers: { authorization: 'Bearer test-token-0123456789' },
  });
  const text = await scrape.text();
  assert.match(text, /^holdfast_backend_checks_total\{backend="a",result="failed"\} [2-9]/m);
  assert.match(text, /^holdfast_backend_checks_total\{backend="b",result="failed"\} 0$/m);
  assert.match(text, /^holdfast_backends\{state="unhealthy"\} 1$/m);
  assert.match(text, /^holdfast_backend_up\{backend="a"\} 0$/m);
  a.set({ healthStatus: 204 });
  await gateway.waitFor('backend.healthy', ({ backendId }) => backendId === 'a');
});

test('every status but 2xx is a failure, a redirect and an upgrade too', async (t) => {
  const statuses = { '/ok': 200, '/none': 204, '/moved': 302, '/refused': 401, '/lost': 404, '/broken': 500 };
  const requests: { method?: string; userAgent?: string; reason?: string | string[]; connection?: string }[] = [];
  const server = createServer(({ url = '', method, headers }, response) => {
    requests.push({
      ...(method === undefined ? {} : { method }),
      ...(headers['user-agent'] === undefined ? {} : { userAgent: headers['user-agent'] }),
      ...(headers['holdfast-reason'] === undefined ? {} : { reason: headers['holdfast-reason'] }),
      ...(headers.connection === undefined ? {} : { connection: headers.connection }),
    });
    response.writeHead(statuses[url as keyof typeof statuses] ?? 500, { location: '/ok' }).end();
  });
  server.on('connection', (socket) => socket.on('error', () => {}));
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  for (const [path, status] of Object.entries(statuses)) {
    const gateway = await startGateway(t, {
      backends: [`ws://127.0.0.1:${port}/chat`],
      pool: { health: { ...health, path } },
    });
    const { passed, detail } = await gateway.waitFor('backend.checked');
    assert.equal(passed, status < 300, `${status}`);
    assert.ok(detail.startsWith(String(status)), detail);
    await gateway.close();
  }
  assert.deepEqual(requests[0], { method: 'GET', userAgent: 'holdfast', reason: 'check', connection: 'close' });
});

for (const kind of ['http', 'websocket'] as const) {
  test(`a wss backend is asked with backendTls (${kind}), and one whose certificate is not known is unhealthy`, async (t) => {
    const { ca, server, client, stranger } = await certificates();
    const [good, bad] = await Promise.all([
      startBackend(t, { tag: 'good', tls: { ...server, clientCa: ca.cert } }),
      startBackend(t, { tag: 'bad', tls: stranger }),
    ]);
    const gateway = await startGateway(t, {
      backends: [
        { id: 'good', url: good.url },
        { id: 'bad', url: bad.url },
      ],
      backendTls: { ca: ca.cert, cert: client.cert, key: client.key },
      pool: { health: { ...health, kind } },
    });
    const unhealthy = await gateway.waitFor('backend.unhealthy');
    assert.deepEqual(
      [unhealthy.backendId, unhealthy.detail],
      ['bad', 'the TLS handshake failed (DEPTH_ZERO_SELF_SIGNED_CERT)'],
    );
    const checked = await gateway.waitFor('backend.checked', ({ backendId }) => backendId === 'good');
    assert.deepEqual([checked.passed, checked.detail], [true, kind === 'http' ? '200 OK' : '101 Switching Protocols']);
  });
}
