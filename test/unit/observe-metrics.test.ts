import assert from 'node:assert/strict';
import test from 'node:test';
import { Counter, Registry } from 'prom-client';
import { createMetrics } from '../../plugins/metrics.ts';
import { defaultHeartbeat } from '../../src/heartbeat/settings.ts';
import type { GatewayMetrics } from '../../src/observe/metrics.ts';
import type { BackendReading, PipeReading } from '../../src/observe/readings.ts';
import type { MetricsSource } from '../../src/observe/scrape.ts';
import { GatewayStats } from '../../src/observe/stats.ts';

const pipe = { pipeId: 'p', clientId: 'c', clientIp: '127.0.0.1' };
const fields = (backendId: string) => ({ backendId, backendUrl: 'ws://b/' });
const traffic = { messagesToBackend: 1, messagesToClient: 2, bytesToBackend: 10, bytesToClient: 20 };

interface Fake extends MetricsSource {
  pipes: PipeReading[];
  registered: BackendReading[];
}

function fake(): Fake {
  return {
    pipes: [],
    registered: [],
    pool: { dialsFilled: 3, ejectionsWithheld: 4 },
    statistics: new GatewayStats(() => 0),
    tally: { total: (limit) => (limit === 'pongs' ? 5 : 0) },
    entrance: { arriving: 2, addresses: 4, forgottenAddresses: 0 },
    turns: { taken: 9 },
    readings() {
      return this.pipes;
    },
    options: { limits: { maxPipes: 10 } },
    budget: { usedBytes: 7, maxBytes: 100 },
    wheel: { lag: () => ({ maxMs: 3, lastMs: 0 }) },
    backends() {
      return this.registered;
    },
    heartbeat: () => ({ settings: defaultHeartbeat }),
    readiness: () => ({ ready: true }),
    clusterState: () => ({ up: true, gateways: 2 }),
  };
}

/** Value of one series, written as in the text format. */
async function value(metrics: GatewayMetrics, series: string): Promise<number | undefined> {
  const { body } = await metrics.text();
  const line = body.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
const seriesOf = async (metrics: GatewayMetrics, text: string) =>
  (await metrics.text()).body.split('\n').filter((line) => line.includes(text) && !line.startsWith('#'));

test('every series with known labels is there at 0 before anything has happened', async () => {
  const metrics = createMetrics();
  metrics.watch(fake());
  const { body, contentType } = await metrics.text();
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  const silent = metrics.names.filter((name) => !body.split('\n').some((line) => line.startsWith(name)));
  const perBackend = metrics.names.filter((name) => /backend_|failovers|dials_total/.test(name));
  assert.deepEqual(silent.sort(), perBackend.sort());
  for (const series of [
    'holdfast_pipes{state="interrupted"}',
    'holdfast_pipes_closed_total{initiator="gateway",reason="poison"}',
    'holdfast_pipes_refused_total{code="HOLDFAST_ERR_GATEWAY_FULL"}',
    'holdfast_heartbeats_missed_total{hop="backend"}',
    'holdfast_heartbeat_rtt_seconds_count{hop="client"}',
    'holdfast_interruptions_total{reason="no-pong"}',
    'holdfast_interruption_seconds_bucket{le="300"}',
    'holdfast_pool_changes_total{change="ejected"}',
    'holdfast_config_changes_total{section="buffer"}',
    'holdfast_backends{state="usable"}',
  ])
    assert.equal(await value(metrics, series), 0, series);
});

test('pipes, links and traffic are read at the scrape: live ones and closed ones add up', async () => {
  const metrics = createMetrics();
  const source = fake();
  metrics.watch(source);
  source.pipes = [
    { state: 'open', client: {}, backend: {}, traffic },
    { state: 'interrupted', client: {}, backend: null, traffic },
  ];
  source.statistics.closedTraffic.messagesToClient = 100;
  assert.equal(await value(metrics, 'holdfast_messages_total{direction="toClient"}'), 104);
  assert.equal(await value(metrics, 'holdfast_message_bytes_total{direction="toBackend"}'), 20);
  assert.equal(await value(metrics, 'holdfast_links{hop="client"}'), 2);
  assert.equal(await value(metrics, 'holdfast_links{hop="backend"}'), 1);
  assert.equal(await value(metrics, 'holdfast_pipes{state="open"}'), 1);
  source.pipes = [];
  assert.equal(await value(metrics, 'holdfast_pipes{state="open"}'), 0);
  assert.equal(await value(metrics, 'holdfast_messages_total{direction="toClient"}'), 100);
});

test('the series of a backend begin when it joins and go when it leaves, for good', async () => {
  const metrics = createMetrics();
  const source = fake();
  metrics.watch(source);
  const reading: BackendReading = {
    id: 'b1',
    adminState: 'enabled',
    health: 'unhealthy',
    usable: true,
    lastCheck: null,
    ejectedUntil: null,
    connections: 3,
  };
  metrics.sink('backend.registered', { ...fields('b1'), weight: 1, maxConnections: null });
  source.registered = [reading];
  assert.equal(await value(metrics, 'holdfast_dials_total{backend="b1",result="tls"}'), 0);
  assert.equal(await value(metrics, 'holdfast_backend_up{backend="b1"}'), 0);
  metrics.sink('backend.attached', { ...pipe, ...fields('b1'), attempt: 1, generation: 1, dialMs: 3 });
  metrics.sink('pipe.restored', { ...pipe, ...fields('b1'), gapMs: 20, attempt: 1, generation: 2, replayed: 0 });
  assert.equal(await value(metrics, 'holdfast_dials_total{backend="b1",result="ok"}'), 1);
  assert.equal(await value(metrics, 'holdfast_failovers_total{backend="b1"}'), 1);
  metrics.sink('backend.checked', { ...fields('b1'), passed: false, detail: '', checkMs: 1 });
  assert.equal(await value(metrics, 'holdfast_backend_checks_total{backend="b1",result="failed"}'), 1);
  assert.equal(await value(metrics, 'holdfast_backend_checks_total{backend="b1",result="passed"}'), 0);
  assert.equal((await seriesOf(metrics, 'backend="b1"')).length, 17);

  source.registered = [];
  metrics.sink('backend.removed', { ...fields('b1'), cause: 'operator', connections: 1 });
  assert.deepEqual(await seriesOf(metrics, 'backend="b1"'), []);
  // Checks and dials that were under way, and pipes that were attached.
  metrics.sink('backend.checked', { ...fields('b1'), passed: true, detail: '', checkMs: 1 });
  metrics.sink('backend.attempt-failed', {
    ...pipe,
    ...fields('b1'),
    attempt: 1,
    failure: 'refused',
    detail: '',
    dialMs: 1,
  });
  metrics.sink('pipe.interrupted', {
    ...pipe,
    ...fields('b1'),
    reason: 'removed',
    journalMessages: 0,
    journalBytes: 0,
  });
  assert.deepEqual(await seriesOf(metrics, 'backend="b1"'), []);
  assert.equal(await value(metrics, 'holdfast_interruptions_total{reason="removed"}'), 1);
});

test('backends that were there before the metrics have series, too', async () => {
  const metrics = createMetrics();
  const source = fake();
  source.registered = [
    {
      id: 'old',
      adminState: 'enabled',
      health: 'healthy',
      usable: true,
      lastCheck: null,
      ejectedUntil: null,
      connections: 0,
    },
  ];
  metrics.watch(source);
  assert.equal(await value(metrics, 'holdfast_failovers_total{backend="old"}'), 0);
  assert.equal(await value(metrics, 'holdfast_backend_up{backend="old"}'), 1);
});

test('labels stay bounded whatever a host throws: an unknown refusal is "other"', async () => {
  const metrics = createMetrics();
  metrics.watch(fake());
  metrics.sink('pipe.refused', { clientIp: '', statusCode: 403, code: 'MY_OWN_CODE' });
  metrics.sink('pipe.refused', { clientIp: '', statusCode: 503, code: 'HOLDFAST_ERR_GATEWAY_FULL' });
  assert.equal(await value(metrics, 'holdfast_pipes_refused_total{code="other"}'), 1);
  assert.equal(await value(metrics, 'holdfast_pipes_refused_total{code="HOLDFAST_ERR_GATEWAY_FULL"}'), 1);
  assert.deepEqual(await seriesOf(metrics, 'MY_OWN_CODE'), []);
});

test('times are in seconds', async () => {
  const metrics = createMetrics();
  metrics.watch(fake());
  metrics.sink('pipe.restored', { ...pipe, ...fields('b'), gapMs: 1500, attempt: 1, generation: 2, replayed: 0 });
  metrics.sink('heartbeat.pong', { ...pipe, hop: 'client', form: 'rfc6455', rttMs: 20 });
  assert.equal(await value(metrics, 'holdfast_interruption_seconds_sum'), 1.5);
  assert.equal(await value(metrics, 'holdfast_interruption_seconds_bucket{le="1"}'), 0);
  assert.equal(await value(metrics, 'holdfast_interruption_seconds_bucket{le="2.5"}'), 1);
  assert.equal(await value(metrics, 'holdfast_heartbeat_rtt_seconds_sum{hop="client"}'), 0.02);
  assert.equal(await value(metrics, 'holdfast_heartbeat_interval_seconds{hop="client"}'), 25);
  assert.equal(await value(metrics, 'holdfast_event_loop_lag_seconds'), 0.003);
});

test('two gateways in one process do not share a registry', async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.watch(fake());
  other.watch(fake());
  one.sink('audit.refused', {
    actorIp: '',
    method: 'GET',
    route: '/',
    statusCode: 401,
    code: 'HOLDFAST_ERR_UNAUTHORIZED',
  });
  one.sink('audit.refused', { actorIp: '', method: 'GET', route: '/', statusCode: 418, code: 'MY_OWN' });
  assert.equal(await value(one, 'holdfast_admin_refused_total{code="HOLDFAST_ERR_UNAUTHORIZED"}'), 1);
  assert.equal(await value(one, 'holdfast_admin_refused_total{code="other"}'), 1);
  assert.equal(await value(other, 'holdfast_admin_refused_total{code="HOLDFAST_ERR_UNAUTHORIZED"}'), 0);
});

test("a host's registry keeps what is the host's when the gateway goes", async () => {
  const registry = new Registry();
  new Counter({ name: 'app_orders_total', help: 'Orders.', registers: [registry] }).inc();
  const metrics = createMetrics({ registry });
  metrics.watch(fake());
  assert.match((await metrics.text()).body, /^app_orders_total 1$/m);
  assert.match((await metrics.text()).body, /^holdfast_ready 1$/m);
  assert.throws(() => createMetrics({ registry }), { code: 'HOLDFAST_ERR_OPTIONS' });
  metrics.dispose();
  metrics.dispose();
  const left = await registry.metrics();
  assert.match(left, /^app_orders_total 1$/m);
  assert.doesNotMatch(left, /holdfast_/);
  createMetrics({ registry }).watch(fake());
});
