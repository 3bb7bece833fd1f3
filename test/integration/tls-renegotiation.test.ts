/** TLS 1.2 lets either peer ask for a handshake more at any time, which costs the other one far more than a frame. */
import assert from 'node:assert/strict';
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import tls, {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls';
import { buildApp } from '../../src/app.ts';
import { ListenerTls } from '../../src/link/listener-tls.ts';
import { acceptKey } from '../../src/wire/handshake.ts';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { handshakeRequest } from '../support/raw-client.ts';
import { sleep } from '../support/wait.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const many = 50;

/** An upgraded client of TLS 1.2. */
async function upgraded(t: TestContext, port: number): Promise<TLSSocket> {
  const { ca } = await certificates();
  const socket = connectTls({ port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost', maxVersion: 'TLSv1.2' });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  socket.write(handshakeRequest({ port, path: '/ws' }, key));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(String(answer), /^HTTP\/1\.1 101 /);
  return socket;
}

/** How often it was done, until it was refused, or nothing came of it for a while, or often enough. */
async function renegotiate(socket: TLSSocket): Promise<number> {
  for (let times = 0; times < many; times += 1) {
    const done = new Promise<boolean>((resolve) => {
      socket.once('close', () => resolve(false));
      if (!socket.renegotiate({}, (error) => resolve(error === null))) resolve(false);
    });
    if (socket.destroyed || !(await Promise.race([done, sleep(1000).then(() => false)]))) return times;
  }
  return many;
}

test('a server of the host allows it: who does it again and again is dropped', async (t) => {
  const backend = await startBackend(t);
  const { server } = await certificates();
  const gateway = await startGateway(t, { backends: [backend.url], fastify: { https: server } as object });
  const socket = await upgraded(t, gateway.port);
  assert.ok((await renegotiate(socket)) < 10);
  await gateway.waitFor('pipe.closed');
});

test('a port of ours refuses it', async (t) => {
  const backend = await startBackend(t);
  const { server } = await certificates();
  const app = await buildApp({
    options: { backends: [backend.url], shutdown: { spreadMs: 0 } },
    logLevel: 'info',
    admin: { tokens: ['test-token-0123456789'] },
    tls: new ListenerTls(server, 'clients', 'tls'),
    logStream: new LogCapture(),
  });
  t.after(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const socket = await upgraded(t, port);
  assert.equal(await renegotiate(socket), 0);
});

test('a backend is refused it', async (t) => {
  const { server, ca } = await certificates();
  const accepted: TLSSocket[] = [];
  const backend = createTlsServer({ ...server, maxVersion: 'TLSv1.2' }, (socket) => {
    accepted.push(socket);
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      const [, given = ''] = /^sec-websocket-key: (.*)\r$/im.exec(String(head)) ?? [];
      const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
      socket.write(`${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${acceptKey(given)}\r\n\r\n`);
    });
  });
  await once(backend.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    for (const socket of accepted) socket.destroy();
    backend.close();
  });
  const url = `wss://localhost:${(backend.address() as AddressInfo).port}`;
  const gateway = await startGateway(t, { backends: [url], backendTls: { ca: ca.cert } });
  await connect(t, gateway.url);
  assert.equal(await renegotiate(accepted[0]!), 0);
});

test('a backend is refused it without backendTls, too', async (t) => {
  const spy = t.mock.method(tls, 'connect');
  syncBuiltinESMExports();
  t.after(() => {
    spy.mock.restore();
    syncBuiltinESMExports();
  });
  const { server } = await certificates();
  const backend = await startBackend(t, { tls: server });
  const gateway = await startGateway(t, { backends: [backend.url], failover: { handshakeWaitMs: 50 } });
  await connect(t, gateway.url);
  await gateway.waitFor('backend.attempt-failed');
  const [options] = spy.mock.calls[0]!.arguments as unknown as [ConnectionOptions];
  assert.equal(options.secureContext, undefined);
  assert.equal(options.secureOptions, constants.SSL_OP_NO_RENEGOTIATION);
});
