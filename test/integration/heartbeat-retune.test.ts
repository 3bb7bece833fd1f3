import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertNobodyJudged, recordedOf } from './heartbeat-scenario.ts';

const pipes = 60;
/** One second as promised, and a step; the rest is for a test process that is busy with 60 clients. */
const withinMs = 1000 + 10 + 500;

test('From 1 h to 1 s: every live pipe is pinged at both ends within a second of the PATCH, spread over it, and nobody is judged for the hour before', async (t) => {
  const gateway = await startGateway(t, {
    heartbeat: { client: { intervalMs: 3_600_000 }, backend: { intervalMs: 3_600_000 } },
  });
  const backend = await startBackend(t, { record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const clients = await Promise.all(Array.from({ length: pipes }, () => connect(t, gateway.url)));
  assert.deepEqual(gateway.eventsOf('heartbeat.ping'), []);

  const hop = { intervalMs: 1000 };
  const at = performance.now();
  const { status, body } = await gateway.admin('PATCH', '/config/heartbeat', { client: hop, backend: hop });
  assert.equal(status, 200);
  assert.equal((body as { pipes: number }).pipes, pipes);
  const pinged = (hop: 'client' | 'backend') =>
    new Set(recordedOf(gateway, 'heartbeat.ping').flatMap(({ event }) => (event.hop === hop ? [event.pipeId] : [])));
  await until(() => pinged('client').size === pipes && pinged('backend').size === pipes, {
    what: 'pings on all links',
  });
  const tookMs = performance.now() - at;
  assert.ok(tookMs <= withinMs, `${tookMs} ms`);
  // At the ends themselves.
  await until(() => clients.every(({ pings }) => pings.length > 0), { what: 'a ping at each client' });
  await until(() => backend.received().filter(({ pings }) => pings.length > 0).length === pipes, {
    what: 'a ping at each connection of the backend',
  });
  for (const hop of ['client', 'backend'] as const) {
    const first = recordedOf(gateway, 'heartbeat.ping')
      .filter(({ event }) => event.hop === hop)
      .slice(0, pipes);
    const tenths = new Set(first.map((one) => Math.floor((one.at - at) / 100)));
    assert.ok(tenths.size >= 4, `the pings of the ${hop}s came in ${tenths.size} of 10 tenths of the second`);
  }
  // And they go on at the new interval.
  await until(() => clients.every(({ pings }) => pings.length >= 3), { what: 'three pings at each client' });
  assert.deepEqual(gateway.eventsOf('heartbeat.missed'), []);
  assertNobodyJudged(gateway);

  const off = { intervalMs: 3_600_000 };
  assert.equal((await gateway.admin('PATCH', '/config/heartbeat', { client: off, backend: off })).status, 200);
  const { length } = gateway.eventsOf('heartbeat.ping');
  const probe = await connect(t, gateway.url);
  for (let n = 0; n < 20; n += 1) await probe.ask(`${n}`);
  assert.equal(gateway.eventsOf('heartbeat.ping').length, length, 'back at an hour nothing is pinged');
});

test('A frozen backend that nobody would have found for an hour is found right after the PATCH', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { backend: { intervalMs: 3_600_000 } } });
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  // A backend that has answered no ping yet may be given up for that, at the same moment.
  await client.ask('hello');
  await until(() => gateway.manager.pipes().pipes[0]?.journal.messages === 0, { what: 'the pong of the backend' });
  await backend.freeze();
  const at = performance.now();
  await gateway.admin('PATCH', '/config/heartbeat', { backend: { intervalMs: 200 } });
  const verdict = await gateway.waitFor('heartbeat.timeout');
  assert.deepEqual({ hop: verdict.hop, timeoutMs: verdict.timeoutMs }, { hop: 'backend', timeoutMs: 600 });
  const foundMs = performance.now() - at;
  assert.ok(foundMs >= 599 && foundMs <= 3000, `${foundMs} ms`);
});

test('A pipe that opens after the PATCH has the new settings', async (t) => {
  const gateway = await startGateway(t);
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  await gateway.admin('PATCH', '/config/heartbeat', { client: { intervalMs: 100 } });
  const client = await connect(t, gateway.url);
  await until(() => client.pings.length >= 3, { what: 'three pings' });
});
