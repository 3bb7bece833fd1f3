/** The end of the primary process is the end of its workers, in good order where it can be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';
import { isAlive, patienceMs, type RunningWorkers, startWorkers } from '../support/workers.ts';

async function connectFour(t: Parameters<typeof connect>[0], { ws }: RunningWorkers): Promise<Client[]> {
  const clients: Client[] = [];
  for (let n = 0; n < 4; n += 1) clients.push(await connect(t, ws));
  return clients;
}

test('SIGTERM: every client of every worker is closed with 1012, no pipe is handed to a worker that ends as well, exit code 0', async (t) => {
  const backend = await startBackend(t);
  const settings = { backends: [backend.url], shutdown: { spreadMs: 200 } };
  const workers = await startWorkers(t, { settings });
  const clients = await connectFour(t, workers);
  const { client: resumable } = await connectResumable(t, workers.ws);
  const pids = [...workers.pids().values()].flat();
  workers.kill('SIGTERM');
  for (const client of [...clients, resumable]) assert.equal((await client.waitClosed(patienceMs)).code, 1012);
  assert.equal(await workers.ended(patienceMs), 0, workers.stderr);
  assert.deepEqual(pids.map(isAlive), [false, false]);
  const closed = workers.log().filter(({ event }) => event === 'pipe.closed');
  assert.deepEqual([...new Set(closed.map((line) => line['reason']))], ['shutdown']);
  assert.equal(workers.log().at(-1)?.msg, 'ended');
});

test('a second signal ends the primary process and all workers at once', async (t) => {
  const backend = await startBackend(t);
  const workers = await startWorkers(t, { settings: { backends: [backend.url], shutdown: { spreadMs: 60_000 } } });
  await connectFour(t, workers);
  const pids = [...workers.pids().values()].flat();
  workers.kill('SIGTERM');
  await until(() => workers.log().some(({ event }) => event === 'gateway.closing'), { timeoutMs: patienceMs });
  workers.kill('SIGTERM');
  assert.equal(await workers.ended(30_000), 1);
  await until(() => !pids.some(isAlive), { timeoutMs: 30_000, what: 'the workers to be gone' });
});

test('SIGKILL of the primary process: the workers close their clients with 1012 and end', async (t) => {
  const backend = await startBackend(t);
  const workers = await startWorkers(t, { settings: { backends: [backend.url], shutdown: { spreadMs: 200 } } });
  const clients = await connectFour(t, workers);
  const pids = [...workers.pids().values()].flat();
  workers.kill('SIGKILL');
  for (const client of clients) assert.equal((await client.waitClosed(patienceMs)).code, 1012);
  await until(() => !pids.some(isAlive), { timeoutMs: patienceMs, what: 'the workers to be gone' });
  assert.equal(workers.log().filter(({ msg }) => msg.startsWith('the primary process is gone')).length, 2);
});
