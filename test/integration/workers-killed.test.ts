/** A worker that dies takes no session with it: its clients come back to the others, and another process takes its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { until } from '../support/wait.ts';
import { patienceMs, startWorkers } from '../support/workers.ts';

const numbersOf = (texts: readonly string[], prefix: string) =>
  texts.flatMap((text) => {
    const numbered = readNumbered(text);
    return numbered?.prefix === prefix ? numbered.n : [];
  });

test('SIGKILL of a worker: its clients go on at another one, nothing is lost upstream, and it is started anew', async (t) => {
  const backend = await startBackend(t, { tag: 'a', record: true });
  const workers = await startWorkers(t, { settings: { backends: [backend.url] } });
  const clients = Array.from({ length: 8 }, () => new ResumingClient(t, workers.ws, { timeoutMs: patienceMs }));
  await Promise.all(clients.map((client) => client.opened()));
  const sent = clients.map(() => 0);
  const sending = setInterval(() => {
    for (const [at, client] of clients.entries()) {
      sent[at]! += 1;
      client.send(numberedText(sent[at]!, 200, `c${at}`));
    }
  }, 5);
  t.after(() => clearInterval(sending));
  await until(() => clients.every(({ texts }) => texts.length > 30), {
    timeoutMs: patienceMs,
    what: '30 answers for each',
  });
  const before = await workers.metrics();

  const victims = clients.filter(({ pipe }) => workers.workerOf(pipe) === 1);
  const others = clients.filter((client) => !victims.includes(client));
  assert.ok(victims.length > 0 && others.length > 0, 'both workers have clients');
  const pid = workers.pidOf(1);
  process.kill(pid, 'SIGKILL');
  await until(() => victims.every((client) => client.lost.length === 1 && client.isOpen), {
    timeoutMs: patienceMs,
    what: () =>
      `its clients to have other sessions: ${JSON.stringify(victims.map(({ lost, codes }) => [lost, codes]))}`,
  });
  await workers.replaced(1, pid);
  await until(async () => (await workers.gateways()).length === 2, { timeoutMs: patienceMs });
  const marks = clients.map(({ texts }) => texts.length);
  await until(() => clients.every(({ texts }, at) => texts.length > marks[at]! + 30), {
    timeoutMs: patienceMs,
    what: '30 more answers for each',
  });
  clearInterval(sending);
  await Promise.all(clients.map((client) => client.delivered()));

  for (const [at, client] of clients.entries()) {
    const up = audit(numbersOf(backend.receivedTexts(), `c${at}`), sent[at]!);
    assert.deepEqual(up.missing, [], `of client ${at} messages reached no backend`);
    const resent = client.lost.reduce((sum, lost) => sum + lost.resent, 0);
    assert.ok(up.duplicated.length <= resent, 'only what was not acknowledged came twice');
  }
  for (const client of victims) assert.equal(client.lost[0]!.reason, 'gateway-gone');
  for (const client of others) assert.deepEqual([client.lost, client.connections], [[], 1], 'untouched');
  const died = workers.log().filter(({ msg }) => msg.includes('has died'));
  assert.deepEqual(
    died.map(({ worker, workerPid, signal, delayMs }) => [worker, workerPid, signal, delayMs]),
    [[1, pid, 'SIGKILL', 0]],
  );
  const after = await workers.metrics();
  assert.equal(after.get('holdfast_worker_restarts_total'), 1);
  const opened = 'holdfast_pipes_opened_total';
  assert.equal(before.get(opened), 8);
  assert.equal(after.get(opened), 8 + victims.length, 'what the dead worker had counted still counts');
});
