/** Handshakes that come together have a turn each, and between any two of them all who are connected are served: counted, so that it holds on any machine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import websocket from '@fastify/websocket';
import { turns } from '../../src/link/turns.ts';
import { startBackend } from '../support/backend-process.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { handshakeRequest, openRaw, RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertLimited, assertNobodyIn } from './limits-scenario.ts';

const burst = 40;
const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** What stands in the queue of handshakes before whoever comes now: a while of doing nothing. */
function occupyTurns(): void {
  for (let n = 0; n < 10_000; n += 1) turns.waitToBegin({ takeTurn() {} });
}

test(`${burst} handshakes in one go are begun and finished one by one, the host's own as well, and none loses the bytes behind it`, async (t) => {
  const backend = await startBackend(t);
  let round = 0;
  let ticking = setImmediate(function tick() {
    round += 1;
    ticking = setImmediate(tick);
  });
  t.after(() => clearImmediate(ticking));
  const begun: number[] = [];
  const gateway = await startGateway(t, {
    backends: [backend.url],
    prepare: async (app) => {
      await app.register(websocket);
      app.addHook('onRequest', async () => void begun.push(round));
      app.get('/own', { websocket: true }, (ws) => {
        ws.on('message', (data) => ws.send(String(data)));
      });
    },
  });
  const finished: number[] = [];
  gateway.manager.events.tap((name) => {
    if (name === 'pipe.opened') finished.push(round);
  });
  const { port } = gateway;
  const clients = await Promise.all(
    Array.from({ length: burst }, async () => {
      const socket = connectTcp({ port, host: '127.0.0.1' });
      await once(socket, 'connect');
      return new RawClient(socket, key, {});
    }),
  );
  clients.forEach((client, n) => {
    const request = handshakeRequest({ port, path: n % 2 === 0 ? '/ws' : '/own' }, key);
    const early = encodeFrame({ payload: `early ${n}`, mask: true });
    client.socket.write(Buffer.concat([Buffer.from(request), early]));
  });
  for (const [n, client] of clients.entries()) {
    assert.equal((await client.response()).status, 101);
    assert.equal((await client.nextMessage()).text, `early ${n}`);
    client.destroy();
  }
  assert.equal(begun.length, burst);
  assert.equal(finished.length, burst / 2);
  const all = [...begun, ...finished];
  assert.equal(new Set(all).size, all.length, `more than one in a round: ${all}`);
  await assertNobodyIn(gateway);
});

test('one that goes away while it waits for its turn is let go at once, and nothing is asked about it', async (t) => {
  let asked = 0;
  const gateway = await startGateway(t, { prepare: (app) => void app.addHook('onRequest', async () => void asked++) });
  const connections = () =>
    new Promise<number>((resolve) => gateway.app.server.getConnections((_error, count) => resolve(count)));
  const requested = once(gateway.app.server, 'upgrade');
  occupyTurns();
  const client = await openRaw(t, { port: gateway.port, path: '/ws' });
  await requested;
  client.reset();
  await until(async () => (await connections()) === 0, { what: 'its connection to be gone' });
  assert.ok(turns.waiting > 1, 'its turn came before it went away');
  await until(() => turns.waiting === 0, { timeoutMs: 20_000, what: 'the turns to be over' });
  assert.equal(asked, 0);
  assert.equal(gateway.manager.entrance.arriving, 0);
});

test('those who wait when the gateway ends are told 503 in their turn, and the end does not wait for ever', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url] });
  const requested = once(gateway.app.server, 'upgrade');
  occupyTurns();
  const client = await openRaw(t, { port: gateway.port, path: '/ws' });
  await requested;
  assert.ok(turns.waiting > 1, 'its turn came before the end');
  const closed = gateway.close();
  assert.equal((await client.response(20_000)).status, 503);
  await closed;
});

test('limits.handshakeBurst: so many wait for their turn, and one more is told 503 with Retry-After at once', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], limits: { handshakeBurst: 1 } });
  const requested = once(gateway.app.server, 'upgrade');
  occupyTurns();
  const first = await openRaw(t, { port: gateway.port, path: '/ws' });
  await requested;
  const second = await openRaw(t, { port: gateway.port, path: '/ws' });
  const { status, headers, body } = await second.response();
  assert.ok(turns.waiting > 1, 'the first had its turn before');
  assert.equal(status, 503);
  assert.equal(headers['retry-after'], '1');
  assert.equal((JSON.parse(body) as { code: string }).code, 'HOLDFAST_ERR_TOO_MANY_HANDSHAKES');
  await second.waitClosed();
  assert.equal((await first.response(20_000)).status, 101);
  await assertLimited(gateway, 'handshakes', 1);
});
