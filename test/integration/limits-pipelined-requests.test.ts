/** limits.maxPipelinedRequests, and answers that nobody takes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { limited } from './limits-scenario.ts';

const requests = (path: string, count: number): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(count);

async function open(t: TestContext, { port }: Pick<TestGateway, 'port'>, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = createConnection({ port, host: '127.0.0.1', localAddress });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function ended(socket: Socket): Promise<void> {
  socket.resume();
  await until(() => socket.closed);
}

test('limits.maxPipelinedRequests: as many are answered, one more ends the connection, and nothing behind it is looked at', async (t) => {
  let asked = 0;
  const gateway = await startGateway(t, {
    limits: { maxPipelinedRequests: 5 },
    prepare: (app) => {
      app.get('/asked', async () => {
        asked += 1;
        return `answer ${asked}.`;
      });
    },
  });
  const good = await open(t, gateway);
  let read = '';
  good.on('data', (data) => {
    read += String(data);
  });
  good.write(requests('/asked', 5));
  await until(() => read.includes('answer 5.'));
  good.write(requests('/asked', 5));
  await until(() => read.includes('answer 10.'));
  assert.equal(await limited(gateway, 'pipelined-requests'), 0);

  let parsed = 0;
  gateway.app.server.on('request', () => {
    parsed += 1;
  });
  const bad = await open(t, gateway);
  bad.write(requests('/asked', 1500));
  await ended(bad);
  assert.ok(asked <= 15, `${asked} were asked`);
  assert.equal(parsed, 6);
  assert.equal(await limited(gateway, 'pipelined-requests'), 1);
  good.write(requests('/asked', 1));
  await until(() => read.includes(`answer ${asked}.`));
});

test('limits.maxPipelinedRequests: an address that goes on has its connections dropped, and others are served', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: {
      maxPipelinedRequests: 5,
      handshakesPerSecondPerAddress: 1,
      handshakeBurstPerAddress: 1,
      exemptAddresses: ['127.0.0.1'],
    },
  });
  // Until a client has come nobody knows whether the connections are a proxy's.
  await connect(t, gateway.url);
  for (let n = 0; n < 20 && (await limited(gateway, 'connections')) === 0; n += 1) {
    const socket = await open(t, gateway, '127.0.0.2');
    socket.write(requests('/livez', 6));
    await ended(socket);
  }
  assert.ok((await limited(gateway, 'connections')) > 0);
  const client = await connect(t, gateway.url);
  client.send('hello');
  assert.ok(await client.next());
});

test('requests that were waiting end with their connection, and what they were to send with them', async (t) => {
  const files: Readable[] = [];
  const gateway = await startGateway(t, {
    prepare: (app) =>
      void app.get('/file', (_request, reply) => {
        const file = new Readable({ read: () => {} });
        files.push(file);
        return reply.send(file);
      }),
  });
  const socket = await open(t, gateway);
  socket.write(requests('/file', 5));
  await until(() => files.length === 5);
  socket.destroy();
  await until(() => files.every((file) => file.closed));
});

test('closing.handshakeMs: who takes nothing of an answer of ours is disconnected, whatever the host allows for its own', async (t) => {
  const gateway = await startGateway(t, {
    closing: { handshakeMs: 100 },
    // It does not wait for the slow answer.
    fastify: { forceCloseConnections: true },
    limits: { maxPipelinedRequests: 0 },
    prepare: (app) => void app.get('/slow', () => new Promise(() => {})),
  });
  const accepted = async (): Promise<Socket> => ((await once(gateway.app.server, 'connection')) as [Socket])[0];
  const slow = accepted();
  (await open(t, gateway)).write(requests('/slow', 1));
  const waits = await slow;
  const untaken = accepted();
  const socket = await open(t, gateway);
  // More than the kernel keeps.
  socket.pause().write(requests('/docs/json', 200));
  const taken = await untaken;
  await until(() => taken.destroyed, { timeoutMs: 10_000 });
  assert.equal(await limited(gateway, 'close-time'), 1);
  assert.equal(waits.destroyed, false);
});

test('the document of the API is written once, however often it is asked for', async (t) => {
  const gateway = await startGateway(t, { admin: { auth: { tokens: [adminToken] }, prefix: '/admin' } });
  const ask = async (): Promise<string> => await (await fetch(`${gateway.httpUrl}/admin/docs/json`)).text();
  const first = await ask();
  assert.equal((JSON.parse(first) as { openapi: string }).openapi, '3.1.0');
  const stringify = t.mock.method(JSON, 'stringify');
  assert.equal(await ask(), first);
  assert.equal(stringify.mock.callCount(), 0);
});
