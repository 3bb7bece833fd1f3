/** app.injectWS(): a WebSocket without a network, for the tests of hosts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { once, until } from '../support/wait.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };
type Injected = Awaited<ReturnType<Awaited<ReturnType<typeof startGateway>>['app']['injectWS']>>;
const ask = async (ws: Injected, text: string): Promise<string> => {
  const answer = new Promise<string>((resolve) => ws.once('message', (data) => resolve(String(data))));
  ws.send(text);
  return answer;
};

test('an injected client is relayed, fails over, and is closed with the code of either end', async (t) => {
  const [one, two] = await Promise.all([
    startBackend(t, { tag: 'one' }),
    startBackend(t, { tag: 'two', record: true }),
  ]);
  const gateway = await startGateway(t, { backends: [one.url], closing });
  const ws = await gateway.app.injectWS('/ws/room?x=1', { headers: { cookie: 'a=b', host: 'inner' } });
  assert.equal(await ask(ws, 'hi'), 'one:hi');
  const big = 'x'.repeat(300_000);
  assert.equal(await ask(ws, big), `one:${big}`);
  gateway.manager.registerBackend({ url: two.url });
  one.kill();
  await gateway.waitFor('pipe.restored');
  // What the first had answered but not acknowledged may be answered again.
  const again = once(ws, 'message', (data) => String(data) === 'two:again');
  ws.send('again');
  await again;
  assert.equal(two.upgrades()[0]?.url, '/room?x=1');
  assert.equal(two.upgrades()[0]?.headers['cookie'], 'a=b');
  ws.close(4001, 'enough');
  await gateway.waitFor('pipe.closed');
  assert.equal(gateway.eventsOf('pipe.closed')[0]?.closeCode, 4001);
  await until(() => two.received()[0]?.closed?.code === 4001, { what: 'the code at the backend' });
  await until(() => gateway.app.websocketServer.clients.size === 0, { what: 'no client left' });
});

test('an injected client is told the close of its backend, and a refusal', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const ws = await gateway.app.injectWS('/ws');
  const closed = once(ws, 'close');
  ws.send('close:4002:bye');
  await closed;
  await assert.rejects(gateway.app.injectWS('/ws/../x'), /400/);
  await assert.rejects(gateway.app.injectWS('/nowhere'), /404/);
});

test('app.close() closes an injected client and resolves', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const ws = await gateway.app.injectWS('/ws');
  const code = new Promise((resolve) => ws.once('close', resolve));
  await gateway.close();
  assert.equal(await code, 1012);
});
