/** The library against the gateway itself: real backends, a bad network, a backend that is killed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import WebSocket from 'ws';
import { type DetailEvent, HoldfastSocket, type RestoredDetail, type SocketEventMap } from '../../src/client/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';

async function next(socket: HoldfastSocket, type: keyof SocketEventMap): Promise<Event> {
  const [event] = await once(socket as unknown as EventTarget, type, { signal: AbortSignal.timeout(10_000) });
  return event as Event;
}

/** Before the gateway is closed, or it would come back. */
async function end(socket: HoldfastSocket): Promise<void> {
  const closed = next(socket, 'close');
  socket.close();
  await closed;
}

test('1,000 messages through the gateway over 20 cuts of the client: none lost, none twice, in order', async (t) => {
  const backend = await startBackend(t, {});
  const gateway = await startGateway(t, { backends: [backend.url] });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const socket = new HoldfastSocket(`${relay.url}/ws`, [], { WebSocket, minBackoffMs: 20, minUptimeMs: 0 });
  t.after(() => socket.close());
  const received: string[] = [];
  const events: string[] = [];
  socket.onmessage = ({ data }) => received.push(String(data));
  for (const type of ['open', 'resumed', 'reset', 'close'] as const)
    socket.addEventListener(type, () => events.push(type));
  await next(socket, 'open');
  const sent = Array.from({ length: 1_000 }, (_, number) => `${number} ${'x'.repeat((number * 37) % 2_000)}`);
  for (const [number, text] of sent.entries()) {
    assert.equal(socket.send(text), true);
    if (number % 50 !== 25) continue;
    await until(() => socket.state.state === 'open', { what: 'an open connection' });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
    relay.reset();
    await next(socket, 'state');
  }
  await until(() => received.length >= sent.length, { what: () => `${received.length} echoes, ${events.join()}` });
  assert.deepEqual(received, sent);
  assert.deepEqual(new Set(events), new Set(['open', 'resumed']));
  await until(() => socket.bufferedAmount === 0, { what: 'all acknowledged' });
  await end(socket);
});

test('a killed backend: interrupted, restored, and nothing is lost', async (t) => {
  const first = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [first.url] });
  const socket = new HoldfastSocket(gateway.url, [], { WebSocket });
  t.after(() => socket.close());
  const received: string[] = [];
  const states: string[] = [];
  socket.onmessage = ({ data }) => received.push(String(data));
  socket.addEventListener('state', ({ detail }) => states.push(detail.state));
  await next(socket, 'open');
  first.kill();
  await until(() => socket.state.state === 'interrupted');
  socket.send('meanwhile');
  const restored = next(socket, 'restored');
  const second = await startBackend(t, { tag: 'b' });
  await gateway.admin('POST', '/backends', { url: second.url });
  assert.ok(((await restored) as DetailEvent<RestoredDetail>).detail.gapMs > 0);
  await until(() => received.length > 0);
  assert.deepEqual(received, ['b:meanwhile']);
  assert.deepEqual(states, ['open', 'interrupted', 'open']);
  await end(socket);
});
