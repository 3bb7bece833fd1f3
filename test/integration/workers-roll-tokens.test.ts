/** The admin tokens beside SIGUSR2: those that were read last count, whatever becomes of the replacement, and a revoked one never returns. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';
import {
  begun,
  cluster,
  inWorkers,
  patienceMs,
  type RunningWorkers,
  startWorkers,
  tellsStart,
  untilBegun,
} from '../support/workers.ts';

/** What four requests in turn are answered, so that each worker has its turn. */
async function statuses({ http }: RunningWorkers, token: string): Promise<number[]> {
  const headers = { authorization: `Bearer ${token}`, connection: 'close' };
  const ask = async () => (await fetch(`${http}/gateways`, { headers })).status;
  return [await ask(), await ask(), await ask(), await ask()];
}
const all = (status: number): number[] => [status, status, status, status];

async function said(workers: RunningWorkers, text: string): Promise<void> {
  const what = () => `${text}\n${workers.stdout}`;
  await until(() => workers.log().some(({ msg }) => msg.startsWith(text)), { timeoutMs: patienceMs, what });
}

async function killed(workers: RunningWorkers, worker: number): Promise<void> {
  const pid = workers.pidOf(worker);
  process.kill(pid, 'SIGKILL');
  await workers.replaced(worker, pid);
  const what = () => `two workers\n${workers.stdout}`;
  await until(async () => (await workers.gateways()).length === 2, { timeoutMs: patienceMs, what });
}

test('a token taken back by SIGHUP while workers are replaced counts no more, whether that fails or not', async (t) => {
  const tokenFile = join(temporaryFolder(t), 'token');
  writeFileSync(tokenFile, 'first-token');
  const node = inWorkers(t, tellsStart);
  const workers = await startWorkers(t, { node, env: { HOLDFAST_ADMIN_READ_TOKEN_FILE: tokenFile } });

  // Only a worker that starts finds out that this route is taken.
  writeFileSync(workers.file, JSON.stringify({ cluster, path: '/backends' }));
  workers.kill('SIGUSR2');
  await untilBegun(workers, 3);
  writeFileSync(tokenFile, 'second-token');
  workers.kill('SIGHUP');
  await said(workers, 'the workers stay as they are');
  await killed(workers, 1);
  assert.deepEqual(await statuses(workers, 'first-token'), all(401));
  assert.deepEqual(await statuses(workers, 'second-token'), all(200));

  writeFileSync(workers.file, JSON.stringify({ cluster }));
  const count = begun(workers).length;
  workers.kill('SIGUSR2');
  await untilBegun(workers, count + 1);
  writeFileSync(tokenFile, 'third-token');
  workers.kill('SIGHUP');
  await said(workers, 'all workers were replaced');
  assert.deepEqual(await statuses(workers, 'second-token'), all(401));
  assert.deepEqual(await statuses(workers, 'third-token'), all(200));
});

test('tokens that come with SIGUSR2 count at once, and stay where the settings cannot be used or name none any more', async (t) => {
  const tokens = (token: string) => ({ tokens: [{ name: 'somebody', role: 'write', token }] });
  const workers = await startWorkers(t, { settings: { admin: tokens('command-test-token') }, withoutToken: true });
  const settings = { cluster, path: '/backends', admin: tokens('second-token') };
  writeFileSync(workers.file, JSON.stringify(settings));
  workers.kill('SIGUSR2');
  await said(workers, 'the workers stay as they are');
  assert.deepEqual(await statuses(workers, 'command-test-token'), all(401));
  assert.deepEqual(await statuses(workers, 'second-token'), all(200));

  writeFileSync(workers.file, JSON.stringify({ cluster }));
  workers.kill('SIGUSR2');
  await said(workers, 'SIGUSR2: the admin tokens stay as they are: there are none in the settings');
  await said(workers, 'all workers were replaced');
  assert.deepEqual(await statuses(workers, 'command-test-token'), all(401));
  assert.deepEqual(await statuses(workers, 'second-token'), all(200));
  workers.kill('SIGHUP');
  await said(workers, 'SIGHUP: the admin tokens stay as they are: there are none in the settings');
});
