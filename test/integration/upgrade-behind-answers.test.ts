/** An upgrade that comes on a connection whose earlier requests are not answered yet: node lets go of such a connection, and nobody else looks after it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { handshakeRequest } from '../support/raw-client.ts';
import { until, withTimeout } from '../support/wait.ts';
import { assertLimited } from './limits-scenario.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
/** More than both ends' kernels keep for a connection. */
const bigBytes = 32 * 1024 * 1024;
const chunkBytes = 65_536;
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const upgrade = (path = '/ws', headers = {}): string => handshakeRequest({ port: 1, path, headers }, key);

async function startHost(t: TestContext, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const backend = await startBackend(t);
  return await startGateway(t, { backends: [backend.url], ...options });
}

interface Talk {
  readonly client: Socket;
  /** The gateway's end. */
  readonly accepted: Socket;
  /** All that came, as latin1. */
  received(): string;
  /** In the last 4 KiB. */
  until(end: RegExp): Promise<unknown>;
  statuses(): readonly number[];
}

/** Connects and sends `text` in one packet. */
async function talk(t: TestContext, { app, port }: TestGateway, text: string, reads = true): Promise<Talk> {
  const arrives = once(app.server, 'connection') as Promise<[Socket]>;
  const client = connectTcp({ port, host: '127.0.0.1' });
  t.after(() => client.destroy());
  client.on('error', () => {});
  const chunks: Buffer[] = [];
  if (reads) client.on('data', (chunk) => chunks.push(chunk));
  else client.pause();
  const [accepted] = await arrives;
  client.write(text);
  const received = (): string => Buffer.concat(chunks).toString('latin1');
  const tail = (): string => Buffer.concat(chunks.slice(-8)).subarray(-4096).toString('latin1');
  return {
    client,
    accepted,
    received,
    until: (end) => until(() => end.test(tail()), { timeoutMs: 10_000, what: () => `${end} in ${tail()}` }),
    statuses: () => [...received().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status)),
  };
}

test('regression: all that was asked before is answered in order, then the upgrade, and nothing of it is a warning', async (t) => {
  const log = new LogCapture();
  const host = await startHost(t, {
    closing: { handshakeMs: 200 },
    client: { serve: false },
    fastify: { logger: { level: 'warn', stream: log } },
  });
  const early = encodeFrame({ payload: 'early', mask: true }).toString('latin1');
  const { client, ...got } = await talk(t, host, '');
  client.write(Buffer.from(get('/livez') + get('/readyz') + get('/nowhere') + upgrade() + early, 'latin1'));
  await got.until(/ 101 .*early/s);
  assert.deepEqual(got.statuses(), [200, 200, 404, 101]);
  assert.equal(log.text, '');
  assert.equal(host.manager.size, 1);
});

test('regression: an upgrade that is refused is told so behind the answers before it, and the connection ends', async (t) => {
  const host = await startHost(t);
  const got = await talk(t, host, get('/livez') + get('/livez') + upgrade('/ws', { 'Sec-WebSocket-Version': '12' }));
  await once(got.client, 'end');
  assert.deepEqual(got.statuses(), [200, 200, 426]);
  assert.match(got.received(), /HOLDFAST_ERR_HANDSHAKE"[^}]*}$/);
});

test('an upgrade behind an answer that ends its connection gets no word', async (t) => {
  const host = await startHost(t, {
    prepare: (app) =>
      void app.get('/last', async (_request, reply) => reply.header('connection', 'close').send('last')),
  });
  const got = await talk(t, host, get('/last') + upgrade());
  await once(got.client, 'end');
  assert.deepEqual(got.statuses(), [200]);
  assert.equal(host.manager.entrance.arriving, 0);
});

test('an answer that is streamed, or takes longer than closing.handshakeMs to begin, is whole before the upgrade', async (t) => {
  let begin = (_text: string): void => {};
  const slow = new Promise<string>((resolve) => {
    begin = resolve;
  });
  const host = await startHost(t, {
    closing: { handshakeMs: 40 },
    prepare: (app) => {
      app.get('/slow', () => slow);
      app.get('/stream', (_request, reply) => {
        const chunks = Array.from({ length: 64 }, () => Buffer.alloc(chunkBytes, '#'));
        return reply.header('content-length', String(64 * chunkBytes)).send(Readable.from(chunks));
      });
    },
  });
  const requested = once(host.app.server, 'upgrade');
  const got = await talk(t, host, get('/slow') + get('/stream') + upgrade());
  await requested;
  let timeouts = 0;
  got.accepted.on('timeout', () => {
    timeouts += 1;
    if (timeouts === 3) begin('at last');
  });
  await got.until(/ 101 /);
  const [head = '', rest = ''] = got.received().split('at last');
  assert.match(head, /^HTTP\/1\.1 200 /);
  assert.equal(rest.split('#').length - 1, 64 * chunkBytes);
});

const streamed = 1000;
const bigAnswers: TestGatewayOptions['prepare'] = (app) => {
  const big = Buffer.alloc(bigBytes, 'x');
  app.get('/big', async () => big);
  const stream = () => Readable.from(Array.from({ length: streamed }, () => big.subarray(0, chunkBytes)));
  app.get('/stream', (_request, reply) => reply.send(stream()));
  app.addHook('onRequest', async (request, reply) => {
    if (request.url === '/ws/refused') await reply.code(403).send(big);
    if (request.url === '/ws/streamed') await reply.code(403).send(stream());
  });
};

const unread: readonly (readonly [name: string, text: string])[] = [
  ['an answer before its upgrade', get('/big') + upgrade()],
  ['the second answer before its upgrade', get('/livez') + get('/big') + upgrade()],
  ['a streamed answer before its upgrade', get('/stream') + upgrade()],
  ['the refusal of its upgrade', upgrade('/ws/refused')],
  ['the streamed refusal of its upgrade', upgrade('/ws/streamed')],
];
for (const [name, text] of unread) {
  test(`regression: whoever does not take ${name} is dropped after closing.handshakeMs`, async (t) => {
    const host = await startHost(t, { closing: { handshakeMs: 300 }, prepare: bigAnswers });
    // Whether a connection is that of a client is known from the first upgrade on.
    await connect(t, host.url);
    const { accepted } = await talk(t, host, text, false);
    await until(() => accepted.writableLength > 0, { what: 'the answer to be stuck' });
    await withTimeout(once(accepted, 'close'), 5000, 'the connection to be dropped');
    assert.equal(host.manager.entrance.arriving, 0);
    await assertLimited(host, 'close-time', 1);
    assert.equal(host.eventsOf('limit.reached')[0]?.clientIp, '127.0.0.1');
  });

  test(`regression: app.close() does not wait for who does not take ${name}`, async (t) => {
    const streams = text.includes('/stream');
    // One whose answer is not ready yet has until then.
    const host = await startHost(t, { closing: { handshakeMs: streams ? 1000 : 60_000 }, prepare: bigAnswers });
    const { accepted } = await talk(t, host, text, false);
    await until(() => accepted.writableLength > 0, { what: 'the answer to be stuck' });
    await withTimeout(host.close(), 5000, 'the end of the app');
    assert.equal(accepted.destroyed, true);
  });
}

test('regression: a refusal that is streamed comes whole, and the connection ends', async (t) => {
  const host = await startHost(t, { prepare: bigAnswers });
  const got = await talk(t, host, upgrade('/ws/streamed'));
  await withTimeout(once(got.client, 'end'), 10_000, 'the end of the connection');
  assert.deepEqual(got.statuses(), [403]);
  assert.equal(got.received().split('x'.repeat(chunkBytes)).length - 1, streamed);
});

test('an answer that is at work when the app closes is brought, and the upgrade behind it told that it is closing', async (t) => {
  let answer = (_text: string): void => {};
  const atWork = new Promise<string>((resolve) => {
    answer = resolve;
  });
  const host = await startHost(t, { prepare: (app) => void app.get('/slow', () => atWork) });
  const requested = once(host.app.server, 'upgrade');
  const got = await talk(t, host, get('/slow') + upgrade());
  await requested;
  const closed = host.close();
  await until(() => !host.app.server.listening, { what: 'the port to be closed' });
  answer('brought');
  await once(got.client, 'end');
  assert.deepEqual(got.statuses(), [200, 503]);
  assert.match(got.received(), /brought/);
  await closed;
});
