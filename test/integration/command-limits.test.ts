/** What the command does about clients before their upgrade: time for the head of a request, proxies, origins. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import { buildApp } from '../../src/app.ts';
import { ConfigInvalid } from '../../src/command-schema.ts';
import { loadSettings } from '../../src/config.ts';
import holdfast from '../../src/index.ts';
import { turns } from '../../src/link/turns.ts';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect, connectRefused } from '../support/client.ts';
import { LogCapture } from '../support/log-capture.ts';
import { openRaw } from '../support/raw-client.ts';
import { from, limited } from './limits-scenario.ts';

async function settingsOf(t: TestContext, file: object, env: Record<string, string> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-limits-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'config.json'), JSON.stringify(file));
  return loadSettings(join(folder, 'config.json'), env);
}

async function startApp(
  t: TestContext,
  file: object,
  env: Record<string, string> = {},
  logStream = new LogCapture(),
): Promise<FastifyInstance> {
  const settings = await settingsOf(t, file, env);
  const tls = undefined;
  const admin = { ...settings.admin, tokens: ['test-token-0123456789'] };
  const app = await buildApp({ ...settings, tls, admin, logStream });
  t.after(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app;
}

const portOf = (app: FastifyInstance): number => (app.server.address() as AddressInfo).port;

async function start(t: TestContext, file: object, env: Record<string, string> = {}): Promise<number> {
  return portOf(await startApp(t, file, env));
}

test('http.headersTimeoutMs: whoever says nothing, or the head of a request too slowly, is dropped; a client stays', async (t) => {
  const backend = await startBackend(t);
  const app = await startApp(t, { backends: [backend.url], http: { headersTimeoutMs: 400 } });
  const port = portOf(app);
  const client = await connect(t, `ws://127.0.0.1:${port}/ws`);
  const silent = await openRaw(t, { port, rawRequest: '' });
  const slow = await openRaw(t, { port, rawRequest: 'GET /ws HTTP/1.1\r\nHost: x\r\n' });
  const drip = setInterval(() => void slow.sendBytes(Buffer.from('X: y\r\n')), 50);
  t.after(() => clearInterval(drip));
  await Promise.all([silent.waitClosed(), slow.waitClosed()]);
  assert.equal(await limited({ httpUrl: `http://127.0.0.1:${port}` }, 'request-time'), 2);
  assert.equal((await client.ask('still here')).text, 'still here');
});

test('http.headersTimeoutMs holds for the admin port too, with TLS and without', async (t) => {
  const { server, ca } = await certificates();
  for (const tls of [undefined, server]) {
    const listen = { port: 0, ...(tls === undefined ? {} : { tls }) };
    const app = await startApp(t, { http: { headersTimeoutMs: 400 }, admin: { listen } });
    const { port } = app.adminServer!.server.address() as AddressInfo;
    const secure = tls === undefined ? {} : { tls: { ca: ca.cert } };
    const slow = await openRaw(t, { port, ...secure, rawRequest: 'GET /livez HTTP/1.1\r\nHost: x\r\n' });
    await slow.waitClosed();
    assert.equal(app.pipeManager.tally.total('request-time'), 1);
  }
});

test('http.requestTimeoutMs: whoever sends a body too slowly gets 408 and is dropped', async (t) => {
  const http = { headersTimeoutMs: 300, requestTimeoutMs: 600 };
  const app = await startApp(t, { http });
  const head = 'POST /backends HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-token-0123456789\r\n';
  const rawRequest = `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
  const slow = await openRaw(t, { port: portOf(app), rawRequest });
  const drip = setInterval(() => void slow.sendBytes(Buffer.from(' ')), 50);
  t.after(() => clearInterval(drip));
  assert.equal((await slow.response()).status, 408);
  await slow.waitClosed();
  assert.equal(app.pipeManager.tally.total('request-time'), 1);
});

test('trustProxy: only a proxy that is named says where a client comes from', async (t) => {
  const backend = await startBackend(t);
  const limits = { maxPipesPerAddress: 1, exemptAddresses: [] };
  const named = await start(t, { backends: [backend.url], limits, trustProxy: ['10.0.0.0/8', '127.0.0.1'] });
  await connect(t, `ws://127.0.0.1:${named}/ws`, from('203.0.113.1'));
  await connect(t, `ws://127.0.0.1:${named}/ws`, from('203.0.113.2'));
  assert.equal((await connectRefused(t, `ws://127.0.0.1:${named}/ws`, from('203.0.113.2'))).status, 429);
  const env = { HOLDFAST_TRUST_PROXY: '192.0.2.1, 10.0.0.0/8' };
  const other = await start(t, { backends: [backend.url], limits }, env);
  await connect(t, `ws://127.0.0.1:${other}/ws`, from('203.0.113.1'));
  assert.equal((await connectRefused(t, `ws://127.0.0.1:${other}/ws`, from('203.0.113.2'))).status, 429);
});

test('HOLDFAST_ALLOWED_ORIGINS goes over the file', async (t) => {
  const backend = await startBackend(t);
  const env = { HOLDFAST_ALLOWED_ORIGINS: 'https://a.example, https://b.example' };
  const port = await start(t, { backends: [backend.url], allowedOrigins: ['https://c.example'] }, env);
  const page = (origin: string) => ({ headers: { origin } });
  await connect(t, `ws://127.0.0.1:${port}/ws`, page('https://b.example'));
  assert.equal((await connectRefused(t, `ws://127.0.0.1:${port}/ws`, page('https://c.example'))).status, 403);
});

test('what is impossible is told in one line that names the key', async (t) => {
  for (const [file, env, key] of [
    [{ trustProxy: ['proxy.example'] }, {}, 'trustProxy'],
    [{ trustProxy: ['10.0.0.0/99'] }, {}, 'trustProxy'],
    [{ admin: { listen: { port: 0, trustProxy: ['10.0.0.0/99'] } } }, {}, 'admin.listen.trustProxy'],
    [{}, { HOLDFAST_TRUST_PROXY: 'yes' }, 'HOLDFAST_TRUST_PROXY'],
    [{}, { HOLDFAST_TRUST_PROXY: '' }, 'HOLDFAST_TRUST_PROXY'],
    [{ http: { headersTimeoutMs: 50_000 } }, {}, 'http.requestTimeoutMs'],
    [{ limits: { exemptAddresses: ['1.2.3'] } }, {}, 'limits.exemptAddresses'],
    [{ allowedOrigins: ['example.com'] }, {}, 'allowedOrigins'],
    [{}, { HOLDFAST_ALLOWED_ORIGINS: 'example.com' }, 'HOLDFAST_ALLOWED_ORIGINS'],
  ] as const)
    await assert.rejects(
      settingsOf(t, file, env),
      (error) => error instanceof ConfigInvalid && error.message.includes(key) && !error.message.includes('\n'),
      key,
    );
});

test('an app whose server never gives up on slow heads is warned of it, once', async (t) => {
  for (const headersTimeout of [0, 60_000]) {
    const log = new LogCapture();
    const app = Fastify({ logger: { stream: log }, http: { headersTimeout } });
    t.after(() => app.close());
    await app.register(holdfast, { admin: false });
    await app.ready();
    assert.equal(log.text.split('headersTimeout').length - 1, headersTimeout === 0 ? 1 : 0);
  }
});

test('plain requests have a turn each, at the port of the clients and at that of the admin API', async (t) => {
  const app = await startApp(t, { admin: { listen: { port: 0 } } });
  assert.ok(app.adminServer !== undefined);
  for (const port of [portOf(app), portOf(app.adminServer)]) {
    const before = turns.taken;
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`http://127.0.0.1:${port}/livez`)).status),
    );
    assert.deepEqual([...new Set(answers)], [200]);
    assert.ok(turns.taken - before >= 20);
  }
});

test('what there is no route for is told so before its body is looked at, and leaves nothing in the log', async (t) => {
  const log = new LogCapture();
  const app = await startApp(t, { admin: { prefix: '/admin', listen: { port: 0 } } }, {}, log);
  assert.ok(app.adminServer !== undefined);
  const lines = log.lines.length;
  const ask = async (port: number, firstLine: string, header: string, after = ''): Promise<[number, unknown]> => {
    const rawRequest = `${firstLine} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${header}\r\n\r\n${after}`;
    const client = await openRaw(t, { port, rawRequest });
    const { status, body } = await client.response();
    client.destroy();
    return [status, (JSON.parse(body) as { code: string }).code];
  };
  const unknown = [404, 'HOLDFAST_ERR_ROUTE_NOT_FOUND'];
  for (const port of [portOf(app), portOf(app.adminServer)]) {
    // A body that has not come yet, one that is none, one that is too large.
    for (const line of ['POST /nowhere', 'PUT /livez', 'POST /', 'QUERY /nowhere'])
      assert.deepEqual(await ask(port, line, 'Content-Length: 1000000'), unknown, line);
    assert.deepEqual(await ask(port, 'POST /nowhere', 'Content-Length: 1', '{'), unknown);
    assert.deepEqual(await ask(port, 'POST /nowhere', 'Content-Length: 100000000'), unknown);
    assert.deepEqual(await ask(port, 'POST /nowhere', 'Transfer-Encoding: chunked', 'ffff\r\n['), unknown);
  }
  // Below the prefix a token is asked for first.
  const [status] = await ask(portOf(app.adminServer), 'POST /admin/nowhere', 'Content-Length: 1', '{');
  assert.equal(status, 401);
  const said = log.lines.slice(lines).filter(({ event }) => event !== 'audit.refused');
  assert.deepEqual(said, []);
});
