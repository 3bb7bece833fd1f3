/** A machine whose workers all end, beside another one on the same Redis: its sessions go on there. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { HoldfastOptions } from '../../src/options.ts';
import { type BackendProcess, startBackend } from '../support/backend-process.ts';
import { startGatewayProcess } from '../support/cluster-process.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { startRedis } from '../support/redis-server.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';
import { cluster, isAlive, patienceMs, type RunningWorkers, startWorkers } from '../support/workers.ts';

interface Scene {
  readonly workers: RunningWorkers;
  readonly backend: BackendProcess;
  readonly clients: readonly ResumingClient[];
  /** New connections go to the other machine from now on. */
  switchOver(): void;
}

const settings = {
  drain: { quietMs: 50, tailMs: 500 },
  shutdown: { spreadMs: 200 },
  cluster,
} satisfies HoldfastOptions;

/** Four clients, so that each worker has some. */
async function setUp(t: TestContext): Promise<Scene> {
  const { url } = await startRedis(t);
  const backend = await startBackend(t, { tag: 'a', record: true });
  const workers = await startWorkers(t, { settings, env: { HOLDFAST_REDIS_URL: url, HOLDFAST_BACKENDS: backend.url } });
  const other = await startGatewayProcess(t, url, { ...settings, admin: false });
  const relay = await startRelay(t, { targetPort: Number(new URL(workers.http).port) });
  const clients: ResumingClient[] = [];
  for (let n = 0; n < 4; n += 1) {
    const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`, { timeoutMs: patienceMs });
    await client.opened();
    clients.push(client);
  }
  return { workers, backend, clients, switchOver: () => relay.retarget(other.port) };
}

const numbersOf = (texts: readonly string[], of: string) =>
  texts.flatMap((text) => {
    const read = readNumbered(text);
    return read?.prefix === of ? [read.n] : [];
  });

for (const [signal, what] of [
  ['SIGTERM', 'the primary is told to end'],
  ['SIGKILL', 'the primary is killed'],
] as const) {
  test(`${what}: every session goes on at the other machine, nothing is lost or twice in either direction`, async (t) => {
    if (!needDebianPackages(t, 'redis-server')) return;
    const { workers, backend, clients, switchOver } = await setUp(t);
    const pids = [...workers.pids().values()].flat();
    const pipes = clients.map(({ pipe }) => pipe);
    let sent = 0;
    const sending = setInterval(() => {
      sent += 1;
      for (const [of, client] of clients.entries()) client.send(numberedText(sent, 300, `c${of}`));
    }, 10);
    t.after(() => clearInterval(sending));
    await until(() => clients.every(({ texts }) => texts.length > 20), {
      timeoutMs: patienceMs,
      what: '20 answers each',
    });
    switchOver();
    workers.kill(signal);
    await until(() => clients.every(({ resumes, isOpen }) => resumes > 0 && isOpen), {
      timeoutMs: patienceMs,
      what: () => `all to resume: ${JSON.stringify(clients.map(({ resumes, lost }) => ({ resumes, lost })))}`,
    });
    clearInterval(sending);
    for (const [at, client] of clients.entries()) {
      await client.delivered();
      const of = `c${at}`;
      await until(() => numbersOf(client.texts, of).includes(sent), { timeoutMs: patienceMs, what: 'the last answer' });
      const clean = { received: sent, missing: [], duplicated: [], outOfOrder: [] };
      assert.deepEqual(audit(numbersOf(backend.receivedTexts(), of), sent), clean, `up, ${of}`);
      assert.deepEqual(audit(numbersOf(client.texts, of), sent), clean, `down, ${of}`);
      assert.deepEqual([client.lost, client.pipe], [[], pipes[at]]);
    }
    if (signal === 'SIGTERM') assert.equal(await workers.ended(patienceMs), 0, workers.stderr);
    await until(() => !pids.some(isAlive), { timeoutMs: patienceMs, what: 'the workers to be gone' });
  });
}
