import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { startPair } from './failover-scenario.ts';

test('A lone backend that accepts and then drops each connection is not dialled in a spin', async (t) => {
  const gateway = await startGateway(t);
  const backend = await startBackend(t, { record: true, dropAfterOpenMs: 1 });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  await until(() => gateway.eventsOf('pipe.interrupted').length >= 3, { what: 'three drops' });
  const from = performance.now();
  const before = gateway.eventsOf('backend.attempt').length;
  await until(() => performance.now() - from >= 2000, { what: 'two seconds' });
  const dials = gateway.eventsOf('backend.attempt').length - before;
  const { body } = await gateway.admin('GET', '/backends/a');
  const { health, totals } = body as { health: string; totals: { failed: number } };
  assert.equal(health, 'unhealthy');
  assert.ok(totals.failed >= 3, `${totals.failed} counted`);
  // Full jitter between 0 and 50 ms, doubled each time up to 2 s: some ten dials, not eighty.
  assert.ok(dials <= 20, `${dials} dials in two seconds`);
  assert.equal(client.closeInfo, undefined);
  t.diagnostic(`${dials} dials in two seconds`);
});

test('Two backends that both accept and drop are not dialled in a spin, and come back to be used', async (t) => {
  const { a, b, gateway } = await startPair(t, {}, { dropAfterOpenMs: 1 });
  const client = await connect(t, gateway.url);
  await until(() => gateway.eventsOf('pipe.interrupted').length >= 3, { what: 'three drops' });
  const from = performance.now();
  const before = gateway.eventsOf('backend.attempt').length;
  await until(() => performance.now() - from >= 2000, { what: 'two seconds' });
  const dials = gateway.eventsOf('backend.attempt').length - before;
  assert.ok(dials <= 30, `${dials} dials in two seconds`);
  assert.equal(client.closeInfo, undefined);
  await Promise.all([a.kill(), b.kill()]);
  await b.restart({ dropAfterOpenMs: undefined as never });
  client.send('hello');
  await client.waitFor('b:hello', { timeoutMs: 8000 });
  t.diagnostic(`${dials} dials in two seconds`);
});

test('A backend that accepts and crashes is ejected, and its clients stay with the good one', async (t) => {
  const { a, gateway } = await startPair(t);
  await a.set({ dropAfterOpenMs: 1 });
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, gateway.url)));
  await gateway.waitFor('backend.ejected', ({ backendId }) => backendId === 'a');
  await until(() => [...gateway.manager].every((pipe) => pipe.backend?.backend.id === 'b'), { what: 'all on b' });
  await Promise.all(clients.map((client) => client.ask('hello')));
  for (const client of clients) assert.deepEqual(client.texts, ['b:hello']);
  const { body } = await gateway.admin('GET', '/backends/a');
  const { ejectedUntil, health } = body as { ejectedUntil: string | null; health: string };
  assert.equal(health, 'unhealthy');
  assert.notEqual(ejectedUntil, null);
});
