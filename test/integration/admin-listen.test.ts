/** The admin API on a port, or a Unix socket, of its own: nothing of it but the probes is where the clients connect. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect, connectRefused } from '../support/client.ts';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';

const auth = { tokens: [adminToken] };
const closing = { handshakeMs: 200, lingerMs: 200 };
const withToken = { authorization: `Bearer ${adminToken}` };
const routes = ['/backends', '/pipes', '/config/heartbeat', '/stats', '/metrics', '/audit', '/docs', '/docs/json'];

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Over a Unix socket, or to an address with an own CA. */
function get(options: { socketPath?: string; port?: number; path: string; ca?: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = options.ca === undefined ? request : secureRequest;
    send({ host: '127.0.0.1', headers: withToken, agent: false, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

function adminPort({ app }: TestGateway): number {
  assert.ok(app.adminServer !== undefined);
  return (app.adminServer.server.address() as AddressInfo).port;
}

function adminUrl(gateway: TestGateway): string {
  return `http://127.0.0.1:${adminPort(gateway)}`;
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'holdfast-'));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

test('the admin routes are on the admin port only, the clients on the other one, the probes on both', async (t) => {
  const log = new LogCapture();
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'trace', stream: log } },
    backends: [{ url: backend.url, id: 'a' }],
    admin: { auth, listen: { port: 0 } },
    closing,
  });
  const url = adminUrl(gateway);
  assert.equal(log.events(`the admin API listens on ${url}`).length, 1);
  for (const path of routes) {
    assert.equal((await fetch(`${gateway.httpUrl}${path}`, { headers: withToken })).status, 404, path);
    assert.equal((await fetch(`${url}${path}`, { headers: withToken })).status, 200, path);
  }
  for (const base of [gateway.httpUrl, url]) {
    assert.equal((await fetch(`${base}/livez`)).status, 200);
    const ready = await fetch(`${base}/readyz`);
    assert.deepEqual([ready.status, ready.headers.get('cache-control')], [200, 'no-store']);
  }
  assert.equal((await fetch(`${url}/backends`)).status, 401);
  assert.equal((await fetch(`${url}/nothing?key=secret-query`)).status, 404);
  assert.equal((await fetch(`${url}/%zz?key=secret-query`)).status, 400);
  assert.doesNotMatch(log.text, /secret-query/);
  assert.equal((await connectRefused(t, `${url.replace('http', 'ws')}/ws`)).status, 404);
  const { paths } = (await (await fetch(`${url}/docs/json`)).json()) as { paths: Record<string, unknown> };
  assert.deepEqual(['/ws' in paths, '/backends' in paths], [false, true]);

  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('x')).text, 'a:x');
  const body = JSON.stringify({ weight: 3 });
  const headers = { ...withToken, 'content-type': 'application/json' };
  assert.equal((await fetch(`${url}/backends/a`, { method: 'PATCH', headers, body })).status, 200);
  assert.equal(gateway.eventsOf('audit.changed').at(-1)?.target, 'a');
});

test('it answers while the clients are being closed, and is gone when the app has closed', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    admin: { auth, listen: { port: 0 } },
    shutdown: { spreadMs: 300 },
    closing,
  });
  const url = adminUrl(gateway);
  const clients = await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
  const closed = gateway.close();
  await gateway.waitFor('gateway.closing');
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
  assert.equal((await fetch(`${url}/pipes`, { headers: withToken })).status, 200);
  await closed;
  for (const client of clients) assert.equal((await client.closed).code, 1012);
  await assert.rejects(fetch(`${url}/livez`));
});

test('a prefix holds on both ports', async (t) => {
  const gateway = await startGateway(t, { admin: { auth, prefix: '/ops/', listen: { port: 0 } } });
  assert.equal((await fetch(`${gateway.httpUrl}/ops/livez`)).status, 200);
  assert.equal((await fetch(`${adminUrl(gateway)}/ops/backends`, { headers: withToken })).status, 200);
  assert.equal((await fetch(`${gateway.httpUrl}/ops/backends`, { headers: withToken })).status, 404);
});

test('over a Unix socket that only its owner may open, also where a killed process left one behind', async (t) => {
  const socketPath = join(folder(t), 'admin.sock');
  const gateway = await startGateway(t, { admin: { auth, listen: { path: socketPath } }, closing });
  assert.equal((await get({ socketPath, path: '/backends' })).status, 200);
  assert.equal(statSync(socketPath).mode & 0o077, 0, 'nobody else');
  await assert.rejects(startGateway(t, { admin: { auth, listen: { path: socketPath } } }), {
    code: 'HOLDFAST_ERR_ADMIN_LISTEN',
    message: /admin\.sock: it is taken/,
  });
  assert.equal((await get({ socketPath, path: '/backends' })).status, 200, 'the first one still has it');
  await gateway.close();

  const killed = `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`;
  assert.equal(spawnSync(process.execPath, ['-e', killed]).signal, 'SIGKILL');
  assert.ok(statSync(socketPath).isSocket());
  await startGateway(t, { admin: { auth, listen: { path: socketPath } }, closing });
  assert.equal((await get({ socketPath, path: '/backends' })).status, 200);
});

test('with a certificate of its own', async (t) => {
  const { server, ca } = await certificates();
  const gateway = await startGateway(t, { admin: { auth, listen: { port: 0, tls: server } }, closing });
  const port = adminPort(gateway);
  assert.equal((await get({ port, path: '/backends', ca: ca.cert })).status, 200);
  assert.equal((await fetch(`${gateway.httpUrl}/livez`)).status, 200, 'the other port is as the host made it');
  const [reloaded] = gateway.manager.reloadTls();
  assert.deepEqual([reloaded?.part, reloaded?.error], ['admin', null], 'its certificate is read anew with the others');
});

test('a port that is taken keeps the app from starting, and the message says which', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  await assert.rejects(startGateway(t, { admin: { auth, listen: { port } } }), {
    code: 'HOLDFAST_ERR_ADMIN_LISTEN',
    message: new RegExp(`127\\.0\\.0\\.1:${port}: it is taken`),
  });
});

test('settings that contradict each other, or are none, name their key', async (t) => {
  const wrong: [object, RegExp][] = [
    [{ listen: {} }, /admin\.listen needs admin\.listen\.port/],
    [{ listen: { port: 0, path: '/tmp/x' } }, /admin\.listen\.path/],
    [{ listen: { port: -1 } }, /admin\.listen\.port/],
    [{ listen: { port: 0, trustProxy: ['proxy.example'] } }, /admin\.listen\.trustProxy\[0\]/],
    [{ listen: { port: 0, trustProxy: ['127.0.0.1', '10.0.0.0/99'] } }, /admin\.listen\.trustProxy\[1\]/],
    [{ listen: { port: 0, trustProxy: [] } }, /admin\.listen\.trustProxy/],
    [{ listen: { path: '/tmp/x', trustProxy: ['127.0.0.1'] } }, /admin\.listen\.trustProxy .*admin\.listen\.path/],
    [{ listen: { port: 0, tls: { cert: 'no-such-file', key: 'no-such-file' } } }, /admin\.listen\.tls\./],
    [{ maxFailures: -1 }, /admin\.maxFailures/],
    [{ failureWindowMs: 1 }, /admin\.failureWindowMs/],
    [{ auditLogLevel: 'loud' }, /admin\.auditLogLevel/],
    [{ tokens: ['12345678'] }, /admin\.tokens is not an option/],
  ];
  for (const [admin, message] of wrong)
    await assert.rejects(startGateway(t, { admin: { auth, ...admin } }), { code: 'HOLDFAST_ERR_OPTIONS', message });
});
