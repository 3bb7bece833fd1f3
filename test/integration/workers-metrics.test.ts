/** GET /metrics on any worker is that of all, also while one of them does not answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { startWorkers } from '../support/workers.ts';

test('counters, gauges and histograms of all workers on one page; a frozen worker is told of, and no counter goes back', async (t) => {
  const backend = await startBackend(t);
  const workers = await startWorkers(t, { settings: { backends: [{ url: backend.url, id: 'a' }] } });
  const clients: Client[] = [];
  for (let n = 0; n < 6; n += 1) clients.push(await connect(t, workers.ws));
  await Promise.all(clients.map((client) => client.ask('hello')));
  const first = await workers.metrics();
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
  const begun = performance.now();
  let partial = first;
  // A connection that is handed to the frozen worker waits there, so the scrape that is answered may be a later one.
  await until(
    async () => {
      partial = await Promise.race([
        workers.metrics(),
        new Promise<Map<string, number>>((resolve) => setTimeout(resolve, 2000, new Map())),
      ]);
      return partial.size > 0;
    },
    { timeoutMs: 10_000, what: 'a page' },
  );
  assert.ok(performance.now() - begun < 8000);
  assert.deepEqual(shown(partial, ['holdfast_workers', 'holdfast_workers_answered', 'holdfast_pipes{state="open"}']), [
    2,
    1,
    6 - ofFrozen,
  ]);
  assert.deepEqual(shown(partial, names.slice(1, 5)), [6, 6, 6, 6], 'counters stay');
  process.kill(pid, 'SIGCONT');
  await until(async () => (await workers.metrics()).get('holdfast_workers_answered') === 2);

  // What is gone with the backend is gone for the dead worker's figures as well.
  process.kill(pid, 'SIGKILL');
  await workers.replaced(2, pid);
  assert.equal((await workers.admin('DELETE', '/backends/a?mode=force')).status, 204);
  await until(async () => ![...(await workers.metrics()).keys()].some((name) => name.includes('backend="a"')), {
    what: 'the series of the backend to be gone',
  });
  assert.equal((await workers.metrics()).get('holdfast_pipes_opened_total'), 6);
});
