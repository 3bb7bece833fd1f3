/** How many clients are let in, and how often: in all, and of one address. */
import assert from 'node:assert/strict';
import { createConnection, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import holdfast from '../../src/index.ts';
import type { HoldfastOptions } from '../../src/options.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { handshakeRequest, openRaw, type RawClientOptions } from '../support/raw-client.ts';
import { connectResumable } from '../support/resume-client.ts';
import { deferred, until } from '../support/wait.ts';
import { assertLimited, assertNobodyIn, assertReached, behindProxy, from, limited } from './limits-scenario.ts';

const codeOf = ({ body }: { body: string }) => (JSON.parse(body) as { code: string }).code;

test('limits.maxPipesPerAddress: 429 with Retry-After, an IPv6 network is one address, other addresses are let in', async (t) => {
  const backend = await startBackend(t);
  const limits = { maxPipesPerAddress: 2 };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  const first = await connect(t, gateway.url, from('203.0.113.1'));
  await connect(t, gateway.url, from('203.0.113.1'));
  const refused = await connectRefused(t, gateway.url, from('203.0.113.1'));
  assert.equal(refused.status, 429);
  assert.equal(codeOf(refused), 'HOLDFAST_ERR_ADDRESS_FULL');
  assert.match(String(refused.headers['retry-after']), /^[1-9]\d*$/);
  await assertLimited(gateway, 'pipes-per-address', 1);
  await connect(t, gateway.url, from('203.0.113.2'));
  await connect(t, gateway.url, from('2001:db8::1'));
  await connect(t, gateway.url, from('2001:db8::2:3'));
  assert.equal((await connectRefused(t, gateway.url, from('2001:db8::4'))).status, 429);
  await connect(t, gateway.url, from('2001:db8:0:1::1'));
  first.terminate();
  await until(() => gateway.manager.size === 5, { what: 'the first to be gone' });
  await connect(t, gateway.url, from('203.0.113.1'));
});

test('behind a proxy that names ports each client still counts by its address, and without any address as the proxy', async (t) => {
  const backend = await startBackend(t, { record: true });
  const limits = { maxPipesPerAddress: 2, exemptAddresses: ['198.51.100.0/24'] };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  const third = async (names: (n: number) => string) => {
    for (const n of [1, 2]) await connect(t, gateway.url, from(names(n)));
    return (await connectRefused(t, gateway.url, from(names(3)))).status;
  };
  assert.equal(await third((n) => `203.0.113.1:500${n}`), 429);
  assert.equal(await third((n) => `[2001:db8::${n}]:443`), 429);
  assert.equal(await third((n) => `unknown-${n}`), 429);
  for (let n = 0; n < 4; n += 1) await connect(t, gateway.url, from(`198.51.100.7:600${n}`));
  const seen = [...gateway.manager].map(({ request }) => request.clientIp);
  assert.deepEqual([...new Set(seen)], ['203.0.113.1', '2001:db8::1', '2001:db8::2', '127.0.0.1', '198.51.100.7']);
  assert.equal(
    backend.upgrades()[0]?.headers['x-forwarded-for'],
    '203.0.113.1:5001, 127.0.0.1',
    'as the proxy said it',
  );
});

test('without trustProxy X-Forwarded-For says nothing, and the loopback is exempt by default', async (t) => {
  const backend = await startBackend(t);
  const exempt = await startGateway(t, { backends: [backend.url], limits: { maxPipesPerAddress: 1 } });
  await connect(t, exempt.url, from('203.0.113.1'));
  await connect(t, exempt.url, from('203.0.113.1'));
  const limits = { maxPipesPerAddress: 1, exemptAddresses: [] };
  const counted = await startGateway(t, { backends: [backend.url], limits });
  await connect(t, counted.url, from('203.0.113.1'));
  assert.equal((await connectRefused(t, counted.url, from('203.0.113.2'))).status, 429);
});

test('a client that comes back to its pipe takes its slot along, from another address too', async (t) => {
  const backend = await startBackend(t);
  const limits = { maxPipesPerAddress: 1 };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  const home = await connectResumable(t, gateway.url, from('203.0.113.1'));
  const away = await connectResumable(t, gateway.url, {
    ...from('198.51.100.1'),
    resume: { ...home.welcome, received: 0 },
  });
  assert.equal(away.welcome.resumed, true);
  assert.equal((await connectRefused(t, gateway.url, from('198.51.100.1'))).status, 429);
  const other = await connect(t, gateway.url, from('203.0.113.1'));
  other.terminate();
  away.client.close(1000);
  await assertNobodyIn(gateway);
});

test('limits.handshakesPerSecondPerAddress: the burst, then 429 until there is a token again; refused ones cost none', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 4, handshakeBurstPerAddress: 3 };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  for (let n = 0; n < 3; n += 1) (await connect(t, gateway.url, from('203.0.113.1'))).terminate();
  const refused = await connectRefused(t, gateway.url, from('203.0.113.1'));
  assert.equal(refused.status, 429);
  assert.equal(codeOf(refused), 'HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS');
  assert.equal(refused.headers['retry-after'], '1');
  await connect(t, gateway.url, from('203.0.113.2'));
  await assertLimited(gateway, 'handshakes-per-address', 1);
  let tries = 0;
  for (const at = performance.now(); performance.now() - at < 5000; tries += 1) {
    const { statusCode } = await tried(gateway.port, '203.0.113.1');
    if (statusCode === 101) break;
  }
  assert.equal(await limited(gateway, 'handshakes-per-address'), 1 + tries);
});

test('limits.maxAddresses: whoever has been silent for longest is forgotten, has its burst again, and is counted', async (t) => {
  const backend = await startBackend(t);
  const limits = { maxAddresses: 2, handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 1 };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  await connect(t, gateway.url, from('203.0.113.1'));
  await connect(t, gateway.url, from('203.0.113.2'));
  assert.equal((await tried(gateway.port, '203.0.113.1')).statusCode, 429);
  await assertReached(gateway, 'holdfast_forgotten_addresses_total', 0);
  // Two are in and watched, one of them was refused.
  await assertReached(gateway, 'holdfast_limited_addresses', 5);
  await connect(t, gateway.url, from('203.0.113.3'));
  await assertReached(gateway, 'holdfast_forgotten_addresses_total', 1);
  assert.equal((await tried(gateway.port, '203.0.113.2')).statusCode, 101);
});

test('limits.handshakesPerSecond: 503 with Retry-After, whatever the addresses', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecond: 1, handshakeBurst: 3 };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  for (let n = 1; n <= 3; n += 1) await connect(t, gateway.url, from(`203.0.113.${n}`));
  const refused = await connectRefused(t, gateway.url, from('203.0.113.9'));
  assert.equal(refused.status, 503);
  assert.equal(codeOf(refused), 'HOLDFAST_ERR_TOO_MANY_HANDSHAKES');
  assert.equal(refused.headers['retry-after'], '1');
  await assertLimited(gateway, 'handshakes', 1);
});

test('limits.maxPipes counts those whose clientId function is still at work, and gives back the slots of those who leave meanwhile', async (t) => {
  const backend = await startBackend(t);
  const answers = [deferred<string>(), deferred<string>()];
  let asked = 0;
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: { maxPipes: 2 },
    clientId: () => {
      asked += 1;
      return answers[asked - 1]!.promise;
    },
  });
  const waiting = await openRaw(t, { port: gateway.port, path: '/ws' });
  const second = connect(t, gateway.url);
  await until(() => asked === 2, { what: 'both to be asked for' });
  assert.equal(gateway.manager.entrance.arriving, 2);
  const refused = await connectRefused(t, gateway.url);
  assert.equal(refused.status, 503);
  assert.equal(codeOf(refused), 'HOLDFAST_ERR_GATEWAY_FULL');
  await assertLimited(gateway, 'pipes', 1);
  waiting.reset();
  await until(() => gateway.manager.entrance.arriving === 1, { what: 'the slot of the one that left' });
  answers[1]!.resolve('second');
  (await second).terminate();
  await assertNobodyIn(gateway);
  // Its answer comes too late for anybody.
  answers[0]!.resolve('first');
  await until(() => gateway.eventsOf('pipe.refused').some(({ statusCode }) => statusCode === 499), {
    what: 'the one that left to be told',
  });
  assert.equal(gateway.manager.size, 0);
});

async function tried(port: number, address: string): Promise<{ statusCode: number }> {
  const client = await openRaw(null, { port, path: '/ws', ...from(address) });
  const { status } = await client.response();
  client.destroy();
  return { statusCode: status };
}

type RequestChanges = Pick<RawClientOptions, 'path' | 'headers' | 'method'>;

/** @returns the status that an upgrade from that address of this machine is answered with; 0 = it was dropped. */
async function knockFrom(
  t: TestContext,
  port: number,
  localAddress: string,
  changes: RequestChanges = {},
): Promise<number> {
  const socket = createConnection({ port, host: '127.0.0.1', localAddress });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(handshakeRequest({ port, path: '/ws', ...changes }, 'dGhlIHNhbXBsZSBub25jZQ=='));
  const answer = await new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.once('close', () => resolve('HTTP/1.1 0'));
  });
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

test('limits.dropConnections: an address that goes on after its refusals has its connections dropped unread, a while later; others are served', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 5, handshakeBurstPerAddress: 2, exemptAddresses: ['127.0.0.1'] };
  const gateway = await startGateway(t, { backends: [backend.url], limits });
  const dropped: number[] = [];
  const knock = async (localAddress: string): Promise<number> => {
    const begun = performance.now();
    const status = await knockFrom(t, gateway.port, localAddress);
    if (status === 0) dropped.push(performance.now() - begun);
    return status;
  };
  // One answers before the next comes, until they are dropped.
  const answers: number[] = [];
  for (let n = 0; n < 100 && dropped.length === 0; n += 1) answers.push(await knock('127.0.0.2'));
  assert.deepEqual(answers.slice(0, 3), [101, 101, 429]);
  assert.ok(answers.filter((status) => status === 429).length >= 5, `${answers}`);
  const many = await Promise.all(Array.from({ length: 60 }, () => knock('127.0.0.2')));
  assert.ok(many.filter((status) => status === 0).length > 5, `${many}`);
  assert.ok(Math.min(...dropped) > 900, `dropped after ${dropped} ms: it would be back at once`);
  await assertLimited(gateway, 'connections', dropped.length);
  await connect(t, gateway.url);
  assert.equal(await knock('127.0.0.3'), 101);
  // It behaves again: it is answered again.
  await until(async () => (await knock('127.0.0.2')) !== 0, { what: 'an answer' });
});

/** What an upgrade can have wrong, and what it is told. */
const malformed: readonly (readonly [status: number, changes: RequestChanges])[] = [
  [426, { headers: { 'Sec-WebSocket-Version': '12' } }],
  [400, { headers: { 'Sec-WebSocket-Key': null } }],
  [400, { headers: { 'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='] } }],
  [400, { path: '/ws/../x' }],
  [400, { headers: { Upgrade: 'another' } }],
  [405, { method: 'POST' }],
];

for (const [status, changes] of malformed) {
  test(`limits.dropConnections: upgrades that are answered with ${status} (${JSON.stringify(changes)}) count as handshakes`, async (t) => {
    const backend = await startBackend(t);
    const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 2, exemptAddresses: ['127.0.0.1'] };
    const gateway = await startGateway(t, { backends: [backend.url], limits });
    const answers: number[] = [];
    for (let n = 0; n < 100 && answers.at(-1) !== 0; n += 1)
      answers.push(await knockFrom(t, gateway.port, '127.0.0.2', changes));
    assert.deepEqual(answers.slice(0, 3), [status, status, 429]);
    assert.equal(answers.at(-1), 0, `${answers}`);
    await assertLimited(gateway, 'connections', 1);
    await assertLimited(gateway, 'handshakes-per-address', answers.filter((one) => one === 429).length);
    assert.equal(await knockFrom(t, gateway.port, '127.0.0.3'), 101);
  });
}

test('malformed upgrades count in limits.handshakesPerSecond, and a good one takes no more of it than they do', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecond: 1, handshakeBurst: 4 };
  const gateway = await startGateway(t, { backends: [backend.url], limits });
  const [[status, changes]] = malformed as [(typeof malformed)[0]];
  const knock = (one: RequestChanges) => knockFrom(t, gateway.port, '127.0.0.1', one);
  const answers = [await knock(changes), await knock({}), await knock(changes), await knock({}), await knock(changes)];
  assert.deepEqual(answers, [status, 101, status, 101, 503]);
  await assertLimited(gateway, 'handshakes', 1);
});

/** Resolves when the gateway has seen that connection end. @param text sent on it before. */
async function connectFor(
  { app, port }: Pick<TestGateway, 'app' | 'port'>,
  localAddress: string,
  text: string,
): Promise<void> {
  const gone = new Promise((resolve) =>
    app.server.once('connection', (socket: Socket) => socket.once('close', resolve)),
  );
  const socket = createConnection({ port, host: '127.0.0.1', localAddress });
  // Whatever is written last is there before the end is.
  socket.once('connect', () => (text === '' ? socket.destroy() : socket.end(text)));
  socket.on('error', () => {}).resume();
  await gone;
  socket.destroy();
}

function connectSilently(gateway: Pick<TestGateway, 'app' | 'port'>, localAddress: string): Promise<void> {
  return connectFor(gateway, localAddress, '');
}

for (const [what, text] of [
  ['without a byte', ''],
  ['after a byte', 'G'],
  ['within a head', 'GET /ws HTTP/1.1\r\nHost: a\r\n'],
  ['after what is no HTTP', '\0\r\n\r\n'],
] as const)
  test(`limits.dropConnections: connections that end ${what} count as handshakes of their address`, async (t) => {
    const backend = await startBackend(t);
    const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 5, exemptAddresses: ['127.0.0.1'] };
    const gateway = await startGateway(t, { backends: [backend.url], limits });
    // Until a client has come nobody knows whether the connections are a proxy's.
    await connect(t, gateway.url);
    for (let n = 0; n < 5; n += 1) await connectFor(gateway, '127.0.0.2', text);
    assert.equal(await knockFrom(t, gateway.port, '127.0.0.2'), 429);
    assert.equal(await knockFrom(t, gateway.port, '127.0.0.3'), 101);
    for (let n = 0; n < 50 && (await limited(gateway, 'connections')) === 0; n += 1)
      await connectFor(gateway, '127.0.0.2', text);
    assert.ok((await limited(gateway, 'connections')) > 0);
  });

test('limits.dropConnections: connections on which there was a request, or an upgrade, count no more when they end', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 9, exemptAddresses: [] };
  const gateway = await startGateway(t, { backends: [backend.url], limits });
  assert.equal(await knockFrom(t, gateway.port, '127.0.0.2'), 101);
  await assertNobodyIn(gateway);
  const plain = 'GET /nowhere HTTP/1.1\r\nHost: a\r\n';
  const lines = [
    '',
    'Connection: close\r\n',
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n',
  ];
  for (let n = 0; n < 12; n += 1) await connectFor(gateway, '127.0.0.2', `${plain}${lines[n % 3]}\r\n`);
  const answers: number[] = [];
  for (let n = 0; n < 8; n += 1) answers.push(await knockFrom(t, gateway.port, '127.0.0.2'));
  assert.deepEqual(answers, Array(8).fill(101));
});

test('limits.dropConnections: with two gateways on one server the upgrades of one are not connections without a request to the other', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 3, exemptAddresses: [] };
  const first: HoldfastOptions = { backends: [backend.url], path: '/first', admin: false, shutdown: { spreadMs: 0 } };
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits,
    prepare: async (app) => {
      await app.register(async (scope) => {
        await scope.register(holdfast, first);
      });
    },
  });
  assert.equal(await knockFrom(t, gateway.port, '127.0.0.2'), 101);
  for (let n = 0; n < 6; n += 1) assert.equal(await knockFrom(t, gateway.port, '127.0.0.2', { path: '/first' }), 101);
  assert.equal(await knockFrom(t, gateway.port, '127.0.0.2'), 101);
});

test('limits.dropConnections: the end of the gateway does not wait for those that are kept', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 1, exemptAddresses: [] };
  const gateway = await startGateway(t, { backends: [backend.url], limits, closing: { handshakeMs: 100 } });
  const knocks: Promise<number>[] = [];
  const kept = () => {
    knocks.push(knockFrom(t, gateway.port, '127.0.0.2'));
    return gateway.manager.tally.total('connections') > 0;
  };
  await until(kept, { what: 'a connection to be kept' });
  const begun = performance.now();
  await gateway.app.close();
  assert.ok(performance.now() - begun < 700, 'it waited');
  assert.ok((await Promise.all(knocks)).includes(0));
});

test('limits.dropConnections does nothing where trustProxy is set: the connections are the proxy\u2019s', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 2, handshakeBurstPerAddress: 1, exemptAddresses: [] };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  for (let n = 0; n < 30; n += 1) assert.notEqual((await tried(gateway.port, '127.0.0.1')).statusCode, 0);
  assert.equal(await limited(gateway, 'connections'), 0);
  // Nor do its own count for it: behind it a client without an address has that of the proxy.
  const silent = await startGateway(t, {
    ...behindProxy,
    backends: [backend.url],
    limits: { ...limits, handshakeBurstPerAddress: 3 },
  });
  assert.equal(await knockFrom(t, silent.port, '127.0.0.1'), 101);
  for (let n = 0; n < 5; n += 1) await connectSilently(silent, '127.0.0.1');
  assert.equal(await knockFrom(t, silent.port, '127.0.0.1'), 101);
});
