/** Every bad handshake, while somebody else's dial is slow: the right answer in the one error shape, and nobody else is harmed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { openRaw, type RawClientOptions } from '../support/raw-client.ts';

interface Case {
  readonly name: string;
  readonly request: Omit<RawClientOptions, 'port'>;
  readonly status: number;
  readonly code: string;
  readonly headers?: Readonly<Record<string, RegExp>>;
}
const invalid = 'HOLDFAST_ERR_HANDSHAKE';
const path = '/ws';
const upgradeHeaders = { upgrade: /^websocket$/i, connection: /upgrade/i };
const cases: readonly Case[] = [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) => ({
    name: `the method ${method} with an Upgrade`,
    request: { path, method },
    status: 405,
    code: invalid,
    headers: { allow: /^GET$/ },
  })),
  {
    name: 'a POST with a body and no Upgrade',
    request: { rawRequest: 'POST /ws HTTP/1.1\r\nHost: a\r\nContent-Type: text/odd\r\nContent-Length: 2\r\n\r\n{}' },
    status: 405,
    code: invalid,
    headers: { allow: /^GET$/ },
  },
  { name: 'the upgrade to h2c', request: { path, headers: { upgrade: 'h2c' } }, status: 400, code: invalid },
  { name: 'no key', request: { path, headers: { 'sec-websocket-key': null } }, status: 400, code: invalid },
  { name: 'an empty key', request: { path, headers: { 'sec-websocket-key': '' } }, status: 400, code: invalid },
  {
    name: 'a short key',
    request: { path, headers: { 'sec-websocket-key': 'dGhlIHNhbXBsZQ==' } },
    status: 400,
    code: invalid,
  },
  {
    name: 'two keys',
    request: { path, headers: { 'sec-websocket-key': ['AQIDBAUGBwgJCgsMDQ4PEC==', 'AQIDBAUGBwgJCgsMDQ4PEC=='] } },
    status: 400,
    code: invalid,
  },
  ...['8', '12', '0', '99', 'x', '13.0', '13, 8'].map((version) => ({
    name: `the version ${version}`,
    request: { path, headers: { 'sec-websocket-version': version } },
    status: 426,
    code: invalid,
    headers: { 'sec-websocket-version': /^13$/, ...upgradeHeaders },
  })),
  {
    name: 'no version',
    request: { path, headers: { 'sec-websocket-version': null } },
    status: 426,
    code: invalid,
    headers: { 'sec-websocket-version': /^13$/, ...upgradeHeaders },
  },
  ...['', 'a b', 'a,', ',a', 'a,,b', 'caf\u00e9', 'a;b', '"a"', 'a/b', 'a, a'].map((protocol) => ({
    name: `the subprotocol list '${protocol}'`,
    request: { path, headers: { 'sec-websocket-protocol': protocol } },
    status: 400,
    code: invalid,
  })),
  {
    name: 'the same subprotocol in two headers',
    request: { path, headers: { 'sec-websocket-protocol': ['a, b', 'a'] } },
    status: 400,
    code: invalid,
  },
  {
    name: 'a plain GET',
    request: { path, headers: { upgrade: null, connection: null } },
    status: 426,
    code: 'HOLDFAST_ERR_UPGRADE_REQUIRED',
    headers: upgradeHeaders,
  },
  {
    name: 'an Upgrade that Connection does not name',
    request: { path, headers: { connection: 'keep-alive' } },
    status: 426,
    code: 'HOLDFAST_ERR_UPGRADE_REQUIRED',
    headers: upgradeHeaders,
  },
  ...[
    '/ws/..',
    '/ws/../x',
    '/ws/a/./b',
    '/ws/%2e%2e/x',
    '/ws/%2E%2e',
    '/ws/a/.%2e/b',
    '/ws/a%2f..%2fb',
    '/ws/..%5cb',
    '/ws/x\\..\\b',
  ].map((dotted) => ({ name: `the path ${dotted}`, request: { path: dotted }, status: 400, code: invalid })),
  { name: 'a path that is no UTF-8', request: { path: '/ws/%ff' }, status: 400, code: 'FST_ERR_BAD_URL' },
  { name: 'a path with a half escape', request: { path: '/ws/%zz' }, status: 400, code: 'FST_ERR_BAD_URL' },
];

test('each bad handshake gets its status, code and headers, ends its connection, and harms nobody', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing: { handshakeMs: 200, lingerMs: 200 } });
  const patient = await openRaw(t, { port: gateway.port, path: '/ws' });
  const dial = await backend.nextConnection();
  for (const { name, request, status, code, headers = {} } of cases) {
    await t.test(name, async (t) => {
      const client = await openRaw(t, { port: gateway.port, ...request });
      const answer = await client.response();
      assert.equal(answer.status, status, answer.raw + answer.body);
      const body = JSON.parse(answer.body) as Record<string, unknown>;
      assert.deepEqual(Object.keys(body).sort(), ['code', 'error', 'message', 'statusCode']);
      assert.equal(body['statusCode'], status);
      assert.equal(body['code'], code);
      assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
      for (const [header, pattern] of Object.entries(headers)) assert.match(answer.headers[header] ?? '', pattern);
      // A refused upgrade is no HTTP connection any more: it must not stay open.
      if (request.rawRequest === undefined && code !== 'HOLDFAST_ERR_UPGRADE_REQUIRED') await client.waitClosed(2000);
    });
  }
  assert.equal(gateway.manager.size, 1, 'only the patient one holds a slot');
  assert.equal(backend.connections.all.length, 1, 'nobody else was dialled for');
  await dial.accept();
  assert.equal((await patient.response()).status, 101);
  await patient.sendText('hello');
  assert.equal((await dial.nextMessage()).text, 'hello');
});

test('headers over the limit of the HTTP server get 431 and end that connection only', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing: { handshakeMs: 200, lingerMs: 200 } });
  const patient = await openRaw(t, { port: gateway.port, path: '/ws' });
  const dial = await backend.nextConnection();
  const client = await openRaw(t, { port: gateway.port, path: '/ws', headers: { 'x-long': 'x'.repeat(20_000) } });
  assert.equal((await client.response()).status, 431);
  await client.waitClosed();
  await dial.accept();
  assert.equal((await patient.response()).status, 101);
});

test('a HEAD request gets 405 without a body', async (t) => {
  const gateway = await startGateway(t);
  const response = await fetch(`${gateway.httpUrl}/ws`, { method: 'HEAD' });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get('allow'), 'GET');
});
