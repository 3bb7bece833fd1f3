import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AllowedOrigins } from '../../src/access/allowed-origins.ts';
import { resolveOptions } from '../../src/options.ts';

const plain = { host: 'app.example.com', secure: false };
const allows = (entries: readonly string[], origin: string | undefined, target = plain) =>
  new AllowedOrigins(entries).allows(origin, target);
const byDefault = resolveOptions({}).allowedOrigins;

test('by default the own page and what is no page may connect, every other page may not', () => {
  assert.equal(allows(byDefault, undefined), true);
  assert.equal(allows(byDefault, 'https://app.example.com'), true);
  assert.equal(allows(byDefault, 'http://app.example.com'), true, 'a proxy may have ended TLS or not');
  for (const other of [
    'https://evil.example',
    'https://example.com',
    'https://app.example.com.evil.example',
    'https://evilapp.example.com',
    'https://app.example.com:8443',
    'ftp://app.example.com',
    'null',
    '',
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com@evil.example',
    'https://evil.example#https://app.example.com',
    'https://app.example.com https://evil.example',
    'chrome-extension://abcdefghijklmnop',
  ])
    assert.equal(allows(byDefault, other), false, other);
});

test('by default a page of this machine may connect to this machine, whatever the ports, and to no other', () => {
  const at = (origin: string, host: string) => allows(byDefault, origin, { host, secure: false });
  for (const page of [
    'http://localhost:5173',
    'https://localhost',
    'http://127.0.0.1:3000',
    'http://[::1]:3000',
    'http://app.localhost',
  ])
    for (const host of ['localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'LOCALHOST'])
      assert.equal(at(page, host), true, `${page} to ${host}`);
  for (const page of [
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'http://evillocalhost',
    'capacitor://localhost',
    'https://evil.example',
  ])
    assert.equal(at(page, 'localhost:8080'), false, page);
  assert.equal(at('http://localhost:5173', 'app.example.com'), false, 'a web view of an app, or malware');
  assert.equal(allows(['same-origin'], 'http://localhost:5173', { host: 'localhost:8080', secure: false }), false);
});

test('same-origin compares host and port, with the default port of the scheme', () => {
  const same = (origin: string, host: string, secure = false) => allows(['same-origin'], origin, { host, secure });
  assert.equal(same('http://localhost:8080', 'localhost:8080'), true);
  assert.equal(same('http://localhost:8080', 'LOCALHOST:8080'), true);
  assert.equal(same('http://localhost:8080', 'localhost:8081'), false);
  assert.equal(same('http://localhost', 'localhost:80'), true);
  assert.equal(same('https://localhost', 'localhost:443'), true);
  assert.equal(same('https://localhost', 'localhost:80'), false);
  assert.equal(same('https://localhost:443', 'localhost'), true);
  assert.equal(same('http://[::1]:8080', '[::1]:8080'), true);
  assert.equal(same('http://[::1]:8080', '[::2]:8080'), false);
  assert.equal(same('http://', ''), false);
  assert.equal(same('http://x', ''), false);
});

test('behind TLS only a page that came by TLS is the own one: a network that can forge http pages gets no further', () => {
  const target = { host: 'app.example.com', secure: true };
  assert.equal(allows(['same-origin'], 'https://app.example.com', target), true);
  assert.equal(allows(['same-origin'], 'http://app.example.com', target), false);
});

test('a list replaces the default; it is compared whole, and the own page must be in it to connect', () => {
  const list = ['https://App.example.org:443', 'http://localhost:3000', 'https://*.example.net', 'app://desktop'];
  for (const origin of [
    'https://app.example.org',
    'http://localhost:3000',
    'https://a.example.net',
    'https://a.b.example.net',
    'app://desktop',
  ])
    assert.equal(allows(list, origin), true, origin);
  for (const origin of [
    'http://app.example.org',
    'https://app.example.org:8443',
    'https://example.net',
    'https://badexample.net',
    'https://example.net.evil.example',
    'http://a.example.net',
    'https://app.example.com',
    'null',
    'https://*.example.net',
  ])
    assert.equal(allows(list, origin), false, origin);
  assert.equal(allows([...list, 'same-origin'], 'https://app.example.com'), true);
});

test('null and * are said explicitly; an empty list lets no page in', () => {
  assert.equal(allows(['null'], 'null'), true);
  assert.equal(allows(['*'], 'null'), true);
  assert.equal(allows(['*'], 'https://anything.example'), true);
  assert.equal(allows([], 'https://app.example.com'), false);
  assert.equal(allows([], undefined), true);
});

test('a host outside ASCII is compared as browsers send it', () => {
  assert.equal(allows(['https://b\u00fccher.example'], 'https://xn--bcher-kva.example'), true);
});

test('what is no origin is refused at the start, and named', () => {
  for (const wrong of [
    'example.com',
    'https://example.com/',
    'https://example.com/path',
    'https://*',
    'https://a*.com',
    '*.example.com',
    'https://a.com:x',
  ])
    assert.throws(
      () => resolveOptions({ allowedOrigins: ['same-origin', wrong] }),
      (error: Error & { code: string }) => error.code === 'HOLDFAST_ERR_OPTIONS' && error.message.includes(wrong),
      wrong,
    );
});
