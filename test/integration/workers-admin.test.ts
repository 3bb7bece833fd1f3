/** The admin port, and what the admin tokens are, with several workers. */
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';
import { patienceMs, startWorkers } from '../support/workers.ts';

/** Status, and the gateway that answered. */
function ask(path: string, token: string): Promise<{ status: number; by: string | undefined }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    request({ socketPath: path, path: '/gateways', headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (more) => {
        text += String(more);
      });
      response.on('end', () => {
        const { gateways = [] } = JSON.parse(text) as { gateways?: { name: string; self: boolean }[] };
        resolve({ status: response.statusCode ?? 0, by: gateways.find(({ self }) => self)?.name });
      });
    })
      .on('error', reject)
      .end();
  });
}

test('workers share a Unix socket for the admin API, also one that a killed process has left behind, and SIGHUP replaces the tokens of all', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'admin.sock');
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'first-token');
  const order = {
    settings: { admin: { listen: { path } } },
    env: { HOLDFAST_ADMIN_READ_TOKEN_FILE: tokenFile },
    known: async () => (await ask(path, 'first-token')).status === 200,
  };
  const killed = await startWorkers(t, order);
  killed.kill('SIGKILL');
  await killed.ended();
  assert.ok(statSync(path).isSocket(), 'it is left behind');

  const workers = await startWorkers(t, order);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const answers = [await ask(path, 'first-token'), await ask(path, 'first-token')];
  assert.deepEqual(answers.map(({ by }) => by).sort(), ['gateway-1', 'gateway-2']);

  writeFileSync(tokenFile, 'second-token');
  workers.kill('SIGHUP');
  const reloads = () => workers.log().filter(({ msg }) => msg === 'the admin tokens were read anew');
  await until(() => reloads().length === 2, {
    timeoutMs: patienceMs,
    what: () => `both to have read them\n${workers.stdout}`,
  });
  for (const _turn of [1, 2]) {
    assert.equal((await ask(path, 'second-token')).status, 200);
    assert.equal((await ask(path, 'first-token')).status, 401);
  }
  // One that is started later has them as well.
  const pid = workers.pidOf(1);
  process.kill(pid, 'SIGKILL');
  await workers.replaced(1, pid);
  await until(async () => (await ask(path, 'second-token')).by === 'gateway-1', { timeoutMs: patienceMs });
  assert.doesNotMatch(workers.stdout + workers.stderr, /(first|second)-token/);
});
