/** GET /metrics on any worker is that of all, also while one of them does not answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { sleep, until } from '../support/wait.ts';
import { patienceMs, startWorkers } from '../support/workers.ts';

test('counters, gauges and histograms of all workers on one page; a frozen worker is told of, and no counter goes back', async (t) => {
  const backend = await startBackend(t);
  const workers = await startWorkers(t, { settings: { backends: [{ url: backend.url, id: 'a' }] } });
  const clients: Client[] = [];
  for (let n = 0; n < 6; n += 1) clients.push(await connect(t, workers.ws));
  await Promise.all(clients.map((client) => client.ask('hello')));
  // Who does not answer within a second is left out.
  const pageOf = async (count: number, ask: () => Promise<Map<string, number>>) => {
    let page = new Map<string, number>();
    const isOf = async () => {
      page = await ask();
      return page.get('holdfast_workers_answered') === count;
    };
    await until(isOf, { timeoutMs: patienceMs, what: `a page of ${count} workers` });
    return page;
  };
  const first = await pageOf(2, workers.metrics);
  const shown = (page: Map<string, number>, names: readonly string[]) => names.map((name) => page.get(name));
  const names = [
    'holdfast_pipes{state="open"}',
    'holdfast_pipes_opened_total',
    'holdfast_messages_total{direction="toBackend"}',
    'holdfast_dial_seconds_count',
    'holdfast_dial_seconds_bucket{le="+Inf"}',
    'holdfast_backend_connections{backend="a"}',
    'holdfast_backends{state="usable"}',
    'holdfast_ready',
    'holdfast_cluster_up',
    'holdfast_cluster_gateways',
    'holdfast_workers',
    'holdfast_workers_answered',
    'holdfast_worker_restarts_total',
  ];
  assert.deepEqual(shown(first, names), [6, 6, 6, 6, 6, 6, 1, 1, 1, 2, 2, 2, 0]);
  assert.equal([...first.keys()].filter((name) => name.startsWith('holdfast_build_info')).length, 1);

  const pid = workers.pidOf(2);
  const ofFrozen = workers.log().filter((line) => line.event === 'pipe.opened' && line['worker'] === 2).length;
  process.kill(pid, 'SIGSTOP');
  // A connection that is handed to the frozen worker waits there, so the scrape that is answered may be a later one.
  const none = new Map<string, number>();
  const partial = await pageOf(1, () => Promise.race([workers.metrics(), sleep(2000).then(() => none)]));
  assert.deepEqual(shown(partial, ['holdfast_workers', 'holdfast_pipes{state="open"}']), [2, 6 - ofFrozen]);
  assert.deepEqual(shown(partial, names.slice(1, 5)), [6, 6, 6, 6], 'counters stay');
  process.kill(pid, 'SIGCONT');
  await pageOf(2, workers.metrics);

  // What is gone with the backend is gone for the dead worker's figures as well.
  process.kill(pid, 'SIGKILL');
  await workers.replaced(2, pid);
  assert.equal((await workers.admin('DELETE', '/backends/a?mode=force')).status, 204);
  await until(async () => ![...(await workers.metrics()).keys()].some((name) => name.includes('backend="a"')), {
    timeoutMs: patienceMs,
    what: 'the series of the backend to be gone',
  });
  assert.equal((await workers.metrics()).get('holdfast_pipes_opened_total'), 6);
});
