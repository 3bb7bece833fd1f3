/** Workers of two machines on one Redis: each worker is a gateway of all, and the metrics are those of its own machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';
import { startWorkers } from '../support/workers.ts';

test('two commands with two workers each are four gateways with one pool; /metrics adds up the two of the command', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const backend = await startBackend(t, { tag: 'a' });
  const redis = await startRedis(t);
  const env = (name: string) => ({ HOLDFAST_REDIS_URL: redis.url, HOLDFAST_GATEWAY_NAME: name });
  const east = await startWorkers(t, { env: env('east') });
  const all = async (): Promise<string[]> => {
    const { body } = await east.admin('GET', '/gateways');
    return (body as { gateways: { name: string }[] }).gateways.map(({ name }) => name).sort();
  };
  // Each request may reach another worker, and each hears of the others with its own beat.
  const known = async () => (await Promise.all([all(), all(), all(), all()])).every(({ length }) => length === 4);
  const west = await startWorkers(t, { env: env('west'), known });
  await until(known);
  assert.deepEqual(await all(), ['east-1', 'east-2', 'west-1', 'west-2']);
  assert.equal((await east.admin('POST', '/backends', { url: backend.url, id: 'a' })).status, 201);
  for (const _turn of [1, 2]) {
    await until(
      async () => ((await west.admin('GET', '/backends')).body as { backends: unknown[] }).backends.length === 1,
    );
    assert.equal((await (await connect(t, west.ws)).ask('x')).text, 'a:x');
  }
  const [ofEast, ofWest] = [await east.metrics(), await west.metrics()];
  const opened = 'holdfast_pipes_opened_total';
  assert.deepEqual([ofEast.get(opened), ofWest.get(opened)], [0, 2]);
  assert.deepEqual([ofEast.get('holdfast_cluster_gateways'), ofWest.get('holdfast_workers_answered')], [4, 2]);
});
