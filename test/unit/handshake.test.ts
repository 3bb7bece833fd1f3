import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { acceptKey, checkRequest, checkResponse, type UpgradeRequest } from '../../src/wire/handshake.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const good: IncomingHttpHeaders = { upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13' };
const request: UpgradeRequest = { method: 'GET', url: '/ws', httpVersion: '1.1', headers: good };
const statusOf = (changes: Partial<UpgradeRequest>) => {
  const checked = checkRequest({ ...request, ...changes });
  return 'statusCode' in checked ? checked.statusCode : 101;
};

test('the accept key is that of RFC 6455 section 1.3', () => {
  assert.equal(acceptKey(key), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('a good request answers the subprotocols offered, in order', () => {
  assert.deepEqual(checkRequest(request), []);
  const offering = { ...good, upgrade: 'WebSocket', 'sec-websocket-protocol': 'b,a ,\tc' };
  assert.deepEqual(checkRequest({ ...request, headers: offering }), ['b', 'a', 'c']);
  const token = "!#$%&'*+-.^_`|~09azAZ";
  const tokens = { ...good, 'sec-websocket-protocol': token };
  assert.deepEqual(checkRequest({ ...request, headers: tokens }), [token]);
});

test("the number that @fastify/websocket's injectWS gives as the version is a version", () => {
  const injected = { ...good, 'sec-websocket-version': 13 } as unknown as IncomingHttpHeaders;
  assert.deepEqual(checkRequest({ ...request, headers: injected }), []);
});

test('each bad request has its status', () => {
  const bad = (changes: IncomingHttpHeaders) => statusOf({ headers: { ...good, ...changes } });
  assert.equal(statusOf({ method: 'POST' }), 405);
  assert.equal(statusOf({ method: undefined }), 405);
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

test('a request that HTTP or RFC 6455 forbids as a whole has its status', () => {
  assert.equal(statusOf({ httpVersion: '1.0' }), 400);
  assert.equal(statusOf({ url: '/ws#x' }), 400);
  assert.equal(statusOf({ rawHeaders: ['Host', 'a'] }), 101);
  for (const rawHeaders of [[], ['X-Host', 'Host'], ['Host', 'a', 'host', 'a']])
    assert.equal(statusOf({ rawHeaders }), 400);
  const withBody = (headers: IncomingHttpHeaders) => statusOf({ headers: { ...good, ...headers } });
  assert.equal(withBody({ 'content-length': '0' }), 101);
  assert.equal(withBody({ 'content-length': '5' }), 400);
  assert.equal(withBody({ 'transfer-encoding': 'chunked' }), 400);
});

test('an offer of extensions must keep the grammar', () => {
  const offering = (list: string) => statusOf({ headers: { ...good, 'sec-websocket-extensions': list } });
  for (const list of [
    '',
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits; server_max_window_bits=10',
    'a;b="c" ; d = "e\\f", b',
    'a, ,b',
    'x-webkit-deflate-frame\t;\tno_context_takeover',
  ])
    assert.equal(offering(list), 101, list);
  for (const list of [
    ';',
    'a;',
    'a; ;b',
    'a=b',
    'a; b=',
    'a; b="',
    'a; b=""',
    'a; b="c d"',
    'a b',
    '"a"',
    'a; b=c=d',
    'caf\u00e9',
  ])
    assert.equal(offering(list), 400, list);
  assert.equal(offering(`a${' ;b'.repeat(5000)} c`), 400, 'and a long one takes no time');
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
