/** A host app that registered @fastify/websocket itself, with options and routes of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import websocket from '@fastify/websocket';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, openRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };

async function hostWithOwnRoutes(app: import('fastify').FastifyInstance): Promise<void> {
  await app.register(websocket, {
    options: {
      perMessageDeflate: { threshold: 0 },
      handleProtocols: (protocols: Set<string>) => (protocols.has('host.v1') ? 'host.v1' : [...protocols].at(-1)!),
      maxPayload: 1000,
    },
  });
  app.get('/host', { websocket: true }, (ws) => {
    ws.on('message', (data) => ws.send(`host:${String(data)}`));
  });
}

test("the host's compression and handleProtocols do not leak into our route, and its own route keeps them", async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], prepare: hostWithOwnRoutes, closing });
  const ours = connectRaw(t, {
    port: gateway.port,
    path: '/ws',
    protocols: ['a', 'b', 'host.v1'],
    headers: { 'sec-websocket-extensions': 'permessage-deflate' },
    autoClose: true,
  });
  const link = await backend.acceptNext({ protocol: 'b' });
  const { answer } = await ours;
  assert.equal(answer.headers['sec-websocket-protocol'], 'b');
  assert.equal(answer.headers['sec-websocket-extensions'], undefined);
  await (await ours).sendText('x'.repeat(5000));
  assert.equal((await link.nextMessage()).text.length, 5000, 'maxPayload of the host is not ours');

  const own = await connect(t, gateway.url.replace('/ws', '/host'), {
    protocols: ['x', 'host.v1'],
    perMessageDeflate: { threshold: 0 },
  });
  assert.equal(own.protocol, 'host.v1');
  assert.match(own.ws.extensions, /permessage-deflate/);
  assert.equal((await own.ask('hello')).text, 'host:hello');
});

test('with the host\u2019s handleProtocols a client that offered none, or whose backend chose none, is told none', async (t) => {
  const backend = await startRawBackend(t, {
    onConnection: (connection) => void connection.accept({ protocol: null }),
  });
  const gateway = await startGateway(t, { backends: [backend.url], prepare: hostWithOwnRoutes, closing });
  for (const protocols of [[], ['a'], ['a', 'host.v1']]) {
    const { answer } = await connectRaw(t, { port: gateway.port, path: '/ws', protocols, autoClose: true });
    assert.equal(answer.headers['sec-websocket-protocol'], undefined, protocols.join());
  }
});

test("the host's own closing closes our clients with 1012 and its own as before, and app.close() resolves", async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], prepare: hostWithOwnRoutes, closing });
  const ours = await connect(t, gateway.url);
  const own = await connect(t, gateway.url.replace('/ws', '/host'));
  assert.equal((await ours.ask('one')).text, 'a:one');
  assert.equal(gateway.app.websocketServer.clients.size, 2);
  await gateway.app.close();
  assert.equal((await ours.waitClosed()).code, 1012);
  assert.equal(
    (await own.waitClosed()).code,
    1005,
    'the host\u2019s client is closed as the host\u2019s plugin does it',
  );
  assert.equal(gateway.app.websocketServer.clients.size, 0);
  assert.equal(gateway.manager.size, 0);
});

test('websocketServer.clients is empty again after clients left, in whatever way', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], prepare: hostWithOwnRoutes, closing });
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, gateway.url)));
  assert.equal(gateway.app.websocketServer.clients.size, 20);
  clients.forEach((client, index) => {
    if (index % 4 === 0) client.close(1000);
    else if (index % 4 === 1) client.terminate();
    else if (index % 4 === 2) client.send('close:4001:bye');
    else client.send('terminate');
  });
  const [{ pipes }] = [gateway.manager.pipes({ state: 'open' })];
  for (const pipe of pipes) gateway.manager.closePipe(pipe.id);
  await until(() => gateway.app.websocketServer.clients.size === 0, { what: 'no client left' });
});

test("through the host's clients our links can be closed but not written to", async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], prepare: hostWithOwnRoutes, closing });
  const client = await connect(t, gateway.url);
  const [ws] = gateway.app.websocketServer.clients;
  for (const method of ['send', 'ping', 'pong'] as const) assert.throws(() => ws![method]('x'));
  assert.equal((await client.ask('unharmed')).text, 'a:unharmed');
  ws!.close(4000, 'host says so');
  assert.deepEqual(await client.waitClosed(), { code: 4000, reason: 'host says so' });
});

test('an auth hook of the host that refuses the upgrade keeps it from any backend', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    closing,
    prepare: (app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (request.headers.authorization !== 'Bearer ok') await reply.code(401).send({ no: 'entry' });
      });
    },
  });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', expectStatus: 401 });
  await client.waitClosed();
  assert.equal(backend.connections.all.length, 0);
});

test('a hook of the host after ours that refuses gives the slot and the backend back', async (t) => {
  const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    closing,
    prepare: (app) => {
      app.addHook('preHandler', async (_request, reply) => reply.code(418).send({ tea: 'only' }));
    },
  });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', expectStatus: 418 });
  await client.waitClosed();
  await until(() => gateway.manager.size === 0, { what: 'the slot to be free' });
  await until(() => backend.openSockets === 0, { what: 'the backend to be left' });
});

test('an upgrade that comes while the app closes is answered 503 or dropped, and does not keep it from closing', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  for (const prepare of [hostWithOwnRoutes, undefined]) {
    const gateway = await startGateway(t, {
      backends: [backend.url],
      ...(prepare === undefined ? {} : { prepare }),
      closing: { handshakeMs: 700, lingerMs: 200 },
    });
    // Its Close is not answered, so that the closing takes its time.
    await connectRaw(t, { port: gateway.port, path: '/ws', halfOpen: true });
    const ended = gateway.app.close();
    await gateway.waitFor('gateway.closing');
    const late = await openRaw(t, { port: gateway.port, path: '/ws' });
    const answered = late.response().then(
      ({ status }) => status,
      () => 'dropped',
    );
    await late.waitClosed();
    assert.ok([503, 'dropped'].includes(await answered));
    await ended;
  }
});
