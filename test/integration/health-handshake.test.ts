/** What a backend sees of a health check by handshake, and what the gateway takes for an answer. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { startResolver } from '../support/resolver.ts';
import { until } from '../support/wait.ts';

const health = { kind: 'websocket', intervalMs: 100, timeoutMs: 300, rise: 1, fall: 1 } as const;

function start(t: TestContext, url: string, more: TestGatewayOptions = {}): Promise<TestGateway> {
  return startGateway(t, { backends: [{ id: 'a', url, maxConnections: 1 }], ...more, pool: { health, ...more.pool } });
}

test('a check asks for the path of the backend, says what it is, and is closed with 1000', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await start(t, `${backend.url}/chat?room=1`, { pool: { health: { ...health, timeoutMs: 5000 } } });
  const check = await backend.acceptNext();
  assert.equal(check.request.path, '/chat?room=1');
  assert.equal(check.request.headers['holdfast-reason'], 'check');
  assert.equal(check.request.headers['user-agent'], 'holdfast');
  assert.equal(check.request.headers['sec-websocket-protocol'], undefined);
  assert.equal((await gateway.waitFor('backend.checked')).detail, '101 Switching Protocols');
  assert.deepEqual(await check.nextClose(), { code: 1000, reason: '' });
  check.sendText('what it says is of no use');
  check.sendClose(1000);
  check.fin();
  const end = await check.waitClosed();
  assert.equal(end.hadError, false);
});

test('pool.health.path is asked for in place of it', async (t) => {
  const backend = await startRawBackend(t);
  await start(t, `${backend.url}/chat`, { pool: { health: { ...health, path: '/up?x=1' } } });
  const check = await backend.acceptNext();
  assert.equal(check.request.path, '/up?x=1');
});

test('a backend that does not answer the Close is left before it is asked again', async (t) => {
  let open = 0;
  let most = 0;
  const backend = await startRawBackend(t, {
    autoClose: false,
    onConnection: (connection) => {
      most = Math.max(most, ++open);
      connection.accept();
      void connection.closed.then(() => (open -= 1));
    },
  });
  const gateway = await start(t, backend.url);
  await until(() => gateway.eventsOf('backend.checked').length >= 4, { what: 'four checks' });
  assert.ok(gateway.eventsOf('backend.checked').every(({ passed }) => passed));
  assert.ok(most <= 2, `${most} at a time`);
  await gateway.close();
  await until(() => open === 0, { what: 'the last connection to end with the gateway' });
});

test('what a backend pours in behind its handshake is read for a MiB, not until the time is over', async (t) => {
  const junk = Buffer.alloc(1_048_576, 0x81);
  let taken = 0;
  let ended = 0;
  const backend = await startRawBackend(t, {
    onConnection: (connection) => {
      connection.accept();
      const { socket } = connection;
      const write = (): void => {
        while (!socket.destroyed && socket.write(junk));
      };
      socket.on('drain', write).on('close', () => {
        ended += 1;
        taken += socket.bytesWritten;
      });
      write();
    },
  });
  const gateway = await start(t, backend.url, { pool: { health: { ...health, intervalMs: 1000, timeoutMs: 1000 } } });
  await gateway.waitFor('backend.checked', ({ passed }) => passed);
  await until(() => ended === 1, { what: 'its connection to end' });
  // Sockets of this machine may take some MiB themselves.
  assert.ok(taken < 24 * 1_048_576, `${taken} bytes were taken`);
});

test('checks take no connection of the pool, and leave the process when the gateway closes', async (t) => {
  const backend = await startBackend(t, { tag: 'a', handshakeDelayMs: 100 });
  const gateway = await start(t, backend.url);
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('x')).text, 'a:x');
  await until(() => gateway.eventsOf('backend.checked').length >= 2, { what: 'two checks beside a pipe' });
  assert.ok(gateway.eventsOf('backend.checked').every(({ passed }) => passed));
  assert.deepEqual([gateway.manager.backend('a').connections, gateway.manager.backend('a').dialing], [1, 0]);
  client.close();
  await gateway.close();
  const checks = gateway.eventsOf('backend.checked').length;
  await until(async () => (await backend.connections()) === 0, { what: 'no connection to be left' });
  assert.equal(gateway.eventsOf('backend.checked').length, checks);
});

test('a backend that wants a login answers, and is well; one that answers 503, nonsense or nothing is not', async (t) => {
  for (const [answer, passed, detail] of [
    ['401', true, '401 Unauthorized'],
    ['404', true, '404 Not Found'],
    ['429', false, '429 Too Many Requests'],
    ['503', false, '503 Service Unavailable'],
    ['200', false, '200 OK'],
  ] as const) {
    const backend = await startRawBackend(t, { onConnection: (connection) => connection.respond(Number(answer)) });
    const gateway = await start(t, backend.url);
    const checked = await gateway.waitFor('backend.checked');
    assert.deepEqual([checked.passed, checked.detail], [passed, detail]);
    await gateway.close();
  }
  const wrong = await startRawBackend(t, { onConnection: (connection) => connection.accept({ acceptKey: 'wrong' }) });
  const gateway = await start(t, wrong.url);
  assert.match((await gateway.waitFor('backend.unhealthy')).detail, /Sec-WebSocket-Accept/);
});

test('a name that leads to a forbidden address is not connected to for a check', async (t) => {
  const resolver = startResolver(t);
  const backend = await startRawBackend(t);
  resolver.set('moved.test', '127.0.0.1');
  for (const kind of ['websocket', 'http'] as const) {
    const gateway = await startGateway(t, {
      backends: [{ id: 'a', url: `ws://moved.test:${backend.port}` }],
      allowedBackends: { exceptAddresses: ['127.0.0.0/8'] },
      pool: { health: { ...health, kind, path: '/' } },
    });
    const unhealthy = await gateway.waitFor('backend.unhealthy');
    assert.equal(unhealthy.detail, '127.0.0.1 is in allowedBackends.exceptAddresses');
    await gateway.close();
  }
  assert.equal(backend.connections.all.length, 0);
});
