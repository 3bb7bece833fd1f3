/** A real Prometheus, with the configuration and the alerts of deploy/, scrapes a real gateway through a failover. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

/** Prometheus with deploy/prometheus/prometheus.yml, only faster and pointed at the gateway. */
async function startPrometheus(t: TestContext, target: string) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-prometheus-'));
  const token = join(folder, 'token');
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
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(child, 'exit');
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const address = () => /msg="Listening on".* address=(127\.0\.0\.1:\d+)/.exec(log)?.[1];
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  });
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://${address()}/api/v1/${path}`);
    const answer = (await response.json()) as Answer<T>;
    assert.equal(answer.status, 'success', JSON.stringify(answer));
    return answer.data;
  };
  const ready = async () => child.exitCode !== null || (await fetch(`http://${address()}/-/ready`)).ok;
  await until(ready, { timeoutMs: 60_000, what: () => `Prometheus to be ready; it says ${log}` });
  assert.equal(child.exitCode, null, log);
  /** Value of a query with one result; null = there is none, which a single scrape that came too late brings about as well. */
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
      { timeoutMs: 40_000, intervalMs: 100, what: () => `${text} to be ${expected}; it is ${last}; log: ${log}` },
    );
  };
  return { get, waitFor };
}

test('Prometheus sees clients, heartbeats, a failover and the removal of a backend', async (t) => {
  if (!needDebianPackages(t, 'prometheus')) return;
  const backends = { a: await startBackend(t, { tag: 'a' }), b: await startBackend(t, { tag: 'b' }) };
  const gateway = await startGateway(t, {
    backends: [{ url: backends.a.url, id: 'a' }],
    // Asks often, and takes nobody who is slow to answer for dead.
    heartbeat: { client: { intervalMs: 100, timeoutMs: 60_000 }, backend: { intervalMs: 100, timeoutMs: 60_000 } },
  });
  const prometheus = await startPrometheus(t, `127.0.0.1:${gateway.port}`);
  await prometheus.waitFor('up{job="holdfast"}', 1);
  // Before anything has happened: 0, so that a rate sees the first event.
  await prometheus.waitFor('sum(holdfast_interruptions_total)', 0);
  await prometheus.waitFor('holdfast_pipes_opened_total', 0);

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
  await gateway.waitFor('pipe.restored', undefined, 30_000);
  assert.equal(String((await client.ask('still there')).data), 'b:still there');
  await prometheus.waitFor('holdfast_interruptions_total{reason="lost"}', 1);
  await prometheus.waitFor('holdfast_failovers_total{backend="b"}', 1);
  await prometheus.waitFor('holdfast_interruption_seconds_count', 1);
  await prometheus.waitFor('sum(holdfast_dials_total{result="ok"})', 2);
  await prometheus.waitFor('sum(holdfast_pipes_closed_total)', 0);

  await gateway.admin('DELETE', '/backends/a?mode=force');
  await prometheus.waitFor('holdfast_pool_changes_total{change="removed"}', 1);
  await prometheus.waitFor('count(holdfast_dials_total{backend="a"}) or vector(0)', 0);

  interface Rules {
    readonly groups: { readonly rules: { readonly name: string; readonly health: string }[] }[];
  }
  let rules: Rules['groups'][number]['rules'] = [];
  // Each of them was evaluated.
  const known = async () => {
    rules = (await prometheus.get<Rules>('rules')).groups.flatMap((group) => group.rules);
    return rules.every(({ health }) => health !== 'unknown');
  };
  await until(known, { timeoutMs: 40_000, what: () => JSON.stringify(rules) });
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
