/** The library in Node over the package `ws`: against a fake gateway, and against a plain `ws` server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import {
  HoldfastSocket,
  type HoldfastSocketOptions,
  type SocketEventMap,
  type UrlSource,
} from '../../src/client/index.ts';
import { startFakeGateway } from '../support/fake-gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';

const limitMs = 5_000;

function connect(
  t: TestContext,
  url: UrlSource,
  options: HoldfastSocketOptions = {},
  protocols: string[] = [],
): { socket: HoldfastSocket; received: unknown[] } {
  const socket = new HoldfastSocket(url, protocols, { WebSocket, minBackoffMs: 20, ...options });
  const received: unknown[] = [];
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => received.push(data);
  t.after(() => socket.close());
  return { socket, received };
}

async function next<K extends keyof SocketEventMap>(socket: HoldfastSocket, type: K): Promise<SocketEventMap[K]> {
  const [event] = await once(socket as unknown as EventTarget, type, { signal: AbortSignal.timeout(limitMs) });
  return event as SocketEventMap[K];
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + limitMs; !condition(); ) {
    if (Date.now() > end) throw new Error(`Waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('texts, buffers and blobs, both ways', async (t) => {
  const gateway = await startFakeGateway(t, { echoes: true });
  const { socket, received } = connect(t, gateway.url, {}, ['chat']);
  await next(socket, 'open');
  assert.equal(socket.protocol, 'chat');
  assert.deepEqual(gateway.upgrades[0]?.offered, ['chat', 'holdfast.v1']);
  socket.send('\u001eü');
  socket.send(new Uint8Array([1, 2, 3]).subarray(1));
  socket.send(new Blob(['from a blob']));
  socket.send('last');
  await until('all echoes', () => received.length === 4);
  assert.equal(received[0], '\u001eü');
  assert.deepEqual([...new Uint8Array(received[1] as ArrayBuffer)], [2, 3]);
  assert.equal(Buffer.from(received[2] as ArrayBuffer).toString(), 'from a blob');
  assert.equal(received[3], 'last');
  await until('all acknowledged', () => socket.bufferedAmount === 0);
  assert.deepEqual(gateway.model.violations, []);
});

test('1,000 numbered messages both ways over 20 cuts: none lost, none twice, in order', async (t) => {
  const gateway = await startFakeGateway(t, { echoes: true });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const { socket, received } = connect(t, relay.url, { minUptimeMs: 0 });
  await next(socket, 'open');
  let resumed = 0;
  socket.addEventListener('resumed', () => {
    resumed += 1;
  });
  const sent = Array.from({ length: 1_000 }, (_, number) => `message ${number} ${'x'.repeat((number * 37) % 2_000)}`);
  for (const [number, text] of sent.entries()) {
    assert.equal(socket.send(text), true);
    if (number % 50 === 25) {
      await until('an open connection', () => socket.state.state === 'open');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      relay.reset();
      await next(socket, 'state');
    }
  }
  await until('all echoes', () => received.length >= sent.length);
  assert.deepEqual(received, sent);
  assert.deepEqual(gateway.model.session.fromClient, sent);
  assert.deepEqual(gateway.model.violations, []);
  assert.equal(resumed, 20);
});

test('a gateway that was killed and came back: a new session, all that was not acknowledged arrives', async (t) => {
  const first = await startFakeGateway(t, { acknowledges: false });
  const { socket } = connect(t, first.url);
  await next(socket, 'open');
  socket.send('never acknowledged');
  await until('the message', () => first.model.session.fromClient.length === 1);
  const reset = next(socket, 'reset');
  await first.close();
  await until('the loss noticed', () => socket.state.state === 'reconnecting');
  socket.send('sent meanwhile');
  const second = await startFakeGateway(t, {}, first.port);
  const { detail } = await reset;
  assert.deepEqual([detail.keptMessages, detail.maybeTwiceMessages], [2, 1]);
  await until('both', () => second.model.session.fromClient.length === 2);
  assert.deepEqual(second.model.session.fromClient, ['never acknowledged', 'sent meanwhile']);
});

test('a network that swallows everything is found by the heartbeat; what was sent into it arrives', async (t) => {
  const gateway = await startFakeGateway(t, { heartbeat: { intervalMs: 60, timeoutMs: 180 } });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const { socket } = connect(t, relay.url, { connectTimeoutMs: 300 });
  await next(socket, 'open');
  assert.ok((await next(socket, 'heartbeat')).detail.rttMs >= 0);
  relay.partition();
  socket.send('into the void');
  await until('silence noticed', () => socket.state.reason === 'silent');
  relay.heal();
  await next(socket, 'resumed');
  await until('the message', () => gateway.model.session.fromClient.length === 1);
  assert.deepEqual(gateway.model.violations, []);
});

test('a fresh url for each attempt', async (t) => {
  const gateway = await startFakeGateway(t);
  let call = 0;
  const { socket } = connect(t, async () => {
    call += 1;
    return `${gateway.url}/?attempt=${call}`;
  });
  await next(socket, 'open');
  gateway.cut();
  await next(socket, 'resumed');
  assert.deepEqual(
    gateway.upgrades.map(({ path }) => path),
    ['/?attempt=1', '/?attempt=2'],
  );
});

test('nobody there: failed after the last attempt, and reconnect() finds who came later', async (t) => {
  const gone = await startFakeGateway(null);
  await gone.close();
  const { socket } = connect(t, gone.url, { maxAttempts: 3 });
  socket.send('early');
  await next(socket, 'error');
  assert.equal(socket.state.state, 'failed');
  const gateway = await startFakeGateway(t, {}, gone.port);
  socket.reconnect();
  await next(socket, 'open');
  await until('the message', () => gateway.model.session.fromClient.length === 1);
});

/** As `ws` comes: takes the first subprotocol offered, echoes. */
async function startPlain(
  t: TestContext,
  options: { pongs?: boolean } = {},
): Promise<{ server: WebSocketServer; url: string }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (peer) => {
    peer.on('error', () => {});
    peer.on('message', (data, binary) => {
      if (!options.pongs) peer.send(data, { binary });
      else if (String(data) === '{"type":"ping"}') peer.send('{"type":"pong"}');
    });
  });
  t.after(() => {
    for (const peer of server.clients) peer.terminate();
    server.close();
  });
  const address = server.address() as { port: number };
  return { server, url: `ws://127.0.0.1:${address.port}` };
}

for (const [how, options, protocols] of [
  ['takes holdfast.v1 because it was offered', { helloTimeoutMs: 50 }, []],
  ['takes the subprotocol of the application', {}, ['chat']],
  ['is offered nothing', { resume: false }, []],
] as const) {
  test(`a plain ws server that ${how}: works, and reconnects`, async (t) => {
    const { server, url } = await startPlain(t);
    const { socket, received } = connect(t, url, options, [...protocols]);
    socket.send('early');
    await next(socket, 'open');
    socket.send('\u001emarked');
    socket.send(new Uint8Array([7]));
    await until('echoes', () => received.length === 3);
    assert.deepEqual(received.slice(0, 2), ['early', '\u001emarked']);
    const opened = next(socket, 'open');
    for (const peer of server.clients) peer.terminate();
    await next(socket, 'state');
    socket.send('meanwhile');
    await opened;
    await until('the echo', () => received.length === 4);
    assert.equal(received[3], 'meanwhile');
  });
}

test('a plain ws server with a JSON heartbeat: rtt, and a frozen one is found', async (t) => {
  const { server, url } = await startPlain(t, { pongs: true });
  const { socket, received } = connect(t, url, { resume: false, heartbeat: { intervalMs: 40, timeoutMs: 150 } });
  await next(socket, 'heartbeat');
  for (const peer of server.clients) peer.removeAllListeners('message');
  await until('silence noticed', () => socket.state.reason === 'silent');
  assert.deepEqual(received, []);
});
