/** maxConnections, maxErrors, ejection, backoff, dial limits and balancing, seen from clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, openRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertReached } from './limits-scenario.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };

test('with maxConnections 1 each backend has one client, and the next waits until one leaves', async (t) => {
  const [one, two] = await Promise.all([startBackend(t, { tag: 'one' }), startBackend(t, { tag: 'two' })]);
  const gateway = await startGateway(t, {
    backends: [
      { url: one.url, maxConnections: 1 },
      { url: two.url, maxConnections: 1 },
    ],
    failover: { handshakeWaitMs: 30 },
    closing,
  });
  const [a, b] = [await connect(t, gateway.url), await connect(t, gateway.url)];
  const tags = [(await a.ask('x')).text, (await b.ask('x')).text];
  assert.deepEqual(tags.sort(), ['one:x', 'two:x']);
  const third = await connect(t, gateway.url);
  third.send('patience');
  await gateway.waitFor('backend.awaited');
  assert.equal(
    gateway.manager.pipes({ state: 'connecting' }).total + gateway.manager.pipes({ state: 'interrupted' }).total,
    1,
  );
  b.close(1000);
  assert.match((await third.next()).text, /:patience$/);
  const { pipeId } = gateway.eventsOf('backend.awaited').at(-1)!;
  const timeOf = (name: string, id: string) =>
    gateway.events.find((one) => one.name === name && 'pipeId' in one.event && one.event.pipeId === id)!.at;
  const [left] = gateway.eventsOf('backend.detached');
  const waitedMs = timeOf('backend.attempt', pipeId) - timeOf('backend.detached', left!.pipeId);
  assert.ok(waitedMs < 500, `woken ${waitedMs} ms after the place was free`);
  for (const backend of [one, two]) assert.equal((await backend.connections()) <= 1, true);
});

test('maxErrors removes a backend for good, and its url may be registered again', async (t) => {
  const bad = await startRawBackend(t, { onConnection: (connection) => connection.reset() });
  const gateway = await startGateway(t, {
    backends: [{ url: bad.url, id: 'bad' }],
    pool: { maxErrors: 3, ejectAfter: 0 },
    failover: { handshakeWaitMs: 20, backoffBaseMs: 1, backoffMaxMs: 5 },
    closing,
  });
  const client = await connect(t, gateway.url);
  const removed = await gateway.waitFor('backend.removed');
  assert.equal(removed.cause, 'max-errors');
  await assertReached(gateway, 'holdfast_pool_changes_total{change="removed"}', 1);
  assert.equal(bad.connections.all.length, 3);
  assert.deepEqual(gateway.manager.backends(), []);
  assert.equal((await gateway.admin('GET', '/readyz')).status, 503);
  gateway.manager.registerBackend({ url: bad.url, id: 'again' });
  await until(() => bad.connections.all.length > 3, { what: 'the new registration to be tried' });
  assert.equal(client.closeInfo, undefined);
});

test('a backend that keeps failing is ejected while another works, and comes back after its time', async (t) => {
  let broken = true;
  const flaky = await startRawBackend(t, {
    autoClose: true,
    onConnection: (connection) => void (broken ? connection.respond(500) : connection.accept()),
  });
  const good = await startBackend(t, { tag: 'good' });
  const gateway = await startGateway(t, {
    backends: [
      { url: flaky.url, id: 'flaky' },
      { url: good.url, id: 'good' },
    ],
    pool: { balancing: 'round-robin', ejectAfter: 2, ejectBaseMs: 400 },
    failover: { probationMs: 1 },
    closing,
  });
  while (gateway.eventsOf('backend.ejected').length === 0) (await connect(t, gateway.url)).terminate();
  const tried = flaky.connections.all.length;
  assert.equal(tried, 2);
  await assertReached(gateway, 'holdfast_backends{state="ejected"}', 1);
  await assertReached(gateway, 'holdfast_ejections_withheld_total', 0);
  const during = await Promise.all(Array.from({ length: 6 }, () => connect(t, gateway.url)));
  for (const client of during) assert.equal((await client.ask('x')).text, 'good:x');
  assert.equal(flaky.connections.all.length, tried, 'nobody is sent to an ejected backend');
  broken = false;
  await until(() => gateway.manager.backend('flaky').usable, { what: 'the ejection to end' });
  await Promise.all(Array.from({ length: 4 }, () => connect(t, gateway.url)));
  await gateway.waitFor('backend.recovered');
  assert.ok(flaky.connections.all.length > tried);
});

test('no more are ejected than maxEjectionPercent allows', async (t) => {
  const broken = () => startRawBackend(t, { onConnection: (connection) => void connection.respond(500) });
  const backends = [await broken(), await broken(), await broken(), await broken()];
  const gateway = await startGateway(t, {
    backends: backends.map(({ url }) => url),
    pool: { balancing: 'round-robin', ejectAfter: 1, maxEjectionPercent: 50, ejectBaseMs: 60_000 },
    failover: { handshakeWaitMs: 20, backoffBaseMs: 1, backoffMaxMs: 20 },
    closing,
  });
  for (let n = 0; n < 4; n += 1) await connect(t, gateway.url);
  await until(
    () => gateway.manager.backends().filter(({ consecutiveFailures }) => consecutiveFailures > 2).length >= 2,
    {
      what: 'those that are left to fail again',
    },
  );
  await assertReached(gateway, 'holdfast_backends{state="ejected"}', 2);
  await assertReached(gateway, 'holdfast_ejections_withheld_total');
});

test('where all are ejected they are tried rather than none', async (t) => {
  let broken = true;
  const only = await startRawBackend(t, {
    onConnection: (connection) => void (broken ? connection.respond(503) : connection.accept()),
  });
  const gateway = await startGateway(t, {
    backends: [only.url],
    pool: { ejectAfter: 1, maxEjectionPercent: 100, ejectBaseMs: 60_000 },
    failover: { handshakeWaitMs: 20, backoffBaseMs: 1, backoffMaxMs: 20 },
    closing,
  });
  await connect(t, gateway.url);
  await gateway.waitFor('backend.ejected');
  broken = false;
  await gateway.waitFor('backend.attached');
});

test('an own backoff function is asked with 1, 2, 3 and its answer is the delay', async (t) => {
  const attempts: number[] = [];
  const bad = await startRawBackend(t, { onConnection: (connection) => void connection.respond(503) });
  const gateway = await startGateway(t, {
    backends: [bad.url],
    pool: { ejectAfter: 0 },
    failover: { handshakeWaitMs: 10 },
    backoff: (attempt) => {
      attempts.push(attempt);
      return attempt * 20;
    },
    closing,
  });
  await connect(t, gateway.url);
  await bad.connections.count(4);
  assert.deepEqual(attempts.slice(0, 3), [1, 2, 3]);
  assert.deepEqual(
    gateway
      .eventsOf('backend.awaited')
      .slice(0, 3)
      .map(({ retryMs }) => retryMs),
    [20, 40, 60],
  );
});

for (const [name, backoff] of [
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  ['answers NaN', () => Number.NaN],
  ['answers a negative number', () => -5],
  ['answers Infinity', () => Number.POSITIVE_INFINITY],
] as const) {
  test(`a backoff function that ${name} does not stop the retries or spin`, async (t) => {
    const bad = await startRawBackend(t, { onConnection: (connection) => void connection.respond(503) });
    const good = await startRawBackend(t);
    const gateway = await startGateway(t, {
      backends: [bad.url],
      pool: { ejectAfter: 0 },
      failover: { handshakeWaitMs: 10 },
      backoff,
      closing,
    });
    const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
    await gateway.waitFor('backend.awaited');
    gateway.manager.registerBackend({ url: good.url });
    const link = await good.acceptNext();
    await client.sendText('x');
    assert.equal((await link.nextMessage()).text, 'x');
    assert.ok(bad.connections.all.length < 20, `${bad.connections.all.length} dials`);
  });
}

test('all pipes that wait are woken at once by a new backend', async (t) => {
  const gateway = await startGateway(t, {
    failover: { handshakeWaitMs: 10, backoffBaseMs: 60_000, backoffMaxMs: 60_000 },
    closing,
  });
  const clients = await Promise.all(Array.from({ length: 100 }, () => connect(t, gateway.url)));
  for (const client of clients) client.send('hello');
  const backend = await startBackend(t, { tag: 'a' });
  const at = performance.now();
  gateway.manager.registerBackend({ url: backend.url });
  // In the same call: no timer has part in it.
  assert.ok(gateway.eventsOf('backend.attempt').length >= 50);
  const answers = await Promise.all(clients.map((client) => client.next()));
  const longest = Math.max(...answers.map((answer) => answer.at)) - at;
  t.diagnostic(`100 waiting pipes served ${Math.round(longest)} ms after the registration`);
});

test('300 clients never have more than maxConcurrentDials dials under way at a backend', async (t) => {
  let now = 0;
  let most = 0;
  const backend = await startRawBackend(t, {
    autoClose: true,
    onConnection: (connection) => {
      now += 1;
      most = Math.max(most, now);
      // A handshake that takes its time, so that dials pile up.
      setTimeout(() => {
        now -= 1;
        void connection.accept();
      }, 10);
    },
  });
  const gateway = await startGateway(t, { backends: [backend.url], pool: { maxConcurrentDials: 7 }, closing });
  let opened = 0;
  await Promise.all(
    Array.from({ length: 300 }, async () => {
      await connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true, timeoutMs: 20_000 });
      opened += 1;
    }),
  );
  t.diagnostic(`most dials at one time: ${most}`);
  assert.equal(opened, 300);
  assert.equal(most, 7);
});

test('a dial slot is given back when the client leaves, and another client gets it', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], pool: { maxConcurrentDials: 1 }, closing });
  const first = await openRaw(t, { port: gateway.port, path: '/ws' });
  await backend.nextConnection();
  const second = await openRaw(t, { port: gateway.port, path: '/ws' });
  await until(() => gateway.manager.size === 2, { what: 'both pipes' });
  await assertReached(gateway, 'holdfast_dials_filled_total', 1);
  assert.equal(gateway.manager.backends()[0]?.dialing, 1);
  first.reset();
  await backend.acceptNext();
  assert.equal((await second.response()).status, 101);
});

test('when all backends are full and the client offers several subprotocols it gets 503', async (t) => {
  const backend = await startBackend(t, { subprotocols: ['a'] });
  const gateway = await startGateway(t, {
    backends: [{ url: backend.url, maxConnections: 1 }],
    failover: { handshakeWaitMs: 500 },
    closing,
  });
  await connect(t, gateway.url, { protocols: ['a', 'b'] });
  assert.equal((await connectRefused(t, gateway.url, { protocols: ['a', 'b'] })).status, 503);
});
