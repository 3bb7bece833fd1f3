/** TLS 1.3 lets either peer change its keys at any time, and the other one has to follow: some times are honest, thousands are an attack. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../src/app.ts';
import { ListenerTls } from '../../src/link/listener-tls.ts';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { acceptKeyFor, encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { acceptKeyUpdating, connectKeyUpdating, type KeyUpdatingPeer } from '../support/key-updates.ts';
import { LogCapture } from '../support/log-capture.ts';
import { handshakeRequest } from '../support/raw-client.ts';
import { once } from '../support/wait.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const few = 20;
const many = 200;

const portOf = ({ server }: FastifyInstance): number => (server.address() as AddressInfo).port;

/** The command's own ports, both with TLS. */
async function startOwnPorts(t: TestContext): Promise<{ clients: number; admin: number }> {
  const backend = await startBackend(t);
  const { server } = await certificates();
  const app = await buildApp({
    options: { backends: [backend.url], shutdown: { spreadMs: 0 } },
    logLevel: 'info',
    admin: { tokens: ['test-token-0123456789'], listen: { port: 0, tls: server } },
    tls: new ListenerTls(server, 'clients', 'tls'),
    logStream: new LogCapture(),
  });
  t.after(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { adminServer } = app as FastifyInstance & { adminServer: FastifyInstance };
  return { clients: portOf(app), admin: portOf(adminServer) };
}

async function connected(t: TestContext, port: number): Promise<KeyUpdatingPeer> {
  const { ca } = await certificates();
  return connectKeyUpdating(t, port, ca.cert);
}

async function upgraded(t: TestContext, port: number): Promise<KeyUpdatingPeer> {
  const client = await connected(t, port);
  client.tls.write(handshakeRequest({ port, path: '/ws' }, key));
  const answer = await once<Buffer>(client.tls, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 101 /);
  return client;
}

for (const asks of [true, false]) {
  test(`who changes keys on and on is dropped at a port of ours, ${asks ? 'asking for ours too' : 'not asking for ours'}`, async (t) => {
    const { clients, admin } = await startOwnPorts(t);
    for (const peer of [await connected(t, clients), await upgraded(t, clients), await connected(t, admin)]) {
      peer.updateKeys(many, asks);
      await peer.closed();
    }
  });
}

test('a client that changes keys on and on is dropped at a server of the host, once it is upgraded', async (t) => {
  const backend = await startBackend(t);
  const { server } = await certificates();
  const gateway = await startGateway(t, { backends: [backend.url], fastify: { https: server } });
  const client = await upgraded(t, gateway.port);
  client.updateKeys(many, true);
  await client.closed();
  await gateway.waitFor('pipe.closed');
});

test('a client that changes keys on and on while its upgrade waits is dropped at a server of the host', async (t) => {
  const backend = await startBackend(t, { neverAnswer: true });
  const { server } = await certificates();
  const gateway = await startGateway(t, { backends: [backend.url], fastify: { https: server } });
  const client = await connected(t, gateway.port);
  client.tls.write(handshakeRequest({ port: gateway.port, path: '/ws' }, key));
  await gateway.waitFor('backend.attempt');
  client.updateKeys(many, true);
  await client.closed();
});

test('a client that changes keys some times is served on', async (t) => {
  const backend = await startBackend(t, { tag: 'one' });
  const { server } = await certificates();
  const gateway = await startGateway(t, { backends: [backend.url], fastify: { https: server } });
  const client = await upgraded(t, gateway.port);
  client.updateKeys(few, true);
  client.send(encodeFrame({ payload: 'still here', mask: true }));
  const answer = await once<Buffer>(client.tls, 'data');
  assert.equal(answer.subarray(2).toString(), 'one:still here');
  // It would answer no Close.
  client.destroy();
  await gateway.waitFor('pipe.closed');
});

/** A wss backend. @param asked is called with what the gateway has sent first on a connection. */
async function startUpdatingBackend(t: TestContext, asked: (peer: KeyUpdatingPeer, head: string) => void) {
  const { server: own } = await certificates();
  const server = createServer((tcp) => {
    const peer = acceptKeyUpdating(t, tcp, own);
    peer.tls.once('data', (head: Buffer) => asked(peer, String(head)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  return `wss://localhost:${(server.address() as AddressInfo).port}`;
}

test('a backend that changes keys on and on has failed, and its client goes on at another one', async (t) => {
  const { ca } = await certificates();
  const peers: KeyUpdatingPeer[] = [];
  const url = await startUpdatingBackend(t, (peer, head) => {
    const [, given = ''] = /^sec-websocket-key: (.*)\r$/im.exec(head) ?? [];
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    const answer = `${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${acceptKeyFor(given)}\r\n\r\n`;
    peer.tls.write(answer, () => peers.push(peer));
  });
  const gateway = await startGateway(t, { backends: [url], backendTls: { ca: ca.cert } });
  const client = await connect(t, gateway.url);
  const [peer] = peers;
  const other = await startBackend(t, { tag: 'other' });
  gateway.manager.registerBackend({ url: other.url });
  peer!.updateKeys(many, true);
  await peer!.closed();
  await gateway.waitFor('pipe.restored');
  assert.equal((await client.ask('hello')).text, 'other:hello');
});

test('a backend that changes keys on and on in place of an answer has failed', async (t) => {
  const { ca } = await certificates();
  const url = await startUpdatingBackend(t, (peer) => peer.tls.write('\r\n', () => peer.updateKeys(many, true)));
  const failover = { handshakeWaitMs: 50 };
  const gateway = await startGateway(t, { backends: [url], backendTls: { ca: ca.cert }, failover });
  await connect(t, gateway.url);
  const { detail } = await gateway.waitFor('backend.attempt-failed');
  assert.equal(detail, 'too many TLS key updates');
});
