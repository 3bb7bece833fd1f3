/** With the log at level trace, nothing secret of clients is in it: no query string, cookie, token or payload. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };

test('no payload, token, cookie, query string or protocol secret is logged, whatever goes wrong', async (t) => {
  const log = new LogCapture();
  const logger = { level: 'trace', stream: log };
  const backend = await startBackend(t, { tag: 'a' });
  const cursed = await startRawBackend(t, {
    onConnection: (connection) =>
      void connection.respond('HTTP/1.1 500 SECRET-status', { 'X-A': 'SECRET-header' }, 'SECRET-body'),
  });
  let calls = 0;
  const gateway = await startGateway(t, {
    fastify: { logger },
    backends: [`${cursed.url}/?key=SECRET-backend-query`, `${backend.url}/?key=SECRET-backend-query`],
    pool: { balancing: 'round-robin' },
    maxMessageBytes: 1000,
    closing,
    requestHeaders: (headers) => ({ ...headers, 'x-signed': 'SECRET-signature' }),
    clientId: (request) => {
      calls += 1;
      if (request.url.includes('throw')) throw new Error('no such user');
      return `client-${calls}`;
    },
  });
  const url = `${gateway.url}/room?token=SECRET-query&x=1`;
  const headers = {
    cookie: 'sid=SECRET-cookie',
    authorization: 'Bearer SECRET-authorization',
    'x-api-key': 'SECRET-api-key',
  };
  const client = await connect(t, url, { headers });
  assert.equal((await client.ask('SECRET-payload')).text, 'a:SECRET-payload');
  client.close(4000, 'SECRET-close-reason');
  await client.waitClosed();
  await connectRaw(t, { port: gateway.port, path: '/ws/../room?token=SECRET-query', headers, expectStatus: 400 });
  await connectRefused(t, `${gateway.url}?throw=SECRET-query`, { headers });
  for (const method of ['GET', 'POST', 'DELETE'])
    await fetch(`${gateway.httpUrl}/ws?token=SECRET-query`, { method, headers: { ...headers } }).then((r) => r.text());
  const path = '/ws?token=SECRET-query';
  await connectRaw(t, { port: gateway.port, path: '/ws/%zz?token=SECRET-query', headers, expectStatus: 400 });
  const key = { 'sec-websocket-key': 'SECRET-key', ...headers };
  await connectRaw(t, { port: gateway.port, path, headers: key, expectStatus: 400 });
  const rude = await connectRaw(t, { port: gateway.port, path, headers });
  await rude.sendFrame({ rsv: 7, payload: 'SECRET-payload' });
  await rude.waitClosed();
  const big = await connectRaw(t, { port: gateway.port, path, headers });
  await big.sendText('SECRET-payload'.repeat(100));
  await big.waitClosed();
  const crash = await connect(t, url, { headers });
  crash.send('terminate');
  await gateway.waitFor('pipe.interrupted');
  const bad = await fetch(`${gateway.httpUrl}/backends`, { headers: { authorization: 'Bearer SECRET-admin-token' } });
  assert.equal(bad.status, 401);
  await gateway.admin('POST', '/backends', { url: 'ws://user:SECRET-password@127.0.0.1:1/?k=SECRET-backend-query' });
  await gateway.admin('POST', '/backends', { url: 'ws://127.0.0.1:1/x?k=SECRET-backend-query' });
  await gateway.admin('DELETE', `/backends?url=${encodeURIComponent('ws://127.0.0.1:1/x?k=SECRET-backend-query')}`);
  await gateway.close();

  const leaks = new Set(log.text.match(/.{0,80}SECRET-[a-z-]+/g) ?? []);
  assert.deepEqual([...leaks], []);
  assert.doesNotMatch(log.text, /test-token-0123456789/, 'nor our own admin token');
  assert.ok(log.lines.length > 10, 'there was a log');
  assert.match(log.text, /"url":"\/ws\/room"/, 'the path is logged');
});

test("the host's own request serializer keeps its word on our route, but for the query string", async (t) => {
  const log = new LogCapture();
  const serializers = { req: (request: { url: string }) => ({ url: request.url, own: 'yes' }) };
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'info', stream: log, serializers } },
    backends: [backend.url],
    closing,
  });
  await connect(t, `${gateway.url}?token=SECRET`);
  assert.match(log.text, /"req":\{"url":"\/ws","own":"yes"\}/);
  assert.doesNotMatch(log.text, /SECRET/);
});
