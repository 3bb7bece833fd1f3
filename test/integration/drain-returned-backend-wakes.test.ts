import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { sleep, until } from '../support/wait.ts';

/** Clients whose only backend is gone, with so long a backoff that only being woken brings them back soon. */
async function startLost(t: Owner, backoff: (attempt: number) => number) {
  const gateway = await startGateway(t, { backoff });
  const backend = await startBackend(t, { tag: 'a' });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(t, gateway.url)));
  await sleep(100);
  await backend.kill();
  await until(() => gateway.eventsOf('backend.awaited').length >= 10, { what: 'all to wait' });
  return { gateway, backend, clients };
}

test('regression: a backend that was removed and is registered again gets the pipes that wait at once', async (t) => {
  const { gateway, backend, clients } = await startLost(t, () => 20_000);
  await gateway.admin('DELETE', '/backends/a?mode=force');
  const back = await backend.restart();
  const from = performance.now();
  await gateway.admin('POST', '/backends', { id: 'a', url: back.url });
  const answers = await Promise.all(clients.map((client) => client.ask('hello')));
  assert.ok(answers.every(({ text }) => text === 'a:hello'));
  assert.ok(performance.now() - from < 3000);
});

test('regression: a backend that is enabled again too', async (t) => {
  const { gateway, backend, clients } = await startLost(t, () => 20_000);
  await gateway.admin('PATCH', '/backends/a', { adminState: 'disabled' });
  await backend.restart();
  await gateway.admin('PATCH', '/backends/a', { adminState: 'enabled' });
  await Promise.all(clients.map((client) => client.ask('hello')));
});

test('regression: one that has recovered wakes those who had tried it in vain', async (t) => {
  let waits = 0;
  // The first looks again soon, until the backend is up; with its link a second old the backend is known to be well.
  const { backend, clients, gateway } = await startLost(t, () => {
    waits += 1;
    return waits === 1 || waits > 10 ? 50 : 20_000;
  });
  await backend.restart();
  await gateway.waitFor('backend.recovered');
  const answers = await Promise.all(clients.map((client) => client.ask('hello')));
  assert.ok(answers.every(({ text }) => text === 'a:hello'));
});
