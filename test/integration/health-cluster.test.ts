/** Several gateways: each asks the backends for itself, and tells the others how many would send a pipe there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendView } from '../../src/pool/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { startCluster } from '../support/cluster.ts';
import { until } from '../support/wait.ts';

test('each gateway judges a backend by checks of its own, also one that was registered at another', async (t) => {
  const backend = await startBackend(t, { healthStatus: 503 });
  const health = { kind: 'http', path: '/', intervalMs: 100, rise: 1, fall: 2 } as const;
  const gateways = await startCluster(t, 2, { pool: { health } });
  await gateways[0]!.admin('POST', '/backends', { id: 'a', url: backend.url });
  await Promise.all(gateways.map((gateway) => gateway.waitFor('backend.unhealthy')));
  const seen = async (): Promise<BackendView[]> =>
    Promise.all(gateways.map(async (gateway) => (await gateway.admin('GET', '/backends/a')).body as BackendView));
  for (const view of await seen()) {
    assert.deepEqual([view.health, view.usable, view.fleet?.gateways, view.fleet?.usable], ['unhealthy', false, 2, 0]);
    assert.equal(view.lastCheck?.detail, '503 Service Unavailable');
  }
  backend.set({ healthStatus: 200 });
  await until(async () => (await seen()).every(({ health, fleet }) => health === 'healthy' && fleet?.usable === 2), {
    what: 'both to find it healthy',
  });
  for (const gateway of gateways) assert.equal(gateway.eventsOf('backend.unhealthy').length, 1);
});
