import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { acceptKey, checkRequest, checkResponse } from '../../src/wire/handshake.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const good: IncomingHttpHeaders = { upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13' };
const statusOf = (method: string | undefined, headers: IncomingHttpHeaders) => {
  const checked = checkRequest(method, headers);
  return 'statusCode' in checked ? checked.statusCode : 101;
};

test('the accept key is that of RFC 6455 section 1.3', () => {
  assert.equal(acceptKey(key), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('a good request answers the subprotocols offered, in order', () => {
  assert.deepEqual(checkRequest('GET', good), []);
  const offering = { ...good, upgrade: 'WebSocket', 'sec-websocket-protocol': 'b,a ,\tc' };
  assert.deepEqual(checkRequest('GET', offering), ['b', 'a', 'c']);
  const token = "!#$%&'*+-.^_`|~09azAZ";
  assert.deepEqual(checkRequest('GET', { ...good, 'sec-websocket-protocol': token }), [token]);
});

test("the number that @fastify/websocket's injectWS gives as the version is a version", () => {
  const injected = { ...good, 'sec-websocket-version': 13 } as unknown as IncomingHttpHeaders;
  assert.deepEqual(checkRequest('GET', injected), []);
});

test('each bad request has its status', () => {
  const bad = (changes: IncomingHttpHeaders) => statusOf('GET', { ...good, ...changes });
  assert.equal(statusOf('POST', good), 405);
  assert.equal(statusOf(undefined, good), 405);
  for (const upgrade of [undefined, '', 'h2c', 'websockets']) assert.equal(bad({ upgrade }), 400, upgrade);
  for (const one of [
    undefined,
    '',
    'short',
    key.slice(1),
    `${key}=`,
    ` ${key}`,
    `${key}, ${key}`,
    key.replace('=', 'A'),
  ])
    assert.equal(bad({ 'sec-websocket-key': one }), 400, one);
  for (const version of [undefined, '', '8', '12', '14', '13 ', '013', '0xd', '13, 8'])
    assert.equal(bad({ 'sec-websocket-version': version }), 426, version);
  for (const list of ['', ' ', ',', 'a,', 'a,,b', 'a b', 'a\u00e9', 'a/b', '"a"', '{a}', 'a,a', 'a, b, a'])
    assert.equal(bad({ 'sec-websocket-protocol': list }), 400, list);
});

test('a good answer names the agreed subprotocol, or none', () => {
  const answer = { upgrade: 'WebSocket', 'sec-websocket-accept': acceptKey(key) };
  assert.equal(checkResponse(answer, key, []), '');
  assert.equal(checkResponse(answer, key, ['a']), '');
  assert.equal(checkResponse({ ...answer, 'sec-websocket-protocol': 'b' }, key, ['a', 'b']), 'b');
  assert.equal(checkResponse({ ...answer, 'sec-websocket-extensions': '' }, key, []), '');
});

test('each bad answer says what is wrong, without what the backend wrote', () => {
  const answer = { upgrade: 'websocket', 'sec-websocket-accept': acceptKey(key) };
  for (const changes of [
    { upgrade: undefined },
    { upgrade: 'SECRET' },
    { 'sec-websocket-accept': undefined },
    { 'sec-websocket-accept': acceptKey('SECRET') },
    { 'sec-websocket-accept': acceptKey(key).toLowerCase() },
    { 'sec-websocket-extensions': 'SECRET' },
    { 'sec-websocket-protocol': 'SECRET' },
    { 'sec-websocket-protocol': 'a, b' },
    { 'sec-websocket-protocol': 'A' },
  ]) {
    const checked = checkResponse({ ...answer, ...changes }, key, ['a', 'b']);
    assert.ok(typeof checked === 'object', JSON.stringify(changes));
    assert.doesNotMatch(checked.detail, /SECRET/);
  }
});
