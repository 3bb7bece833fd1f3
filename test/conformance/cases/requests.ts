/** RFC 6455 section 4.2 and RFC 9110: what a client may ask, and the answer. Fastify and `ws` answer first here, so the table is our own. */
import type { RawClientOptions } from '../../support/raw-client.ts';

export interface RequestCase {
  readonly name: string;
  /** Section of RFC 6455, or another RFC. */
  readonly rfc: string;
  readonly request?: Pick<RawClientOptions, 'method' | 'headers' | 'protocols'>;
  /** In place of /ws/<number of the case>. */
  readonly path?: string;
  /** The last word on the request's text. */
  readonly edit?: (request: string) => string;
  readonly status: number;
  /** `code` of the answer's JSON; left out where node:http answers. */
  readonly code?: string;
  readonly headers?: Readonly<Record<string, RegExp>>;
  /** Told in the 101. Default none. */
  readonly protocol?: string;
  /** The connection may be used again: it was no upgrade. */
  readonly keepsOpen?: true;
}

export interface RequestSection {
  readonly title: string;
  readonly cases: readonly RequestCase[];
}

const invalid = 'HOLDFAST_ERR_HANDSHAKE';
const notUpgrade = 'HOLDFAST_ERR_UPGRADE_REQUIRED';
const refused = { status: 400, code: invalid, headers: { connection: /^close$/ } } as const;
const good = { status: 101 } as const;
const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const long = (bytes: number): string => 'x'.repeat(bytes);

const with400 = (rfc: string, name: string, headers: NonNullable<RawClientOptions['headers']>): RequestCase => ({
  name,
  rfc,
  request: { headers },
  ...refused,
});
const with101 = (rfc: string, name: string, headers: NonNullable<RawClientOptions['headers']>): RequestCase => ({
  name,
  rfc,
  request: { headers },
  ...good,
});

const keys: RequestCase[] = [
  with400('4.2.1', 'no key', { 'sec-websocket-key': null }),
  ...(
    [
      ['an empty key', ''],
      ['a key of 10 bytes', 'dGhlIHNhbXBsZQ=='],
      ['a key of 17 bytes', 'dGhlIHNhbXBsZSBub25jZTE='],
      ['a key of 24 bytes', 'dGhlIHNhbXBsZSBub25jZXh4eHh4eHh4'],
      ['a key that is not base64', '********************A=='],
      ['a key in base64url', '__________________-_-w=='],
      ['a key without its padding', 'dGhlIHNhbXBsZSBub25jZQ'],
      ['a key with one = too many', `${key}=`],
      ['a key with a blank inside', 'dGhlIHNhbXBs ZSBub25jZQ=='],
    ] as const
  ).map(([name, value]) => with400('4.2.1', name, { 'sec-websocket-key': value })),
  with400('11.3.1', 'two keys', { 'sec-websocket-key': ['AQIDBAUGBwgJCgsMDQ4PEC==', key] }),
  with400('11.3.1', 'the same key twice', { 'sec-websocket-key': [key, key] }),
  with101('1.3', 'the key of the RFC', { 'sec-websocket-key': key }),
  with101('4.2.1', 'a key with blanks around it', { 'sec-websocket-key': `  ${key}\t ` }),
  with101('4.2.1', 'a key of zeros', { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' }),
];

const wrongVersion = {
  status: 426,
  code: invalid,
  headers: { 'sec-websocket-version': /^13$/, upgrade: /^websocket$/i, connection: /^upgrade, close$/i },
} as const;
const versions: RequestCase[] = [
  { name: 'no version', rfc: '4.2.2', request: { headers: { 'sec-websocket-version': null } }, ...wrongVersion },
  ...['', '0', '8', '12', '14', '99', '255', '256', 'x', '13.0', '013', '+13', '0xd', '13, 8', '8, 13'].map(
    (version): RequestCase => ({
      name: `the version '${version}'`,
      rfc: '4.2.2',
      request: { headers: { 'sec-websocket-version': version } },
      ...wrongVersion,
    }),
  ),
  {
    name: 'two versions',
    rfc: '11.3.5',
    request: { headers: { 'sec-websocket-version': ['13', '13'] } },
    ...wrongVersion,
  },
];

const plainGet = {
  status: 426,
  code: notUpgrade,
  headers: { upgrade: /^websocket$/i, connection: /upgrade/i },
  keepsOpen: true,
} as const;
const upgrades: RequestCase[] = [
  { name: 'a plain GET', rfc: '4.2.1', request: { headers: { upgrade: null, connection: null } }, ...plainGet },
  { name: 'no Upgrade', rfc: '4.2.1', request: { headers: { upgrade: null } }, ...plainGet },
  { name: 'no Connection', rfc: '4.2.1', request: { headers: { connection: null } }, ...plainGet },
  ...['keep-alive', 'upgraded', 'up grade', 'websocket'].map(
    (connection): RequestCase => ({
      name: `the Connection '${connection}'`,
      rfc: '4.2.1',
      request: { headers: { connection } },
      ...plainGet,
    }),
  ),
  {
    name: "the Upgrade 'h2c', which a server may ignore",
    rfc: 'RFC 9110 section 7.8',
    request: { headers: { upgrade: 'h2c' } },
    status: 426,
    code: notUpgrade,
    headers: { upgrade: /^websocket$/i, connection: /^upgrade, close$/i },
  },
  ...['TLS/1.3', 'websockets', 'web socket', 'websocket/13', '"websocket"'].map((upgrade) =>
    with400('4.2.1', `the Upgrade '${upgrade}'`, { upgrade }),
  ),
  with400('4.2.1', 'two Upgrades', { upgrade: ['websocket', 'websocket'] }),
  ...['upgrade', 'UPGRADE', 'uPgRaDe', 'keep-alive, Upgrade', 'Upgrade , keep-alive', 'Upgrade,,keep-alive'].map(
    (connection) => with101('4.2.1', `the Connection '${connection}'`, { connection }),
  ),
  with101('4.2.1', 'a Connection of 200 tokens, upgrade the last', {
    connection: `${Array.from({ length: 200 }, (_, index) => `x-${index}`).join(', ')}, upgrade`,
  }),
  with101('4.2.1', 'Connection in two headers', { connection: ['keep-alive', 'Upgrade'] }),
  ...['WebSocket', 'WEBSOCKET', 'wEbSoCkEt'].map((upgrade) =>
    with101('4.2.1', `the Upgrade '${upgrade}'`, { upgrade }),
  ),
  {
    name: 'header names in capitals',
    rfc: '4.2.1',
    edit: (text) => text.replaceAll(/^[A-Za-z-]+:/gm, (name) => name.toUpperCase()),
    ...good,
  },
  {
    name: 'header names in lower case, without blanks behind the colons',
    rfc: '4.2.1',
    edit: (text) => text.replaceAll(/^([A-Za-z-]+): /gm, (name) => name.toLowerCase().trim()),
    ...good,
  },
];

const notGet = { status: 405, code: invalid, headers: { allow: /^GET$/, connection: /^close$/ } } as const;
const lines: RequestCase[] = [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map(
    (method): RequestCase => ({ name: `the method ${method}`, rfc: '4.2.1', request: { method }, ...notGet }),
  ),
  {
    name: 'the method HEAD, answered without a body',
    rfc: '4.2.1',
    request: { method: 'HEAD' },
    status: 405,
    headers: notGet.headers,
  },
  {
    name: 'a POST with a body and no Upgrade',
    rfc: '4.2.1',
    edit: () => 'POST /ws HTTP/1.1\r\nHost: a\r\nContent-Type: text/odd\r\nContent-Length: 2\r\n\r\n{}',
    status: 405,
    code: invalid,
    headers: { allow: /^GET$/ },
    keepsOpen: true,
  },
  { name: 'the method get', rfc: 'RFC 9110 9.1', edit: (text) => text.replace('GET', 'get'), status: 400 },
  { name: 'HTTP/1.0', rfc: '4.2.1', edit: (text) => text.replace('HTTP/1.1', 'HTTP/1.0'), ...refused },
  { name: 'HTTP/1.2', rfc: 'RFC 9112 2.3', edit: (text) => text.replace('HTTP/1.1', 'HTTP/1.2'), status: 400 },
  { name: 'HTP/1.1', rfc: 'RFC 9112 2.3', edit: (text) => text.replace('HTTP/1.1', 'HTP/1.1'), status: 400 },
  { name: 'line ends without CR', rfc: 'RFC 9112 2.2', edit: (text) => text.replaceAll('\r\n', '\n'), status: 400 },
  { name: 'empty lines before the request', rfc: 'RFC 9112 2.2', edit: (text) => `\r\n\r\n${text}`, ...good },
  {
    name: 'a body by Content-Length',
    rfc: '4.1',
    request: { headers: { 'content-length': '5' } },
    edit: (text) => `${text}hello`,
    ...refused,
  },
  {
    name: 'a body in chunks',
    rfc: '4.1',
    request: { headers: { 'transfer-encoding': 'chunked' } },
    edit: (text) => `${text}5\r\nhello\r\n0\r\n\r\n`,
    ...refused,
  },
  {
    name: 'both Content-Length and Transfer-Encoding',
    rfc: 'RFC 9112 6.1',
    request: { headers: { 'content-length': '5', 'transfer-encoding': 'chunked' } },
    edit: (text) => `${text}0\r\n\r\n`,
    status: 400,
  },
  with101('4.1', 'a Content-Length of 0', { 'content-length': '0' }),
];

const targets: RequestCase[] = [
  { name: 'a fragment in the url', rfc: '3', path: '/ws/a#b', ...refused },
  { name: 'a fragment in the query', rfc: '3', path: '/ws?a#b', ...refused },
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
  ].map((path): RequestCase => ({ name: `the path ${path}`, rfc: 'RFC 3986 5.2.4', path, ...refused })),
  { name: 'a path that is not UTF-8', rfc: '3', path: '/ws/%ff', status: 400, code: 'FST_ERR_BAD_URL' },
  { name: 'a path with a half escape', rfc: '3', path: '/ws/%zz', status: 400, code: 'FST_ERR_BAD_URL' },
  { name: 'another path', rfc: '4.2.2', path: '/elsewhere', status: 404 },
  { name: 'the path in capitals', rfc: '3', path: '/WS', status: 404 },
  { name: 'two slashes', rfc: '3', path: '//ws', status: 404 },
  { name: 'a url of 17,000 bytes', rfc: '10.4', path: `/ws?${long(17_000)}`, status: 431 },
  { name: 'a query of 15,000 bytes', rfc: '10.4', path: `/ws/long?${long(15_000)}`, ...good },
  { name: 'a url in absolute form', rfc: 'RFC 9112 3.2.2', path: 'http://127.0.0.1/ws/absolute', ...good },
];

const headers: RequestCase[] = [
  with400('4.2.1', 'no Host', { host: null }),
  with400('RFC 9112 3.2', 'two Hosts', { host: ['a', 'b'] }),
  { name: 'a header of 17,000 bytes', rfc: '10.4', request: { headers: { 'x-long': long(17_000) } }, status: 431 },
  {
    name: 'headers of 17,000 bytes together',
    rfc: '10.4',
    request: { headers: { 'x-long': Array.from({ length: 100 }, () => long(170)) } },
    status: 431,
  },
  with101('10.4', 'a header of 15,000 bytes', { 'x-long': long(15_000) }),
  // Node 24 answers 431 to more than a thousand in all.
  with101('4.2.1', 'nine hundred headers', { x: Array.from({ length: 900 }, () => '1') }),
  ...(
    [
      ['a folded header', 'X: a\r\n b'],
      ['a blank in a header\u2019s name', 'X Y: a'],
      ['a blank before a colon', 'X : a'],
      ['a header without a colon', 'XY'],
      ['a NUL in a header', 'X: a\u0000b'],
      ['a CR in a header', 'X: a\rb'],
    ] as const
  ).map(
    ([name, line]): RequestCase => ({
      name,
      rfc: 'RFC 9112 5',
      edit: (text) => text.replace('\r\n\r\n', `\r\n${line}\r\n\r\n`),
      status: 400,
    }),
  ),
  with101('4.1', 'an Origin', { origin: 'http://127.0.0.1' }),
  with101('4.1', 'a cookie', { cookie: 'a=b; c="d"' }),
  with101('4.1', 'an unknown header', { 'sec-websocket-x': 'y' }),
];

const offer = (list: string | readonly string[]) => ({ headers: { 'sec-websocket-protocol': list } });
const subprotocols: RequestCase[] = [
  ...['', 'a b', 'a,', ',a', 'a,,b', 'caf\u00e9', 'a;b', '"a"', 'a/b', '{a}', 'a, a', 'a, b, a'].map(
    (list): RequestCase => ({ name: `the list '${list}'`, rfc: '11.3.4', request: offer(list), ...refused }),
  ),
  { name: 'the same in two headers', rfc: '4.1', request: offer(['a, b', 'a']), ...refused },
  { name: 'one', rfc: '4.2.2', request: offer('a'), ...good, protocol: 'a' },
  { name: 'three: the backend takes the first', rfc: '4.2.2', request: offer('c, b, a'), ...good, protocol: 'c' },
  { name: 'three in three headers', rfc: '11.3.4', request: offer(['b', 'c', 'a']), ...good, protocol: 'b' },
  { name: 'blanks around them', rfc: '11.3.4', request: offer(' b ,\ta '), ...good, protocol: 'b' },
  {
    name: 'every character of a token',
    rfc: '4.1',
    request: offer("!#$%&'*+-.^_`|~09azAZ"),
    ...good,
    protocol: "!#$%&'*+-.^_`|~09azAZ",
  },
  { name: 'case matters: A is not a', rfc: '4.1', request: offer('A, a'), ...good, protocol: 'A' },
];

const extensionOf = (list: string | readonly string[]) => ({ headers: { 'sec-websocket-extensions': list } });
const extensions: RequestCase[] = [
  ...[
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits; server_max_window_bits="10"',
    'permessage-deflate; client_max_window_bits, permessage-deflate',
    'x-webkit-deflate-frame',
    'unknown; a=1; b="c"; d',
    '',
  ].map(
    (list): RequestCase => ({
      name: `the offer '${list}' is not taken`,
      rfc: '9.1',
      request: extensionOf(list),
      ...good,
    }),
  ),
  {
    name: 'offers in two headers are not taken',
    rfc: '9.1',
    request: extensionOf(['a; b', 'permessage-deflate']),
    ...good,
  },
  ...[';', 'a;', 'a; b=', 'a; b="c', 'a; b="c d"', 'a=b', 'a b', '"a"'].map(
    (list): RequestCase => ({
      name: `the malformed offer '${list}'`,
      rfc: '9.1',
      request: extensionOf(list),
      ...refused,
    }),
  ),
];

export const requestSections: readonly RequestSection[] = [
  { title: '4.2.1 keys', cases: keys },
  { title: '4.2.2, 4.4 versions', cases: versions },
  { title: '4.2.1 Upgrade and Connection', cases: upgrades },
  { title: '4.2.1 request line and body', cases: lines },
  { title: '3 urls', cases: targets },
  { title: '4.2.1, 10.4 headers', cases: headers },
  { title: '4.2.2, 11.3.4 subprotocols', cases: subprotocols },
  { title: '9.1 extensions', cases: extensions },
];
