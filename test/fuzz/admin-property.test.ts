/**
 * Whatever a caller of the admin API sends, right or wrong: no 5xx but the documented 503, and every answer is one that the OpenAPI document has.
 * HOLDFAST_ADMIN_RUNS=20000 npm test admin-property; a failure prints its seed and path: HOLDFAST_ADMIN_SEED, HOLDFAST_ADMIN_PATH.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Client, connect } from '../support/client.ts';
import { adminToken } from '../support/gateway.ts';
import { anyRequest } from './admin-requests.ts';
import { type AdminStage, prefix, readToken, startAdminStage } from './admin-stage.ts';

const { HOLDFAST_ADMIN_RUNS, HOLDFAST_ADMIN_SEED, HOLDFAST_ADMIN_PATH } = process.env;
const runs = Number(HOLDFAST_ADMIN_RUNS ?? 800);

/** @returns sees to it that there is a client, and not more backends than a few. */
function tidier(t: TestContext, { gateway, backend }: AdminStage): () => Promise<void> {
  let client: Client | undefined;
  let steady = 0;
  return async () => {
    for (const { id } of gateway.manager.backends().slice(6)) gateway.manager.removeBackend(id, { mode: 'force' });
    if (gateway.manager.size > 0) return;
    client?.terminate();
    steady += 1;
    const { url } = backend;
    const id = `steady-${steady}`;
    if (!gateway.manager.backends().some((one) => one.usable && one.url.startsWith(url)))
      gateway.manager.registerBackend({ id, url: `${url}/${steady}` });
    client = await connect(t, gateway.url);
  };
}

test('every answer to random requests is a documented one', async (t) => {
  const stage = await startAdminStage(t, {
    failover: { maxInterruptionMs: 2000, handshakeWaitMs: 50 },
    drain: { timeoutMs: 500, tailMs: 50, quietMs: 20 },
    closing: { handshakeMs: 100, lingerMs: 100 },
  });
  const { gateway, backend, routes } = stage;
  assert.ok(routes.length >= 20, `${routes.length} routes`);
  const tidy = tidier(t, stage);
  // Nobody listens at port 9 of this machine.
  const urls = [
    backend.url,
    `${backend.url}/other`,
    'ws://127.0.0.1:9',
    'wss://localhost:9/x?y=z',
    'http://127.0.0.1',
    'ws://a b',
  ];
  const asked = new Set<string>();
  let at = 0;
  const property = fc.asyncProperty(
    anyRequest(routes, { urls, tokens: [adminToken, readToken] }),
    fc.constantFrom('as it is', 'as it is', 'as it is', 'no usable backend'),
    async (request, pool) => {
      at += 1;
      await tidy();
      const { manager } = gateway;
      const disabled =
        pool === 'as it is' ? [] : manager.backends().filter(({ adminState }) => adminState === 'enabled');
      for (const { id } of disabled) manager.updateBackend(id, { adminState: 'disabled' });
      // Callers with a wrong token are held back by their address.
      const { problem } = await stage.ask(request, `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`);
      assert.equal(problem, undefined, `${request.method} ${request.url}: ${problem}`);
      asked.add(`${request.route.method} ${request.route.path}`);
      for (const { id } of disabled)
        if (manager.backends().some((one) => one.id === id)) manager.updateBackend(id, { adminState: 'enabled' });
    },
  );
  await fc.assert(property, {
    numRuns: runs,
    interruptAfterTimeLimit: Math.max(100_000, 60 * runs),
    markInterruptAsFailure: true,
    ...(HOLDFAST_ADMIN_SEED === undefined ? {} : { seed: Number(HOLDFAST_ADMIN_SEED) }),
    ...(HOLDFAST_ADMIN_PATH === undefined ? {} : { path: HOLDFAST_ADMIN_PATH }),
  });
  assert.equal(asked.size, routes.length, 'every route was asked');
  assert.equal((await gateway.admin('GET', `${prefix}/livez`)).status, 200);
});
