import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertNobodyIn, behindProxy, limited } from './limits-scenario.ts';

for (const [what, limits, limit, statuses] of [
  ['maxPipes', { maxPipes: 3 }, 'pipes', [101, 101, 101, 101, 101, 503, 503]],
  ['maxPipesPerAddress', { maxPipesPerAddress: 2 }, 'pipes-per-address', [101, 101, 101, 429, 429]],
] as const) {
  test(`limits.${what}: clients that were replaced and do not answer their Close may fill it twice, not more; one that answers is always replaced`, async (t) => {
    const backend = await startBackend(t);
    const gateway = await startGateway(t, {
      ...behindProxy,
      backends: [backend.url],
      onDuplicateClient: 'replace',
      path: '/ws/:clientId',
      closing: { handshakeMs: 60_000 },
      limits,
    });
    const headers = { 'x-forwarded-for': '203.0.113.1' };
    for (let n = 0; n < 8; n += 1) await (await connect(t, `${gateway.url}/polite`, { headers })).ask('hello');
    await until(() => gateway.manager.entrance.pipes === 1, { what: 'those that were replaced to be gone' });
    const silent = [];
    const seen: number[] = [];
    for (const _ of statuses) {
      const client = await openRaw(t, { port: gateway.port, path: '/ws/same', headers, halfOpen: true });
      seen.push((await client.response()).status);
      silent.push(client);
    }
    assert.deepEqual(seen, statuses, 'the polite one is in as well');
    assert.equal(await limited(gateway, limit), seen.filter((status) => status !== 101).length);
    for (const client of silent) client.destroy();
    for (const { id } of gateway.manager) gateway.manager.closePipe(id);
    await assertNobodyIn(gateway);
  });
}
