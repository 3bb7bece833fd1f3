/** What of the client's request reaches every backend, also after a failover. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Client, connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, openRaw, type RawClientOptions } from '../support/raw-client.ts';

const closing = { handshakeMs: 50, lingerMs: 200 };

/** Connects through a gateway, and has the first backend ask for another: both requests. */
async function twoRequests(
  t: TestContext,
  request: Omit<RawClientOptions, 'port'>,
  options: TestGatewayOptions = {},
  backendPath = '',
): Promise<[RawBackendConnection, RawBackendConnection]> {
  const [one, two] = [await startRawBackend(t), await startRawBackend(t)];
  const gateway = await startGateway(t, { backends: [one.url + backendPath], closing, ...options });
  const client = connectRaw(t, { port: gateway.port, ...request });
  const first = await one.acceptNext();
  await (await client).sendText('not acknowledged');
  await first.nextMessage();
  gateway.manager.registerBackend({ url: two.url + backendPath });
  await first.sendClose(1012);
  return [first, await two.acceptNext()];
}

test('headers, cookies, path and query reach each backend as the client sent them', async (t) => {
  const both = await twoRequests(
    t,
    {
      path: '/ws/rooms/caf%C3%A9%20one%2Ftwo;v=1?a=1&a=2&b=%26%20+&c',
      headers: {
        cookie: 'sid=abc; theme="dark"',
        authorization: 'Bearer s3cret',
        'x-own': ['one', 'two'],
        'X-Latin': 'caf\u00e9',
        origin: 'https://app.example',
        'user-agent': 'test/1',
      },
    },
    { allowedOrigins: ['https://app.example'] },
    '/base/?key=v&a=0',
  );
  for (const { request } of both) {
    assert.equal(request.method, 'GET');
    assert.equal(request.path, '/base/rooms/caf%C3%A9%20one%2Ftwo;v=1?key=v&a=0&a=1&a=2&b=%26%20+&c');
    assert.equal(request.headers['cookie'], 'sid=abc; theme="dark"');
    assert.equal(request.headers['authorization'], 'Bearer s3cret');
    assert.equal(request.headers['x-own'], 'one, two');
    assert.equal(Buffer.from(request.headers['x-latin'] ?? '', 'latin1').toString(), 'caf\u00e9', 'byte for byte');
    assert.equal(request.headers['origin'], 'https://app.example');
    assert.equal(request.headers['user-agent'], 'test/1');
  }
});

test('headers of the first hop, of the handshake and of the gateway itself are not passed on', async (t) => {
  const [{ request }] = await twoRequests(t, {
    path: '/ws',
    headers: {
      connection: 'Upgrade, X-Hop, keep-alive',
      'x-hop': 'gone',
      'keep-alive': 'timeout=5',
      te: 'trailers',
      'proxy-authorization': 'Basic eA==',
      'proxy-connection': 'x',
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
      'holdfast-pipe': 'forged',
      'Holdfast-Generation': 'forged',
      'HOLDFAST-TICKET': 'forged',
      'holdfast-anything': 'forged',
    },
  });
  for (const name of ['x-hop', 'keep-alive', 'te', 'proxy-authorization', 'proxy-connection', 'holdfast-ticket'])
    assert.equal(request.headers[name], undefined, name);
  assert.equal(request.headers['sec-websocket-extensions'], undefined);
  assert.equal(request.headers['connection']?.toLowerCase(), 'upgrade');
  assert.doesNotMatch(request.raw, /forged/);
  const names = request.rawHeaders.map(([name]) => name.toLowerCase());
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
    'each header once',
  );
});

test('each backend is told the pipe, the generation, the reason and how much is replayed', async (t) => {
  const [first, second] = await twoRequests(t, { path: '/ws' });
  const told = ({ request: { headers } }: RawBackendConnection) =>
    ['holdfast-generation', 'holdfast-reason', 'holdfast-replay'].map((name) => headers[name]);
  assert.deepEqual(told(first), ['1', 'open', '0']);
  assert.deepEqual(told(second), ['2', 'failover', '1']);
  assert.match(first.request.headers['holdfast-pipe'] ?? '', /^[\w-]{16}$/);
  assert.equal(second.request.headers['holdfast-pipe'], first.request.headers['holdfast-pipe']);
});

const forwarded = {
  'x-forwarded-for': '203.0.113.9, 10.0.0.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'public.example',
  'x-forwarded-port': '443',
  forwarded: 'for=203.0.113.9',
  'x-real-ip': '203.0.113.9',
};

test('without trustProxy what the client says of forwarding is replaced', async (t) => {
  const [{ request }] = await twoRequests(t, { path: '/ws', headers: { host: 'direct.example', ...forwarded } });
  assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(request.headers['x-forwarded-proto'], 'http');
  assert.equal(request.headers['x-forwarded-host'], 'direct.example');
  for (const name of ['x-forwarded-port', 'forwarded', 'x-real-ip'])
    assert.equal(request.headers[name], undefined, name);
});

test('with trustProxy the chain is kept and made longer', async (t) => {
  const trusting = { fastify: { trustProxy: true } };
  const [{ request }] = await twoRequests(t, { path: '/ws', headers: { host: 'inner', ...forwarded } }, trusting);
  assert.equal(request.headers['x-forwarded-for'], '203.0.113.9, 10.0.0.1, 127.0.0.1');
  assert.equal(request.headers['x-forwarded-proto'], 'https');
  assert.equal(request.headers['x-forwarded-host'], 'public.example');
  assert.equal(request.headers['x-forwarded-port'], '443');
  assert.equal(request.headers['x-real-ip'], '203.0.113.9');
});

test('with trustProxy for others than this peer, what it says is replaced', async (t) => {
  const trusting = { fastify: { trustProxy: '10.9.9.9' } };
  const [{ request }] = await twoRequests(t, { path: '/ws', headers: { host: 'inner', ...forwarded } }, trusting);
  assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(request.headers['x-forwarded-proto'], 'http');
  assert.equal(request.headers['x-forwarded-port'], undefined);
});

test('a request target in absolute form leads to the same path', async (t) => {
  const [{ request }] = await twoRequests(t, { path: 'http://gw.example:80/ws/room?x=1' });
  assert.equal(request.path, '/room?x=1');
});

const hooks: Readonly<Record<string, NonNullable<TestGatewayOptions['requestHeaders']>>> = {
  sync: (headers, { generation }) => ({ ...headers, 'x-signed': `g${generation}`, cookie: 'replaced=1' }),
  async: async (headers, { generation }) => {
    await new Promise((resolve) => setImmediate(resolve));
    return { ...headers, 'x-signed': `g${generation}`, cookie: 'replaced=1' };
  },
};
for (const [name, requestHeaders] of Object.entries(hooks)) {
  test(`the requestHeaders hook (${name}) is asked for each dial, and cannot break the handshake`, async (t) => {
    const seen: string[] = [];
    const both = await twoRequests(
      t,
      { path: '/ws', headers: { cookie: 'original=1', authorization: 'kept' } },
      {
        requestHeaders: async (headers, context) => {
          seen.push(`${context.backendId} ${context.generation} ${context.pipeId.length} ${headers['cookie']}`);
          return { ...(await requestHeaders(headers, context)), upgrade: 'h2c', 'sec-websocket-key': 'x', host: 'x' };
        },
      },
    );
    both.forEach(({ request }, index) => {
      assert.equal(request.headers['x-signed'], `g${index + 1}`);
      assert.equal(request.headers['cookie'], 'replaced=1');
      assert.equal(request.headers['authorization'], 'kept');
      assert.equal(request.headers['upgrade'], 'websocket');
    });
    assert.equal(seen.length, 2);
    assert.match(seen[1]!, / 2 16 original=1$/, 'it gets the client\u2019s headers anew');
  });
}

for (const [name, requestHeaders] of Object.entries<NonNullable<TestGatewayOptions['requestHeaders']>>({
  throws: () => {
    throw new Error('no token today');
  },
  rejects: () => Promise.reject(new Error('no token today')),
  'answers a header that HTTP does not allow': (headers) => ({ ...headers, 'x-bad': 'a\r\nb: c' }),
  'never answers': () => new Promise<Record<string, string>>(() => {}),
})) {
  test(`a requestHeaders hook that ${name} fails the attempt, and the backend is not to blame`, async (t) => {
    const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
    let calls = 0;
    const gateway = await startGateway(t, {
      backends: [backend.url],
      closing,
      pool: { dialTimeoutMs: 100 },
      requestHeaders: (headers, context) => {
        calls += 1;
        return calls === 1 ? requestHeaders(headers, context) : headers;
      },
    });
    const client: Client = await connect(t, gateway.url);
    const failed = gateway.eventsOf('backend.attempt-failed');
    assert.equal(failed.length, 1);
    assert.equal(failed[0]!.failure, name.startsWith('answers') ? 'aborted' : 'attach-hook');
    assert.deepEqual(gateway.eventsOf('backend.failed'), []);
    assert.equal(calls, 2);
    client.terminate();
  });
}

test('a client that leaves while the requestHeaders hook is at work gives its backend slot back', async (t) => {
  const backend = await startRawBackend(t);
  let asked = (): void => {};
  const wasAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  let answer = (): void => {};
  const gateway = await startGateway(t, {
    backends: [{ url: backend.url, maxConnections: 1 }],
    closing,
    requestHeaders: (headers) =>
      new Promise((resolve) => {
        asked();
        answer = () => resolve(headers);
      }),
  });
  const client = await openRaw(t, { port: gateway.port, path: '/ws' });
  await wasAsked;
  client.reset();
  await gateway.waitFor('pipe.refused');
  assert.equal(gateway.manager.backends()[0]?.connections, 0);
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(backend.openSockets, 0, 'nobody is dialled');
});
