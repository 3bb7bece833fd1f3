/** Connections that never become a request: they are dropped in time, and nobody waits for them at the end. */
import assert from 'node:assert/strict';
import dns from 'node:dns';
import type { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../src/app.ts';
import { loadSettings } from '../../src/config.ts';
import { ListenerTls } from '../../src/link/listener-tls.ts';
import { certificates } from '../support/certificates.ts';
import { configFile } from '../support/command.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { openRaw } from '../support/raw-client.ts';
import { once, until, withTimeout } from '../support/wait.ts';

const token = 'test-token-0123456789';

/** Both ports with TLS, or both without. */
async function startApp(t: TestContext, http: object, secure: boolean): Promise<FastifyInstance> {
  const { server } = await certificates();
  const tls = secure ? { tls: server } : {};
  const file = configFile(t, JSON.stringify({ http, admin: { listen: { port: 0, ...tls }, tokens: [token] }, ...tls }));
  const settings = loadSettings(file, {});
  const app = await buildApp({
    ...settings,
    admin: { ...settings.admin, tokens: [token] },
    tls: secure ? new ListenerTls(server, 'clients', 'tls') : undefined,
    logStream: new LogCapture(),
  });
  // Not waited for: where a test here fails it would be for ever.
  t.after(() => void app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app;
}

const portsOf = (app: FastifyInstance): number[] =>
  [app, app.adminServer!].map(({ server }) => (server.address() as AddressInfo).port);

/** What a TLS client says first. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write: (bytes: Buffer, _encoding, done) => done(resolve(bytes) as undefined),
    });
    connectTls({ socket }).on('error', () => {});
  });
}

async function unfinishedHandshakes(): Promise<readonly Buffer[]> {
  const hello = await clientHello();
  return [Buffer.alloc(0), hello.subarray(0, hello.length / 2), hello];
}

test('http.headersTimeoutMs: a TLS handshake that is not begun, half begun, or left after the answer is dropped and counted, at both ports', async (t) => {
  const app = await startApp(t, { headersTimeoutMs: 400, requestTimeoutMs: 800 }, true);
  const handshakes = await unfinishedHandshakes();
  const clients = await Promise.all(
    portsOf(app).flatMap((port) => handshakes.map((rawRequest) => openRaw(t, { port, rawRequest }))),
  );
  await Promise.all(clients.map((client) => client.waitClosed()));
  assert.deepEqual(
    clients.map((client) => client.bytesReceived > 0),
    [false, false, true, false, false, true],
    'those that were left after the answer had one',
  );
  assert.equal(app.pipeManager.tally.total('request-time'), clients.length);
});

test('app.close() does not wait for TLS handshakes', async (t) => {
  const app = await startApp(t, {}, true);
  for (const port of portsOf(app)) {
    for (const rawRequest of await unfinishedHandshakes()) await openRaw(t, { port, rawRequest });
  }
  await withTimeout(app.close(), 4000, 'the end of the app');
});

const head = `POST /backends HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`;
const requests = ['', head, `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`];
for (const secure of [false, true]) {
  test(`app.close() does not wait for requests that do not come${secure ? ', with TLS' : ''}`, async (t) => {
    const { ca } = await certificates();
    const app = await startApp(t, {}, secure);
    const tls = secure ? { tls: { ca: ca.cert } } : {};
    for (const port of portsOf(app)) {
      for (const rawRequest of requests) await openRaw(t, { port, rawRequest, ...tls });
    }
    await withTimeout(app.close(), 4000, 'the end of the app');
  });
}

test('a request that is on its way when the app closes is still answered', async (t) => {
  const app = await startApp(t, {}, false);
  const [port = 0] = portsOf(app);
  const accepted = once(app.server, 'connection');
  const client = await openRaw(t, { port, rawRequest: 'GET /livez HTTP/1.1\r\nHost: x\r\n' });
  await accepted;
  const closed = app.close();
  await until(() => !app.server.listening, { what: 'the port to be closed' });
  void client.sendBytes(Buffer.from('Connection: close\r\n\r\n'));
  assert.equal((await client.response()).status, 503);
  await closed;
});

test('an admin port at localhost drops the connections of both its addresses', async (t) => {
  const both = ['127.0.0.1', '127.0.0.2'];
  const lookup = dns.lookup as (host: string, options: object, done: (...found: unknown[]) => void) => void;
  t.mock.method(dns, 'lookup', (host: string, options: { all?: boolean }, done: (...found: unknown[]) => void) => {
    if (host !== 'localhost' || options.all !== true) return lookup(host, options, done);
    done(
      null,
      both.map((address) => ({ address, family: 4 })),
    );
  });
  const admin = { auth: { tokens: [token] }, listen: { port: 0, host: 'localhost' } };
  const { app } = await startGateway(t, { admin });
  const { port } = app.adminServer!.server.address() as AddressInfo;
  const clients = await Promise.all(both.map((host) => openRaw(t, { port, host, rawRequest: head })));
  const closed = app.close();
  await Promise.all(clients.map((client) => client.waitClosed()));
  await closed;
});
