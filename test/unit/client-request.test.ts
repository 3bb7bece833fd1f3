import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backendTarget, forwardedHeaders, suffixOf } from '../../src/pipe/client-request.ts';

const by = { for: '192.0.2.1', proto: 'https', host: 'public.example', trusted: false };

test('hop-by-hop, handshake and Holdfast headers are left out, the rest is kept', () => {
  const headers = forwardedHeaders(
    {
      host: 'gateway',
      connection: 'Upgrade, X-Hop , close',
      upgrade: 'websocket',
      'x-hop': '1',
      te: 'trailers',
      'content-length': '0',
      'transfer-encoding': 'chunked',
      'proxy-authorization': 'x',
      'sec-websocket-key': 'x',
      'sec-websocket-protocol': 'x',
      'holdfast-pipe': 'forged',
      'holdfast-ticket': 'forged',
      cookie: 'a=b; c=d',
      authorization: 'Bearer x',
      'x-many': ['1', '2'] as unknown as string,
      'x-none': undefined,
    },
    by,
  );
  assert.deepEqual(headers, {
    cookie: 'a=b; c=d',
    authorization: 'Bearer x',
    'x-many': '1, 2',
    'x-forwarded-for': '192.0.2.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'public.example',
  });
});

test('a name that some backends read as that of another header is left out, from a trusted proxy too', () => {
  const said = {
    holdfast_ticket: 'x',
    'holdfast.ticket': 'x',
    x_forwarded_for: 'x',
    'x_real-ip': 'x',
    x_user: 'x',
    '2-fine-name': 'y',
  };
  for (const trusted of [false, true]) {
    const headers = forwardedHeaders(said, { ...by, trusted });
    assert.deepEqual(Object.keys(headers).sort(), [
      '2-fine-name',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
    ]);
    assert.equal(headers['x-forwarded-for'], '192.0.2.1');
  }
});

test('Connection cannot take away what the gateway itself says of the client', () => {
  const headers = forwardedHeaders({ connection: 'upgrade, x-forwarded-for' }, by);
  assert.equal(headers['x-forwarded-for'], '192.0.2.1');
});

test('what a client says of forwarding counts only from a trusted proxy', () => {
  const said = {
    'x-forwarded-port': '1',
    'x-forwarded-prefix': '/p',
    forwarded: 'for=x',
    'x-real-ip': 'x',
    'x-forwarded-for': 'x',
  };
  assert.deepEqual(Object.keys(forwardedHeaders(said, by)).sort(), [
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
  ]);
  const trusted = forwardedHeaders(said, { ...by, trusted: true });
  assert.equal(trusted['x-forwarded-port'], '1');
  assert.equal(trusted['forwarded'], 'for=x');
  assert.equal(trusted['x-forwarded-for'], '192.0.2.1', 'the chain is computed by the host');
});

test('what follows the route is kept as it came', () => {
  for (const [target, depth, suffix, query] of [
    ['/ws', 1, '', ''],
    ['/ws/', 1, '', ''],
    ['/ws?a=/b/../c', 1, '', '?a=/b/../c'],
    ['/ws/a%20b/c%2Fd?x#y', 1, '/a%20b/c%2Fd', '?x#y'],
    ['/ws/a//b/', 1, '/a//b/', ''],
    ['/api/v1/ws/id/room', 4, '/room', ''],
    ['/', 0, '', ''],
    ['/room', 0, '/room', ''],
    ['http://gw.example:80/ws/room?x', 1, '/room', '?x'],
    ['HTTP://gw.example/ws', 1, '', ''],
    ['/ws/...', 1, '/...', ''],
    ['/ws/a%23b%3Fc%3b%20%80', 1, '/a%23b%3Fc%3b%20%80', ''],
    ['/ws/a..b/.c/d.', 1, '/a..b/.c/d.', ''],
  ] as const)
    assert.deepEqual(suffixOf(target, depth), { suffix, query }, target);
});

test('dot segments are refused in every spelling that one decoding makes of them', () => {
  for (const path of [
    '..',
    '.',
    '../x',
    'a/..',
    'a/./b',
    '%2e%2e',
    '.%2E',
    '%2e',
    'a%2f..%2fb',
    'a%5c..',
    '..\\x',
    'a\\..',
    '..%23',
    '..%3Fx',
    'a/..%3b/x',
    '..%09',
    '.%09./secret',
    '..%00/x',
    '.%00./',
    'x%1f',
    'x%7F',
  ])
    assert.equal(suffixOf(`/ws/${path}`, 1), null, path);
});

test('no suffix that passes leaves the path of the backend when an URL parser reads it', () => {
  const part = fc.constantFrom(
    '..',
    '.',
    '%2e',
    '%2E',
    '/',
    '\\',
    '%2f',
    '%5C',
    'a',
    ';',
    '..;',
    '%00',
    '//',
    '?',
    '#',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const found = suffixOf(`/ws/${parts.join('')}`, 1);
      if (found === null) return;
      const target = backendTarget(new URL('ws://b/base/deep'), found);
      const { pathname } = new URL(target, 'http://b');
      assert.ok(pathname.startsWith('/base/deep'), `${target} -> ${pathname}`);
    }),
    { numRuns: 2000 },
  );
});

test('both queries are joined, and one slash stays between the paths', () => {
  const target = (url: string, suffix: string, query: string) => backendTarget(new URL(url), { suffix, query });
  assert.equal(target('ws://b', '', ''), '/');
  assert.equal(target('ws://b', '/x', ''), '/x');
  assert.equal(target('ws://b/', '/x', '?q'), '/x?q');
  assert.equal(target('ws://b/base/', '/x', ''), '/base/x');
  assert.equal(target('ws://b/base/', '', ''), '/base/');
  assert.equal(target('ws://b/base?k=v', '/x', '?a=b'), '/base/x?k=v&a=b');
  assert.equal(target('ws://b/base?k=v', '', '?'), '/base?k=v');
  assert.equal(target('ws://b/base', '', '?&a'), '/base?&a');
});
