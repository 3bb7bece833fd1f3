import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { sleep, until } from '../support/wait.ts';
import { assertExact, assertHandedOver, echoedNumbers, linksOf } from './failover-scenario.ts';

/** `count` clients on 'a' and 'b', and 'c' that has just joined. */
async function startScaledOut(t: Owner, count: number, quietMs = 100) {
  const gateway = await startGateway(t, { drain: { quietMs } });
  const [a, b, c] = await Promise.all(
    ['a', 'b', 'c'].map((tag) => startBackend(t, { tag, record: { textBytes: 64 } })),
  );
  gateway.manager.registerBackend({ id: 'a', url: a!.url });
  gateway.manager.registerBackend({ id: 'b', url: b!.url });
  const clients: Client[] = [];
  for (let n = 0; n < count; n += 1) clients.push(await connect(t, `${gateway.url}?${n}`));
  gateway.manager.registerBackend({ id: 'c', url: c!.url });
  return { gateway, clients, backends: [a!, b!, c!] as const };
}

test('a backend that joined late gets its fair share, at the given rate; no client notices', async (t) => {
  const { gateway, clients, backends } = await startScaledOut(t, 30);
  await Promise.all(clients.map((client) => client.ask('before')));
  await sleep(150);
  const from = performance.now();
  const { status, body } = await gateway.admin('POST', '/backends/c/rebalance?pipesPerSecond=10');
  assert.equal(status, 202);
  assert.deepEqual(body, { backendId: 'c', planned: 10 });
  await sleep(Math.max(0, 400 - (performance.now() - from)));
  const early = gateway.eventsOf('pipe.migrated').length;
  const allowed = 1 + ((performance.now() - from) * 10) / 1000;
  assert.ok(early <= allowed, `${early} moved, ${allowed} may have`);
  const done = await gateway.waitFor('backend.rebalanced', () => true, 10_000);
  assert.deepEqual([done.planned, done.moved], [10, 10]);
  assert.ok(done.durationMs >= 800 && done.durationMs < 8000, `took ${done.durationMs} ms`);
  // When the links that were left have been read out.
  const shares = () => gateway.manager.backends().map(({ id, connections }) => `${id} ${connections}`);
  await until(() => shares().every((share) => share.endsWith(' 10')), { what: () => `10 each, not ${shares()}` });
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
  const answers = await Promise.all(clients.map((client) => client.ask('after')));
  assert.equal(answers.filter(({ text }) => text === 'c:after').length, 10);
  assert.equal(await backends[2].connections(), 10);
  assert.ok(clients.every(({ closeInfo, messages }) => closeInfo === undefined && messages.length === 2));
});

test('regression: at a high rate too, no backend is left with less than its share', async (t) => {
  const { gateway, clients } = await startScaledOut(t, 30);
  // Those on one backend are the quieter ones.
  const onA = (await Promise.all(clients.map((client) => client.ask('where'))))
    .map(({ text }, index) => (text.startsWith('a:') ? index : -1))
    .filter((index) => index >= 0);
  await sleep(200);
  await Promise.all(clients.filter((_, index) => !onA.includes(index)).map((client) => client.ask('later')));
  await gateway.admin('POST', '/backends/c/rebalance?pipesPerSecond=1000');
  await gateway.waitFor('backend.rebalanced');
  const shares = () => gateway.manager.backends().map(({ id, connections }) => `${id} ${connections}`);
  await until(() => shares().every((share) => share.endsWith(' 10')), { what: () => `10 each, not ${shares()}` });
});

test('quiet pipes move, those in use stay where they are until the time is up', async (t) => {
  const { gateway, clients } = await startScaledOut(t, 12, 500);
  const busy = clients.slice(0, 10);
  const runs = busy.map((client) => client.sendNumbered({ intervalMs: 20 }));
  await sleep(200);
  await gateway.admin('POST', '/backends/c/rebalance?pipesPerSecond=100&timeoutMs=2500');
  const done = await gateway.waitFor('backend.rebalanced', () => true, 8000);
  assert.deepEqual([done.planned, done.moved], [4, 2], 'the two quiet ones moved');
  for (const run of runs) run.stop();
  await Promise.all(
    busy.map((client, index) => until(() => client.messages.length === runs[index]!.sent, { what: 'the answers' })),
  );
  assert.ok(busy.every(({ texts }) => texts.every((text) => !text.startsWith('c:'))));
  for (const [index, client] of busy.entries())
    assertExact(echoedNumbers(client), runs[index]!.sent, `client ${index}`);
});

test('pipes that talk with pauses move in the pauses: nothing is lost, nothing comes twice', async (t) => {
  const { gateway, clients, backends } = await startScaledOut(t, 12);
  const pipes = new Map(gateway.manager.pipes().pipes.map((pipe) => [pipe.clientId, pipe.id]));
  assert.equal(pipes.size, 12);
  const runs = clients.map((client) => client.sendNumbered({ intervalMs: 250 }));
  await sleep(300);
  await gateway.admin('POST', '/backends/c/rebalance?pipesPerSecond=20');
  const done = await gateway.waitFor('backend.rebalanced', () => true, 10_000);
  assert.equal(done.moved, 4);
  await sleep(600);
  for (const run of runs) run.stop();
  for (const [index, client] of clients.entries()) {
    const { sent } = runs[index]!;
    await until(() => client.messages.length >= sent, { what: `${sent} answers, not ${client.messages.length}` });
    assertExact(echoedNumbers(client), sent, `answers to client ${index}`);
  }
  let twice = 0;
  for (const id of pipes.values()) {
    const links = linksOf(id, ...backends);
    const index = Number(new URL(links[0]!.url, 'ws://x').search.slice(1));
    twice += assertHandedOver(links, runs[index]!.sent);
  }
  assert.equal(twice, 0);
});

test('a backend that takes no new pipes gets none, one that is drained meanwhile no more', async (t) => {
  const { gateway, clients } = await startScaledOut(t, 12);
  await gateway.admin('PATCH', '/backends/c', { adminState: 'disabled' });
  const refused = await gateway.admin('POST', '/backends/c/rebalance');
  assert.deepEqual([refused.status, (refused.body as { code: string }).code], [409, 'HOLDFAST_ERR_BACKEND_DRAINING']);
  assert.equal((await gateway.admin('POST', '/backends/nobody/rebalance')).status, 404);
  await gateway.admin('PATCH', '/backends/c', { adminState: 'enabled' });
  await sleep(150);
  await gateway.admin('POST', '/backends/c/rebalance?pipesPerSecond=4');
  await gateway.waitFor('pipe.migrated');
  await gateway.admin('PATCH', '/backends/c', { adminState: 'draining' });
  const done = await gateway.waitFor('backend.rebalanced');
  assert.ok(done.moved >= 1 && done.moved < 4, `${done.moved} had moved`);
  await gateway.waitFor('backend.drained');
  await Promise.all(clients.map((client) => client.ask('hello')));
  assert.equal(gateway.manager.backend('c').connections, 0);
});
