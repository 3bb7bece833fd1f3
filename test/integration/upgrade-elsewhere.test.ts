/** An upgrade to an address that serves no WebSocket is refused: nobody gets a connection that no limit counts. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import websocket from '@fastify/websocket';
import { connect } from '../support/client.ts';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';

const authorization = `Bearer ${adminToken}`;

async function refusal(t: TestContext, gateway: TestGateway, path: string, status: number): Promise<void> {
  const client = await openRaw(t, { port: gateway.port, path, headers: { authorization } });
  const answer = await client.response();
  assert.equal(answer.status, status, `${path}: ${answer.raw}`);
  await client.waitClosed(2000);
}

for (const own of [false, true]) {
  test(`the admin API and the browser library take no upgrade${own ? ', where the host has registered @fastify/websocket' : ''}`, async (t) => {
    const gateway = await startGateway(t, {
      ...(own ? { prepare: async (app) => void (await app.register(websocket)) } : {}),
    });
    for (const path of ['/livez', '/readyz', '/backends', '/pipes/x', '/docs', '/docs/json', '/metrics'])
      await refusal(t, gateway, path, 400);
    await refusal(t, gateway, '/nowhere', 404);
    const library = await fetch(`${gateway.httpUrl}/holdfast/client.js`);
    if (library.status === 200) await refusal(t, gateway, '/holdfast/client.js', 400);
    await library.text();
    assert.equal(gateway.app.websocketServer.clients.size, 0);
    assert.equal((await fetch(`${gateway.httpUrl}/livez`)).status, 200, 'a plain request is answered as ever');
  });
}

test("a host's own WebSocket routes are left as they are", async (t) => {
  const host = await startGateway(t, {
    prepare: async (app) => {
      await app.register(websocket);
      app.get('/chat', { websocket: true }, (socket) => {
        socket.on('message', (data) => socket.send(`own:${data}`));
      });
    },
  });
  const client = await connect(t, host.url.replace('/ws', '/chat'));
  assert.equal((await client.ask('hello')).text, 'own:hello');
});
