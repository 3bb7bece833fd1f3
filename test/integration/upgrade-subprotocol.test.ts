/** Which subprotocol the client is told, and which the next backends must accept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, openRaw } from '../support/raw-client.ts';
import { assertReached } from './limits-scenario.ts';

const closing = { handshakeMs: 50, lingerMs: 200 };

test('the client gets the subprotocol that its backend chose, and the backend all that were offered', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['a', 'b', 'c'] });
  const dial = await backend.nextConnection();
  assert.equal(dial.request.headers['sec-websocket-protocol'], 'a, b, c');
  await dial.accept({ protocol: 'b' });
  assert.equal((await client).answer.headers['sec-websocket-protocol'], 'b');
});

test('a client that offers none is told none and so is its backend', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = connectRaw(t, { port: gateway.port, path: '/ws' });
  const dial = await backend.nextConnection();
  assert.equal(dial.request.headers['sec-websocket-protocol'], undefined);
  await dial.accept();
  assert.equal((await client).answer.headers['sec-websocket-protocol'], undefined);
});

test('with one offered and a slow backend the client is upgraded with it, and backends that do not accept it are skipped', async (t) => {
  const slow = await startRawBackend(t);
  const other = await startRawBackend(t);
  const gateway = await startGateway(t, {
    backends: [{ url: slow.url, id: 'slow' }],
    failover: { handshakeWaitMs: 50 },
    closing,
  });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['chat'] });
  assert.equal(client.answer.headers['sec-websocket-protocol'], 'chat');
  await client.sendText('early');
  gateway.manager.registerBackend({ url: other.url, id: 'other' });
  const first = await slow.nextConnection();
  await first.accept({ protocol: null });
  const skipped = await gateway.waitFor('backend.attempt-failed');
  assert.equal(skipped.backendId, 'slow');
  assert.equal(skipped.failure, 'subprotocol');
  const second = await other.nextConnection();
  assert.equal(second.request.headers['sec-websocket-protocol'], 'chat');
  await second.accept();
  assert.equal((await second.nextMessage()).text, 'early');
  assert.deepEqual(gateway.eventsOf('backend.failed'), [], 'another subprotocol is no failure of the backend');
});

test('after a failover the next backend is offered only what was agreed, and must accept it', async (t) => {
  const [one, two, three] = [await startRawBackend(t), await startRawBackend(t), await startRawBackend(t)];
  const gateway = await startGateway(t, { backends: [one.url], closing });
  const client = connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['a', 'b'] });
  const first = await one.acceptNext({ protocol: 'b' });
  await client;
  gateway.manager.registerBackend({ url: two.url });
  await first.sendClose(1012);
  const second = await two.nextConnection();
  assert.equal(second.request.headers['sec-websocket-protocol'], 'b');
  gateway.manager.registerBackend({ url: three.url });
  await second.accept({ protocol: null });
  const third = await three.nextConnection();
  await third.accept({ protocol: 'b' });
  await (await client).sendText('on');
  assert.equal((await third.nextMessage()).text, 'on');
});

test('with several offered and no answer in time the client gets 503 and Retry-After, and its dial is aborted', async (t) => {
  const slow = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [slow.url], failover: { handshakeWaitMs: 50 }, closing });
  const client = await openRaw(t, { port: gateway.port, path: '/ws', protocols: ['a', 'b'] });
  const dial = await slow.nextConnection();
  const answer = await client.response();
  assert.equal(answer.status, 503);
  assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/);
  assert.equal((JSON.parse(answer.body) as { code: string }).code, 'HOLDFAST_ERR_NO_BACKEND_IN_TIME');
  await dial.waitClosed();
  await client.waitClosed();
  await assertReached(gateway, 'holdfast_pipes_refused_total{code="HOLDFAST_ERR_NO_BACKEND_IN_TIME"}', 1);
  assert.equal(gateway.manager.size, 0);
});

test('with none offered and no backend at all the client is upgraded and its messages wait', async (t) => {
  const gateway = await startGateway(t, { failover: { handshakeWaitMs: 30 }, closing });
  const client = await connect(t, gateway.url);
  client.send('waiting');
  const backend = await startBackend(t, { tag: 'a' });
  gateway.manager.registerBackend({ url: backend.url });
  assert.equal((await client.next()).text, 'a:waiting');
});

test('a backend that answers after the wait but before the 101 is out decides the subprotocol', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    failover: { handshakeWaitMs: 30 },
    closing,
    // A hook of the host between our preValidation and the upgrade, that ends when the backend has answered.
    prepare: (app) => {
      app.addHook('preHandler', async () => {
        await backend.acceptNext({ protocol: null });
        await gateway.waitFor('backend.attached');
      });
    },
  });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['chat'] });
  const [pipe] = gateway.manager.pipes().pipes;
  const told = client.answer.headers['sec-websocket-protocol'] ?? '';
  assert.equal(told, '', 'the backend chose none');
  assert.equal(gateway.eventsOf('pipe.opened')[0]?.protocol, '');
  await client.sendText('hi');
  assert.equal((await backend.connections.all[0]!.nextMessage()).text, 'hi');
  assert.equal(pipe?.state, 'open');
});
