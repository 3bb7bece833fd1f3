/** Where the heartbeat settings come from: options, config file, environment. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBackend } from '../support/backend-process.ts';
import { cleanEnvironment } from '../support/clean-environment.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const token = 'heartbeat-test-token';

/** The command as a process; answers its address, or what it said when it would not start. */
async function startCommand(
  t: TestContext,
  env: Record<string, string>,
  config?: object,
): Promise<{ readonly http: string | undefined; readonly stderr: string; readonly code: number | null }> {
  const args: string[] = [];
  if (config !== undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-heartbeat-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'holdfast.json');
    writeFileSync(file, JSON.stringify(config));
    args.push('--config', file);
  }
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/server.ts'), ...args], {
    cwd: root,
    env: { ...cleanEnvironment(), HOLDFAST_PORT: '0', HOLDFAST_ADMIN_TOKEN: token, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let stderr = '';
  let code: number | null | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = new Promise<void>((resolve) => {
    child.on('close', (status) => {
      code = status;
      resolve();
    });
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const address = () => /"address":"(http:[^"]+)"/.exec(out)?.[1];
  await until(() => address() !== undefined || code !== undefined, {
    timeoutMs: 20_000,
    what: () => `the command to start\n${out}${stderr}`,
  });
  return { http: address(), stderr, code: code ?? null };
}

async function settingsOf(http: string | undefined): Promise<unknown> {
  assert.ok(http, 'the command listens');
  const response = await fetch(`${http}/config/heartbeat`, { headers: { authorization: `Bearer ${token}` } });
  return response.json();
}

test('The options of the plugin take effect, and what they leave out has its default', async (t) => {
  const gateway = await startGateway(t, {
    heartbeat: { client: { intervalMs: 150, json: 'on' }, backend: { timeoutMs: 40_000 } },
  });
  assert.deepEqual((await gateway.admin('GET', '/config/heartbeat')).body, {
    revision: 1,
    client: { intervalMs: 150, timeoutMs: 450, timeoutSet: false, json: 'on' },
    backend: { intervalMs: 25_000, timeoutMs: 40_000, timeoutSet: true, json: 'off' },
  });
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  await until(() => client.pings.length >= 2, { what: 'pings' });
  await client.waitFor('{"type":"ping"}');
});

test('The config file of the command takes effect', async (t) => {
  const heartbeat = { client: { intervalMs: 7000, timeoutMs: 9000, json: 'off' }, backend: { intervalMs: 0 } };
  const { http } = await startCommand(t, {}, { heartbeat });
  assert.deepEqual(await settingsOf(http), {
    revision: 1,
    client: { intervalMs: 7000, timeoutMs: 9000, timeoutSet: true, json: 'off' },
    backend: { intervalMs: 0, timeoutMs: 0, timeoutSet: false, json: 'off' },
  });
});

test('The environment goes before the file, for both hops, and links are pinged by it', async (t) => {
  const backend = await startBackend(t, { record: true });
  const env = {
    HOLDFAST_HEARTBEAT_INTERVAL_MS: '200',
    HOLDFAST_HEARTBEAT_TIMEOUT_MS: '5000',
    HOLDFAST_BACKENDS: backend.url,
  };
  const { http } = await startCommand(t, env, { heartbeat: { client: { intervalMs: 7000, json: 'off' } } });
  const hop = { intervalMs: 200, timeoutMs: 5000, timeoutSet: true, json: 'off' };
  assert.deepEqual(await settingsOf(http), { revision: 1, client: hop, backend: hop });
  const client = await connect(t, `${http!.replace('http', 'ws')}/ws`);
  await until(() => client.pings.length >= 3 && backend.received()[0]!.pings.length >= 3, {
    what: 'pings at both ends',
  });
});

for (const [what, env, key] of [
  ['an interval out of range', { HOLDFAST_HEARTBEAT_INTERVAL_MS: '50' }, 'HOLDFAST_HEARTBEAT_INTERVAL_MS'],
  ['a timeout that is no number', { HOLDFAST_HEARTBEAT_TIMEOUT_MS: 'soon' }, 'HOLDFAST_HEARTBEAT_TIMEOUT_MS'],
  [
    'a timeout below the interval',
    { HOLDFAST_HEARTBEAT_INTERVAL_MS: '5000', HOLDFAST_HEARTBEAT_TIMEOUT_MS: '1000' },
    'heartbeat.client.timeoutMs',
  ],
] as const) {
  test(`The command does not start with ${what}, and names it in one line`, async (t) => {
    const { http, stderr, code } = await startCommand(t, env);
    assert.equal(http, undefined);
    assert.equal(code, 2);
    assert.ok(stderr.includes(key), stderr);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  });
}
