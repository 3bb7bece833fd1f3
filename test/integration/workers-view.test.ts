/** Whichever worker answers a request to the admin API, it is the answer of all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditView } from '../../src/observe/audit-trail.ts';
import type { StatsView } from '../../src/observe/stats.ts';
import type { PipePage } from '../../src/pipe/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { startWorkers } from '../support/workers.ts';

test('pipes, statistics and the audit are those of all workers, and a pipe is closed wherever it is', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const workers = await startWorkers(t, { count: 3, settings: { backends: [backend.url] } });
  const clients: Client[] = [];
  for (let n = 0; n < 6; n += 1) clients.push(await connect(t, workers.ws));
  const list = async () => (await workers.admin('GET', '/pipes')).body as PipePage;
  const first = await list();
  assert.equal(new Set(first.pipes.map(({ gateway }) => gateway)).size, 3, 'each worker has some of the clients');
  // Each request is a connection of its own, so the workers answer in turn.
  for (const _turn of [1, 2, 3]) {
    const { pipes, total, partial, missing } = await list();
    assert.deepEqual([total, partial, missing], [6, false, []]);
    assert.deepEqual(
      pipes.map(({ id }) => id),
      first.pipes.map(({ id }) => id),
    );
    const stats = (await workers.admin('GET', '/stats')).body as StatsView;
    assert.deepEqual([stats.pipes.total, stats.totals.opened, stats.gateways?.length], [6, 6, 3]);
  }
  for (const { id } of first.pipes) assert.equal((await workers.admin('DELETE', `/pipes/${id}`)).status, 204);
  for (const client of clients) assert.equal((await client.closed).code, 1000);
  for (const _turn of [1, 2, 3]) {
    const { changes } = (await workers.admin('GET', '/audit')).body as AuditView;
    assert.equal(changes.filter(({ action }) => action === 'closePipe').length, 6);
  }
});
