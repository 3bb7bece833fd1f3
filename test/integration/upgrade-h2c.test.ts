/** A request that would also like HTTP/2 (`Upgrade: h2c`) is one like any other. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';

const wishes = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${wishes}\r\n`;
const backend = { url: 'ws://127.0.0.1:9', id: 'b' };
const post = (transfer: string): string =>
  `POST /backends HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n${wishes}Content-Type: application/json\r\n${transfer}\r\n`;

async function answerTo(
  t: TestContext,
  { port }: TestGateway,
  rawRequest: string,
): Promise<[status: number, body: string]> {
  const client = await openRaw(t, { port, rawRequest });
  const { status, headers, body } = await client.response();
  assert.equal(headers['connection'], status === 426 ? 'Upgrade, close' : 'close');
  await client.waitClosed(2000);
  return [status, body];
}

test('regression: a GET is answered, at the path of the clients with 426', async (t) => {
  const gateway = await startGateway(t);
  assert.deepEqual(await answerTo(t, gateway, get('/livez')), [200, '{"status":"ok"}']);
  assert.equal((await answerTo(t, gateway, get('/nowhere')))[0], 404);
  const [status, body] = await answerTo(t, gateway, get('/ws'));
  assert.equal(status, 426);
  assert.match(body, /HOLDFAST_ERR_UPGRADE_REQUIRED/);
});

test('regression: a POST is answered, and its body read, in one packet with its head or behind it', async (t) => {
  const gateway = await startGateway(t);
  const body = JSON.stringify(backend);
  const [status] = await answerTo(t, gateway, `${post(`Content-Length: ${body.length}\r\n`)}${body}`);
  assert.equal(status, 201);
  assert.equal(gateway.manager.pool.size, 1);

  const { server } = gateway.app;
  const accepted = once(server, 'connection');
  const client = connectTcp({ port: gateway.port, host: '127.0.0.1' });
  t.after(() => client.destroy());
  await accepted;
  const givenBack = once(server, 'connection');
  let text = '';
  client.on('data', (chunk) => {
    text += chunk;
  });
  client.write(post('Transfer-Encoding: chunked\r\n'));
  await givenBack;
  const other = JSON.stringify({ url: 'ws://127.0.0.1:10' });
  client.write(`${other.length.toString(16)}\r\n${other}\r\n0\r\n\r\n`);
  await once(client, 'end');
  assert.match(text, /^HTTP\/1\.1 201 /);
  assert.equal(gateway.manager.pool.size, 2);
});

test('it has its turn behind the answers before it', async (t) => {
  const gateway = await startGateway(t);
  const client = connectTcp({ port: gateway.port, host: '127.0.0.1' });
  t.after(() => client.destroy());
  let text = '';
  client.on('data', (chunk) => {
    text += chunk;
  });
  const { server } = gateway.app;
  await once(server, 'connection');
  const givenBack = once(server, 'connection') as Promise<[Socket]>;
  client.write(`GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n${get('/livez')}`);
  const [socket] = await givenBack;
  assert.equal(socket.timeout, 0, 'a time-out of before holds for the request');
  await once(client, 'close');
  assert.match(text, /^HTTP\/1\.1 404 .*}HTTP\/1\.1 200 .*"ok"}$/s);
});
