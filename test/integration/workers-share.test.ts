/** Several worker processes are one gateway: one port, one pool, one configuration, one admin token. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendPage } from '../../src/pool/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { patienceMs, startWorkers } from '../support/workers.ts';

test('both workers serve the one port, and what is registered or set through one of them holds for the other', async (t) => {
  const [given, added] = await Promise.all([startBackend(t, { tag: 'given' }), startBackend(t, { tag: 'added' })]);
  const workers = await startWorkers(t, { settings: { backends: [given.url], pool: { balancing: 'round-robin' } } });
  assert.deepEqual(await workers.gateways(), ['gateway-1', 'gateway-2']);
  // Each request is a connection of its own, so the workers answer in turn.
  const pool = async () => (await workers.admin('GET', '/backends')).body as BackendPage;
  const pages = [await pool(), await pool()];
  assert.deepEqual(
    pages.map(({ backends }) => backends.map(({ url }) => url)),
    [[`${given.url}/`], [`${given.url}/`]],
    'that of the settings is there once, on both',
  );
  assert.equal(pages[0]!.backends[0]!.id, pages[1]!.backends[0]!.id);

  assert.equal((await workers.admin('POST', '/backends', { url: added.url, id: 'added' })).status, 201);
  assert.equal((await workers.admin('PATCH', '/config/heartbeat', { client: { intervalMs: 7000 } })).status, 200);
  // Two requests after one another: one is answered by each. Without a hint to it, it would look after 10 s (cluster.pollMs).
  const onBoth = (holds: () => Promise<boolean>) =>
    until(async () => (await holds()) && (await holds()), { timeoutMs: 9000 });
  const interval = async () => {
    const { body } = await workers.admin('GET', '/config/heartbeat');
    return (body as { client: { intervalMs: number } }).client.intervalMs;
  };
  await onBoth(async () => (await pool()).backends.length === 2);
  await onBoth(async () => (await interval()) === 7000);
  const clients: Client[] = [];
  for (let n = 0; n < 8; n += 1) clients.push(await connect(t, workers.ws));
  const answers = await Promise.all(clients.map(async (client) => (await client.ask('who')).text));
  assert.deepEqual(answers.sort(), [...Array(4).fill('added:who'), ...Array(4).fill('given:who')]);
  const opened = workers.log().filter(({ event }) => event === 'pipe.opened');
  const shares = [1, 2].map((worker) => opened.filter((line) => line['worker'] === worker).length);
  assert.equal(shares[0]! + shares[1]!, 8);
  assert.ok(Math.abs(shares[0]! - shares[1]!) <= 2, `shares of the clients: ${shares}`);

  assert.equal((await workers.admin('DELETE', '/backends/added?mode=force')).status, 204);
  await Promise.all(clients.map((client) => client.ask('again')));
  await onBoth(async () => (await pool()).backends.length === 1);
});

test('an admin token that is made up is one for all workers, and printed once', async (t) => {
  const { runCommand } = await import('../support/command.ts');
  const command = runCommand(t, { env: { HOLDFAST_PORT: '0', HOLDFAST_WORKERS: '2' } });
  await until(() => command.log().some(({ msg }) => msg.startsWith('listening on')), { timeoutMs: patienceMs });
  const { address } = command.log().find(({ msg }) => msg.startsWith('listening on'))!;
  const printed = [...command.stderr.matchAll(/the admin token of this run is (\S+)/g)].map(([, token]) => token);
  assert.equal(printed.length, 1, command.stderr);
  const seen = new Set<string>();
  for (let n = 0; n < 4; n += 1) {
    const headers = { authorization: `Bearer ${printed[0]}`, connection: 'close' };
    const answer = await fetch(`${address}/gateways`, { headers });
    assert.equal(answer.status, 200);
    const { gateways } = (await answer.json()) as { gateways: { id: string; self: boolean }[] };
    for (const { id, self } of gateways) if (self) seen.add(id);
  }
  assert.equal(seen.size, 2, 'both workers took it');
});
