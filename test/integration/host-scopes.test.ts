/** More than one gateway, and @fastify/websocket in more than one place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import websocket from '@fastify/websocket';
import Fastify, { type FastifyInstance } from 'fastify';
import holdfast from '../../src/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };
const quiet = { admin: false, closing, shutdown: { spreadMs: 0 } } as const;
const codeOf = (error: unknown) => (error as { code?: string }).code;

async function listen(t: { after(fn: () => Promise<void>): void }, app: FastifyInstance): Promise<string> {
  t.after(() => app.close());
  const address = await app.listen({ port: 0, host: '127.0.0.1' });
  return address.replace('http', 'ws');
}

test('@fastify/websocket registered after us fails with an explanation', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.register(holdfast, quiet);
  app.register(websocket);
  await assert.rejects(
    async () => app.ready(),
    (error) => codeOf(error) === 'HOLDFAST_ERR_WEBSOCKET_REGISTERED_TWICE',
  );
});

test('@fastify/websocket registered after us in a scope inside ours fails with an explanation', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.register(holdfast, quiet);
  app.register(async (scope) => {
    await scope.register(websocket);
  });
  await assert.rejects(
    async () => app.ready(),
    (error) => codeOf(error) === 'HOLDFAST_ERR_WEBSOCKET_REGISTERED_TWICE',
  );
});

test('@fastify/websocket registered after us in a scope beside ours fails with an explanation', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.register(async (scope) => {
    await scope.register(holdfast, quiet);
  });
  app.register(async (scope) => {
    await scope.register(websocket);
  });
  await assert.rejects(
    async () => app.ready(),
    (error) => codeOf(error) === 'HOLDFAST_ERR_WEBSOCKET_REGISTERED_TWICE',
  );
});

test('other request decorators of the host still fail with the words of Fastify', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  await app.register(holdfast, quiet);
  app.decorateRequest('own', null);
  assert.throws(
    () => app.decorateRequest('own', null),
    (error) => codeOf(error) === 'FST_ERR_DEC_ALREADY_PRESENT',
  );
  await app.ready();
});

test('@fastify/websocket of the host in a scope beside ours serves both', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const app = Fastify();
  app.register(async (scope) => {
    await scope.register(websocket);
    scope.get('/host', { websocket: true }, (ws) => {
      ws.on('message', (data) => ws.send(`host:${String(data)}`));
    });
  });
  app.register(async (scope) => {
    await scope.register(holdfast, { ...quiet, backends: [backend.url] });
  });
  const base = await listen(t, app);
  const [ours, own] = [await connect(t, `${base}/ws`), await connect(t, `${base}/host`)];
  assert.equal((await ours.ask('x')).text, 'a:x');
  assert.equal((await own.ask('x')).text, 'host:x');
});

test('two gateways in scopes of one app serve their own paths with their own backends', async (t) => {
  const [one, two] = await Promise.all([startBackend(t, { tag: 'one' }), startBackend(t, { tag: 'two' })]);
  const app = Fastify();
  app.register(
    async (scope) => {
      await scope.register(holdfast, { ...quiet, backends: [one.url], limits: { maxPipes: 1 } });
    },
    { prefix: '/first' },
  );
  app.register(async (scope) => {
    await scope.register(holdfast, { ...quiet, path: '/second', backends: [two.url] });
  });
  const base = await listen(t, app);
  const [first, second] = [await connect(t, `${base}/first/ws`), await connect(t, `${base}/second/deeper?q=1`)];
  assert.equal((await first.ask('x')).text, 'one:x');
  assert.equal((await second.ask('x')).text, 'two:x');
  assert.equal((await connectRefused(t, `${base}/first/ws`)).status, 503, 'each has its own limits');
  assert.equal((await connect(t, `${base}/second`).then((third) => third.ask('y'))).text, 'two:y');
  await app.close();
  assert.equal((await first.waitClosed()).code, 1012);
  assert.equal((await second.waitClosed()).code, 1012);
});

test('two gateways in one process have nothing in common', async (t) => {
  const [one, two] = await Promise.all([startBackend(t, { tag: 'one' }), startBackend(t, { tag: 'two' })]);
  const first = await startGateway(t, { backends: [one.url], closing, clientId: () => 'same' });
  const second = await startGateway(t, { backends: [two.url], closing, clientId: () => 'same' });
  const [a, b] = [await connect(t, first.url), await connect(t, second.url)];
  assert.equal((await a.ask('x')).text, 'one:x');
  assert.equal((await b.ask('x')).text, 'two:x');
  await first.close();
  assert.equal((await a.waitClosed()).code, 1012);
  assert.equal((await b.ask('y')).text, 'two:y');
});

for (const [prefix, path, url] of [
  ['/api', '/ws', '/api/ws/room/1?a=1'],
  ['/api/v1', '/', '/api/v1/room/1?a=1'],
  ['/api', '/live/:clientId', '/api/live/anna/room/1?a=1'],
  ['', '/', '/room/1?a=1'],
  ['', '/ws/', '/ws/room/1?a=1'],
] as const) {
  test(`under the prefix '${prefix}' with the path '${path}' what follows goes to the backend`, async (t) => {
    const backend = await startBackend(t, { record: true, tag: 'a' });
    const app = Fastify();
    app.register(
      async (scope) => {
        await scope.register(holdfast, { ...quiet, path, backends: [`${backend.url}/base`] });
      },
      { prefix },
    );
    const client = await connect(t, (await listen(t, app)) + url);
    assert.equal((await client.ask('x')).text, 'a:x');
    assert.equal(backend.upgrades()[0]?.url, '/base/room/1?a=1');
  });
}

test('a bad url or an unknown route on an upgrade leaves no connection open, so that app.close() resolves', async (t) => {
  const { openRaw } = await import('../support/raw-client.ts');
  const gateway = await startGateway(t, { closing });
  for (const path of ['/ws/%zz', '/nowhere']) {
    const client = await openRaw(t, { port: gateway.port, path });
    await client.response();
    await client.waitClosed();
  }
  await gateway.close();
});
