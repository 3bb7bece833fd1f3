/** GET /metrics and GET /stats of a real gateway. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Counter, Registry } from 'prom-client';
import { Value } from 'typebox/value';
import { StatsSchema } from '../../routes/schemas/stats.ts';
import type { StatsView } from '../../src/observe/stats.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { adminToken, startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

const withToken = { headers: { authorization: `Bearer ${adminToken}` } };

test('GET /metrics takes the token, under the prefix', async (t) => {
  const gateway = await startGateway(t, { admin: { prefix: '/admin', auth: { tokens: [adminToken] } } });
  assert.equal((await fetch(`${gateway.httpUrl}/admin/metrics`)).status, 401);
  const answer = await fetch(`${gateway.httpUrl}/admin/metrics`, withToken);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(await answer.text(), /^holdfast_ready 0$/m);
  assert.equal((await fetch(`${gateway.httpUrl}/metrics`, withToken)).status, 404);
});

test('with publicMetrics it takes none, and the document says so', async (t) => {
  const gateway = await startGateway(t, { admin: { auth: { tokens: [adminToken] }, publicMetrics: true } });
  assert.equal((await fetch(`${gateway.httpUrl}/metrics`)).status, 200);
  assert.equal((await fetch(`${gateway.httpUrl}/stats`)).status, 401);
  const document = (await (await fetch(`${gateway.httpUrl}/docs/json`)).json()) as {
    paths: Record<string, { get: { security?: unknown[] } }>;
  };
  assert.deepEqual(document.paths['/metrics']?.get.security, []);
});

test("a host's registry is shown on the same page, and is left clean when the app closes", async (t) => {
  const registry = new Registry();
  new Counter({ name: 'app_orders_total', help: 'Orders.', registers: [registry] }).inc(3);
  const gateway = await startGateway(t, { metrics: { registry } });
  const page = await (await fetch(`${gateway.httpUrl}/metrics`, withToken)).text();
  assert.match(page, /^app_orders_total 3$/m);
  assert.match(page, /^holdfast_pipes\{state="open"\} 0$/m);
  await gateway.close();
  assert.doesNotMatch(await registry.metrics(), /holdfast/);
});

test('GET /stats counts a failover, and traffic before and after the pipe closes', async (t) => {
  const a = await startBackend(t, { tag: 'a' });
  const b = await startBackend(t, { tag: 'b' });
  const gateway = await startGateway(t, { backends: [{ url: a.url, id: 'a' }] });
  const stats = async () => {
    const { status, body } = await gateway.admin('GET', '/stats');
    assert.equal(status, 200);
    assert.deepEqual([...Value.Errors(StatsSchema, body)], []);
    return body as StatsView;
  };
  const client = await connect(t, gateway.url);
  await client.ask('one');
  // Acknowledged, it is not sent again by the failover, and not answered twice.
  await until(() => gateway.manager.pipes().pipes[0]?.journal.messages === 0, {
    what: 'the first message to be acknowledged',
  });
  const before = await stats();
  assert.equal(before.pipes.byState.open, 1);
  assert.equal(before.unstable, false);
  assert.equal(before.totals.traffic.messagesToBackend, 1);
  await gateway.admin('POST', '/backends', { url: b.url, id: 'b' });
  a.kill();
  await gateway.waitFor('pipe.restored');
  await client.ask('two');
  client.close();
  await gateway.waitFor('pipe.closed');
  const { windows, totals, pipes } = await stats();
  assert.equal(pipes.total, 0);
  assert.equal(totals.traffic.messagesToBackend, 2);
  assert.equal(totals.traffic.messagesToClient, 2);
  assert.equal(windows.lastMinute.failures, 1);
  assert.equal(windows.lastMinute.restored, 1);
  assert.equal(windows.lastMinute.gaps.count, 1);
  assert.ok(windows.lastMinute.gaps.p50Ms !== null && windows.lastMinute.gaps.p50Ms < 5000);
});

test('backends that flap make it unstable', async (t) => {
  const backend = await startBackend(t, {});
  const gateway = await startGateway(t, { backends: [backend.url] });
  const client = await connect(t, gateway.url);
  for (let round = 0; round < 3; round += 1) {
    await client.ask('x');
    await backend.command({ do: 'terminate' });
    await gateway.waitFor('pipe.restored', ({ generation }) => generation === round + 2);
  }
  const { unstable, reason } = (await gateway.admin('GET', '/stats')).body as StatsView;
  assert.equal(unstable, true);
  assert.match(reason ?? '', /^3 failures of backend links/);
});
