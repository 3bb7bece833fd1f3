import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable, type ResumeOptions } from '../support/resume-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until, withTimeout } from '../support/wait.ts';

test('a detached pipe holds no more than its bound, stops reading its backend there, and gives all of it to the client that comes back', async (t) => {
  const backend = await startBackend(t, { push: { intervalMs: 1, count: 600, bytes: 10_000 } });
  const maxDownstreamBytes = 256 * 1024;
  const gateway = await startGateway(t, { backends: [backend.url], buffer: { maxDownstreamBytes } });
  const first = await connectResumable(t, gateway.url);
  await first.client.waitFor(() => first.texts.length > 0);
  const { pipe, token } = first.welcome;
  first.client.terminate();
  await gateway.waitFor('client.detached');
  await gateway.waitFor('pipe.paused', (event) => event.direction === 'toClient');
  const [live] = gateway.manager;
  const held = live?.downstream.journal?.bytes ?? 0;
  assert.ok(held > maxDownstreamBytes && held <= maxDownstreamBytes + 65_536, `${held} bytes are held`);
  const received = first.texts.length;
  const second = await connectResumable(t, gateway.url, { resume: { pipe, token, received } });
  assert.equal(second.welcome.resumed, true);
  // Without acknowledgements it would stop at the bound again.
  let acknowledged = 0;
  await second.client.waitFor(() => {
    const count = received + second.texts.length;
    if (count > acknowledged) second.sendControl({ type: 'ack', received: count });
    acknowledged = count;
    return count === 600;
  });
  const numbers = [...first.texts, ...second.texts].map((text) => Number(/\d+/.exec(text)?.[0]));
  assert.equal(new Set(numbers).size, 600);
  assert.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  );
  await until(() => live?.downstream.journal?.bytes === 0, { what: 'the journal toward the client to be empty' });
});

test('200 clients that lost their connections at once have their pipes again at once', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url] });
  // On a busy machine the last of so many waits long.
  const open = (options: ResumeOptions = {}) => connectResumable(t, gateway.url, { ...options, timeoutMs: 30_000 });
  const openedAt = performance.now();
  const clients = await Promise.all(Array.from({ length: 200 }, () => open()));
  const openMs = performance.now() - openedAt;
  for (const { client } of clients) client.terminate();
  await until(() => gateway.manager.pipes({ state: 'detached' }).total === 200, {
    timeoutMs: 30_000,
    what: '200 detached pipes',
  });
  const startedAt = performance.now();
  const again = await Promise.all(clients.map(({ welcome }) => open({ resume: { ...welcome, received: 0 } })));
  const ms = performance.now() - startedAt;
  assert.ok(again.every(({ welcome }) => welcome.resumed));
  assert.equal(gateway.manager.size, 200);
  t.diagnostic(`200 resumptions took ${Math.round(ms)} ms`);
  // The goal is 2 s on a quiet machine; this bound only tells a crowd that is served one by one, also where all is slow.
  assert.ok(ms < Math.max(10_000, 5 * openMs), `${ms} ms, and ${openMs} ms to open them`);
});

test('what breaks the resume protocol ends with 4400, and a late start too', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], resume: { startTimeoutMs: 200 } });
  const breaks: (string | null)[] = [
    null,
    'a message before the welcome',
    '\u001e{"type":"ack","received":0}',
    '\u001enot json',
    '\u001e{"type":"start"}',
    '\u001e{"type":"start","resume":{"pipe":1}}',
    `\u001e{"type":"start","resume":null,"x":"${'x'.repeat(9000)}"}`,
  ];
  for (const text of breaks) {
    const client = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
    if (text !== null) client.send(text);
    assert.equal((await client.waitClosed()).code, 4400, String(text).slice(0, 40));
  }
  const begun = await connectResumable(t, gateway.url);
  begun.sendControl({ type: 'ack', received: 5 });
  assert.equal((await begun.client.waitClosed()).code, 4400);
  const twice = await connectResumable(t, gateway.url);
  twice.sendControl({ type: 'unknown-to-this-version' });
  twice.sendControl({ type: 'ping', id: 7 });
  assert.equal((await twice.control('pong'))['id'], 7);
  twice.sendControl({ type: 'start', resume: null });
  assert.equal((await twice.client.waitClosed()).code, 4400);
  await until(() => gateway.manager.size === 0, { what: 'all pipes to be gone' });
});

test('subprotocols: the backend chooses among the others, and a refusal is told', async (t) => {
  const backend = await startBackend(t, { subprotocols: ['chat.v2'], record: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const client = await connectResumable(t, gateway.url, { protocols: ['chat.v1', 'chat.v2'] });
  assert.equal(client.client.protocol, 'holdfast.v1');
  assert.equal(client.welcome.protocol, 'chat.v2');
  await until(() => backend.received()[0]?.protocol === 'chat.v2', {
    what: 'the subprotocol in the records of the backend',
  });
  await backend.set({ refuse: { status: 401 } });
  const refused = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
  refused.send('\u001e{"type":"start","resume":null}');
  assert.equal((await refused.waitClosed()).code, 1008);
});

test('the end of the gateway: goaway with a delay, then 1012; a changed heartbeat is told', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], shutdown: { spreadMs: 300 } });
  const clients = await Promise.all(Array.from({ length: 10 }, () => connectResumable(t, gateway.url)));
  await gateway.admin('PATCH', '/config/heartbeat', { client: { intervalMs: 1234 } });
  for (const one of clients)
    await one.control('config', (config) => (config['heartbeat'] as { intervalMs: number }).intervalMs === 1234);
  const closing = gateway.close();
  const delays = new Set<unknown>();
  for (const one of clients) {
    delays.add((await one.control('goaway'))['reconnectAfterMs']);
    assert.equal((await one.client.waitClosed()).code, 1012);
  }
  assert.ok(delays.size > 1, 'each has its own delay');
  await closing;
});

test('a connection that was taken over and is half open does not hold up the end of the app', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing: { handshakeMs: 300 } });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const first = await connectResumable(t, `ws://127.0.0.1:${relay.port}/ws`);
  relay.partition();
  const second = await connectResumable(t, gateway.url, { resume: { ...first.welcome, received: 0 } });
  assert.equal(second.welcome.resumed, true);
  await withTimeout(gateway.close(), 5000, 'the app to end');
});

test('a client id whose client is away is free for a new session: a page that was loaded anew', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], path: '/ws/:clientId' });
  const first = await connectResumable(t, `${gateway.url}/anna`);
  const live = await connect(t, `${gateway.url}/anna`, { protocols: ['holdfast.v1'] });
  live.send('\u001e{"type":"start","resume":null}');
  assert.equal((await live.waitClosed()).code, 4409);
  first.client.terminate();
  await gateway.waitFor('client.detached');
  const second = await connectResumable(t, `${gateway.url}/anna`);
  assert.equal(second.welcome.resumed, false);
  assert.equal((await gateway.waitFor('pipe.closed')).reason, 'replaced');
});
