import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { sleep } from '../support/wait.ts';

const start = '\u001e{"type":"start","resume":null}';
const hello = (client: Client) => client.waitFor((message) => message.text.includes('"hello"'));

test('regression: a start behind a refusal begins nothing', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url] });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['holdfast.v1'] });
  await client.nextFrame();
  client.sendText('too early');
  client.sendText(start);
  assert.equal((await client.nextClose()).code, 4400);
  await sleep(200);
  assert.equal(gateway.manager.size, 0, 'a pipe that nobody ends');
  assert.equal(await backend.connections(), 0);
});

test('regression: a start that comes too late begins nothing', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], resume: { startTimeoutMs: 100 } });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['holdfast.v1'] });
  await client.nextFrame();
  assert.equal((await client.nextClose()).code, 4400);
  client.sendText(start);
  await sleep(200);
  assert.equal(gateway.manager.size, 0, 'a pipe that nobody ends');
});

test('a start of megabytes is refused before it has come', async (t) => {
  const gateway = await startGateway(t);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['holdfast.v1'] });
  await client.nextFrame();
  client.sendFrame({ opcode: 'text', payload: Buffer.alloc(50_000, '\u001e'), declaredLength: 1_000_000 });
  assert.equal((await client.nextClose()).code, 4400);
});

test('regression: a client in its greeting that answers no Close does not hold the end of the gateway up', async (t) => {
  const gateway = await startGateway(t, { closing: { handshakeMs: 300 } });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', protocols: ['holdfast.v1'], halfOpen: true });
  await client.nextFrame();
  client.pause();
  const before = performance.now();
  const closed = gateway.close().then(() => 'closed');
  assert.equal(await Promise.race([closed, sleep(3000).then(() => 'it hangs')]), 'closed');
  assert.ok(performance.now() - before < 2000);
});

test('a client whose place is taken while it waits for its welcome is told so', async (t) => {
  const backend = await startBackend(t, { handshakeDelayMs: 400 });
  const gateway = await startGateway(t, {
    path: '/ws/:clientId',
    backends: [backend.url],
    onDuplicateClient: 'replace',
  });
  const older = await connect(t, `${gateway.url}/me`, { protocols: ['holdfast.v1'] });
  await hello(older);
  await older.send(start);
  await gateway.waitFor('backend.attempt');
  const newer = await connect(t, `${gateway.url}/me`, { protocols: ['holdfast.v1'] });
  await hello(newer);
  await newer.send(start);
  assert.equal((await older.waitClosed()).code, 4409);
  await newer.waitFor((message) => message.text.includes('"welcome"'));
});
