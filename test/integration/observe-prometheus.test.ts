/** A real Prometheus, with the configuration and the alerts of deploy/, scrapes a real gateway through a failover. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { adminToken, startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

const deployed = (name: string) => new URL(`../../deploy/prometheus/${name}`, import.meta.url);

interface Answer<T> {
  readonly status: string;
  readonly data: T;
}
interface Sample {
  readonly metric: Record<string, string>;
  readonly value: [number, string];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Prometheus with deploy/prometheus/prometheus.yml, only faster and pointed at the gateway. */
async function startPrometheus(t: TestContext, target: string) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-prometheus-'));
  const token = join(folder, 'token');
  const port = await freePort();
  const config = (await readFile(deployed('prometheus.yml'), 'utf8'))
    .replace('127.0.0.1:8080', target)
    .replace('/etc/prometheus/holdfast-token', token)
    .replaceAll('_interval: 15s', '_interval: 200ms');
  await writeFile(token, adminToken, { mode: 0o600 });
  await writeFile(join(folder, 'prometheus.yml'), config);
  await copyFile(deployed('alerts.yml'), join(folder, 'alerts.yml'));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(child, 'exit');
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = `${log}${text}`.slice(-4000);
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  });
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const answer = (await response.json()) as Answer<T>;
    assert.equal(answer.status, 'success', JSON.stringify(answer));
    return answer.data;
  };
  const ready = () =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => child.exitCode !== null,
    );
  await until(ready, { timeoutMs: 20_000, what: () => `Prometheus to be ready; it says ${log}` });
  assert.equal(child.exitCode, null, log);
  /** Value of a query with one result; null = there is none. */
  const query = async (text: string): Promise<number | null> => {
    const { result } = await get<{ result: Sample[] }>(`query?query=${encodeURIComponent(text)}`);
    return result[0] === undefined ? null : Number(result[0].value[1]);
  };
  const waitFor = async (text: string, expected: number): Promise<void> => {
    let last: number | null = null;
    await until(
      async () => {
        last = await query(text);
        return last === expected;
      },
      { timeoutMs: 15_000, intervalMs: 100, what: () => `${text} to be ${expected}; it is ${last}; log: ${log}` },
    );
  };
  return { get, query, waitFor };
}

test('Prometheus sees clients, heartbeats, a failover and the removal of a backend', async (t) => {
  if (!needDebianPackages(t, 'prometheus')) return;
  const backends = { a: await startBackend(t, { tag: 'a' }), b: await startBackend(t, { tag: 'b' }) };
  const gateway = await startGateway(t, {
    backends: [{ url: backends.a.url, id: 'a' }],
    heartbeat: { client: { intervalMs: 100 }, backend: { intervalMs: 100 } },
  });
  const prometheus = await startPrometheus(t, `127.0.0.1:${gateway.port}`);
  await prometheus.waitFor('up{job="holdfast"}', 1);
  // Before anything has happened: 0, so that a rate sees the first event.
  assert.equal(await prometheus.query('sum(holdfast_interruptions_total)'), 0);
  assert.equal(await prometheus.query('holdfast_pipes_opened_total'), 0);

  const client = await connect(t, gateway.url);
  assert.equal(String((await client.ask('hello')).data), 'a:hello');
  await prometheus.waitFor('holdfast_pipes{state="open"}', 1);
  await prometheus.waitFor('sum(holdfast_messages_total)', 2);
  await prometheus.waitFor('holdfast_backend_connections{backend="a"}', 1);
  await prometheus.waitFor('holdfast_heartbeats_answered_total{hop="client"} > bool 2', 1);
  await prometheus.waitFor('sum(holdfast_heartbeat_rtt_seconds_count{hop="backend"}) > bool 2', 1);

  await gateway.admin('POST', '/backends', { url: backends.b.url, id: 'b' });
  await prometheus.waitFor('holdfast_backends{state="usable"}', 2);
  backends.a.kill();
  await gateway.waitFor('pipe.restored');
  assert.equal(String((await client.ask('still there')).data), 'b:still there');
  await prometheus.waitFor('holdfast_interruptions_total{reason="lost"}', 1);
  await prometheus.waitFor('holdfast_failovers_total{backend="b"}', 1);
  await prometheus.waitFor('holdfast_interruption_seconds_count', 1);
  await prometheus.waitFor('sum(holdfast_dials_total{result="ok"})', 2);
  assert.equal(await prometheus.query('holdfast_pipes_closed_total != 0'), null);

  await gateway.admin('DELETE', '/backends/a?mode=force');
  await prometheus.waitFor('holdfast_pool_changes_total{change="removed"}', 1);
  await prometheus.waitFor('count(holdfast_dials_total{backend="a"}) or vector(0)', 0);

  const { groups } = await prometheus.get<{ groups: { rules: { name: string; health: string }[] }[] }>('rules');
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length >= 6);
  for (const { name, health } of rules) assert.equal(health, 'ok', name);
});

test('Prometheus with a wrong token is refused, counted, and told as down', async (t) => {
  if (!needDebianPackages(t, 'prometheus')) return;
  const gateway = await startGateway(t, { admin: { auth: { tokens: ['another-token-entirely'] } } });
  const prometheus = await startPrometheus(t, `127.0.0.1:${gateway.port}`);
  await prometheus.waitFor('up{job="holdfast"}', 0);
  await gateway.waitFor('audit.refused', ({ route }) => route === '/metrics');
});
