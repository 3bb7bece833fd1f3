import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBackendUrl } from '../../src/pool/backend.ts';
import { backendUrlKey, backendUrlText, shownUrl } from '../../src/pool/backend-url.ts';

const refused = { code: 'HOLDFAST_ERR_BACKEND_URL', statusCode: 400 };

test('ws and wss addresses with path and query are taken', () => {
  assert.equal(parseBackendUrl('ws://10.0.0.5:9001').href, 'ws://10.0.0.5:9001/');
  assert.equal(parseBackendUrl('wss://Example.COM/chat?room=1').href, 'wss://example.com/chat?room=1');
  assert.equal(parseBackendUrl('ws://[::1]:9001/x').host, '[::1]:9001');
});

for (const [text, why] of [
  ['http://host/', 'scheme'],
  ['host:9001', 'no scheme'],
  ['', 'empty'],
  ['ws://', 'no host'],
  ['ws://user:secret@host/', 'credentials'],
  ['ws://user@host/', 'user name'],
  ['ws://host/#part', 'fragment'],
  ['ws://host/#', 'empty fragment'],
  ['ws://host:0/', 'port 0'],
  ['ws://host:99999/', 'port out of range'],
  [`ws://host/${'a'.repeat(2048)}`, 'length'],
  [`ws://host/${'é'.repeat(340)}`, 'length when percent-encoded'],
] as const) {
  test(`refused: ${why}`, () => assert.throws(() => parseBackendUrl(text), refused));
}

test('what is no string is refused, not crashed on', () => {
  assert.throws(() => parseBackendUrl(undefined as unknown as string), refused);
});

test('the message repeats no password, token or line break', () => {
  for (const text of [
    'ws://user:secret@host/',
    'http://host/?token=secret',
    'ws://u:secret@:bad',
    'ws://host:0/?t=secret',
    'ws://host/?t=secret#a',
    'ws:user:secret@host',
    'ws:/user:secret@host',
    String.raw`ws:\\user:secret@host`,
    'ws://user:secret#x@host',
    'ws://user:secret?x@host',
    'ws://user:x/secret@host',
    'user:secret@host',
    'ws://host?t=x@secret#a',
  ]) {
    assert.throws(
      () => parseBackendUrl(text),
      (error: Error) => !error.message.includes('secret'),
    );
  }
  assert.equal(shownUrl('ws://a\nb'), 'ws://a b');
  assert.equal(shownUrl('ws://user:secret@host/a?b'), 'ws://***@host/a');
});

test('spellings of one address have one key, other addresses another', () => {
  const key = (text: string) => backendUrlKey(parseBackendUrl(text));
  for (const same of ['ws://host', 'WS://HOST/', 'ws://host:80', 'ws://host:80/'])
    assert.equal(key(same), key('ws://host/'));
  assert.equal(key('wss://host:443/a/'), key('wss://host/a'));
  assert.equal(key('ws://host/a/?q=1'), key('ws://host/a?q=1'));
  const different = ['ws://host', 'wss://host', 'ws://host:81', 'ws://host/a', 'ws://host/A', 'ws://host?q=1'];
  assert.equal(new Set(different.map(key)).size, different.length);
});

test('the text for logs has no query', () => {
  assert.equal(backendUrlText(parseBackendUrl('ws://host:1/a?token=secret')), 'ws://host:1/a');
});
