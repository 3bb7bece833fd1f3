/** A client that leaves before its upgrade is done: nothing of it stays, and nobody else notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { openRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const closing = { handshakeMs: 50, lingerMs: 200 };
const fixedId = { closing, clientId: () => 'the-one', limits: { maxPipes: 1 } };

async function allFree(gateway: TestGateway): Promise<void> {
  await until(() => gateway.manager.size === 0, { what: 'the slot to be free' });
  await until(() => gateway.manager.backends().every((backend) => backend.connections === 0), {
    what: () => `the backend's slot to be free: ${JSON.stringify(gateway.manager.backends())}`,
  });
  assert.equal(gateway.app.websocketServer.clients.size, 0);
}

/** So that nothing but the client's leaving ends the dial. */
const patient = { failover: { handshakeWaitMs: 60_000 }, pool: { dialTimeoutMs: 60_000 } };

for (const how of ['reset', 'fin'] as const) {
  test(`a client's ${how} during a slow dial aborts the dial and frees its slot and id`, async (t) => {
    const backend = await startRawBackend(t);
    const gateway = await startGateway(t, { backends: [backend.url], ...fixedId, ...patient });
    const client = await openRaw(t, { port: gateway.port, path: '/ws' });
    const dial = await backend.nextConnection();
    client[how]();
    await dial.waitClosed();
    await allFree(gateway);
    const told = gateway.eventsOf('pipe.refused');
    assert.deepEqual(
      told.map(({ clientId, code }) => [clientId, code]),
      [['the-one', 'HOLDFAST_ERR_CLIENT_GONE']],
    );
    assert.deepEqual(gateway.eventsOf('backend.failed'), [], 'the backend did nothing wrong');
    const metrics = await gateway.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${adminToken}` } });
    assert.match(metrics.body, /^holdfast_pipes_refused_total\{code="HOLDFAST_ERR_CLIENT_GONE"\} 1$/m);
    assert.doesNotMatch(metrics.body, /^holdfast_pipes_(opened|closed)_total.* [1-9]/m);
    const next = openRaw(t, { port: gateway.port, path: '/ws' });
    await backend.acceptNext();
    assert.equal((await (await next).response()).status, 101);
  });

  test(`a client's ${how} while its clientId function is at work takes no slot and dials nobody`, async (t) => {
    const backend = await startRawBackend(t);
    const asked: (() => void)[] = [];
    const gateway = await startGateway(t, {
      backends: [backend.url],
      closing,
      limits: { maxPipes: 1 },
      clientId: () => new Promise<string>((resolve) => asked.push(() => resolve('the-one'))),
    });
    const first = await openRaw(t, { port: gateway.port, path: '/ws' });
    await until(() => asked.length === 1, { what: 'the clientId function' });
    const gone = new Promise<void>((resolve) => {
      gateway.app.server.getConnections((_error, count) => assert.equal(count, 1));
      first.socket.once('close', () => resolve());
    });
    if (how === 'reset') first.reset();
    else first.fin();
    if (how === 'reset') await gone;
    // What the kernel has of the first comes before what it has of a later one.
    const second = await openRaw(t, { port: gateway.port, path: '/ws' });
    await until(() => asked.length === 2, { what: 'the clientId function, again' });
    asked[0]!();
    asked[1]!();
    await backend.acceptNext();
    assert.equal((await second.response()).status, 101);
    assert.equal(backend.connections.all.length, 1, 'only the second was dialled for');
    if (how === 'fin') await gone;
  });
}

test('a client that resets between the answer 101 and the takeover leaves nothing behind', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], ...fixedId });
  let clients = 0;
  // ws tells of the headers right before it writes the 101 and hands the socket over.
  gateway.app.websocketServer.prependListener('headers', (_headers, request) => {
    clients += 1;
    if (clients === 1) request.socket.destroy();
  });
  const client = await openRaw(t, { port: gateway.port, path: '/ws' });
  await client.waitClosed();
  await allFree(gateway);
  const next = await connect(t, gateway.url);
  assert.equal((await next.ask('still here')).text, 'a:still here');
});

test('two hundred clients that all reset during a slow dial leave no pipe, dial or backend slot', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    closing,
    ...patient,
    pool: { ...patient.pool, maxConcurrentDials: 50 },
  });
  const clients = await Promise.all(Array.from({ length: 200 }, () => openRaw(t, { port: gateway.port, path: '/ws' })));
  await backend.connections.count(50);
  await until(() => gateway.manager.size === 200, { what: '200 pipes' });
  for (const client of clients) client.reset();
  await allFree(gateway);
  await until(() => backend.openSockets === 0, { what: 'all dials to be aborted' });
  assert.equal(gateway.eventsOf('pipe.refused').length, 200);
  const next = openRaw(t, { port: gateway.port, path: '/ws?next' });
  // A dial that was aborted may still arrive, behind it too.
  const dialOf = () => backend.connections.all.find(({ request }) => request.path.endsWith('?next'));
  await until(() => dialOf() !== undefined, { what: 'the dial of the next' });
  await dialOf()!.accept();
  assert.equal((await (await next).response()).status, 101);
});

test('a message that came before a FIN, both during the dial, still reaches the backend', async (t) => {
  const backend = await startBackend(t, { record: true, handshakeDelayMs: 150 });
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = await openRaw(t, { port: gateway.port, path: '/ws', halfOpen: true });
  await gateway.waitFor('backend.attempt');
  await client.sendText('last words');
  client.fin();
  await gateway.waitFor('pipe.closed');
  await until(() => gateway.manager.size === 0, { what: 'the pipe to end' });
  const [closed] = gateway.eventsOf('pipe.closed');
  const delivered = backend.receivedTexts().includes('last words');
  assert.equal(delivered ? 0 : 1, closed?.undelivered === 0 ? 0 : 1, JSON.stringify({ delivered, closed }));
});
