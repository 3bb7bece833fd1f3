/** SIGTERM of one worker: another one takes its place, its pipes are handed over, and the port is never closed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { until } from '../support/wait.ts';
import { isAlive, patienceMs, startWorkers } from '../support/workers.ts';

const numbersOf = (texts: readonly string[]) => texts.flatMap((text) => readNumbered(text)?.n ?? []);

test('the only worker is told to end: its session goes on at its successor, nothing is lost or twice, and nobody is turned away', async (t) => {
  const backend = await startBackend(t, { tag: 'a', record: true });
  const settings = { backends: [backend.url], drain: { quietMs: 50, tailMs: 500 }, shutdown: { spreadMs: 300 } };
  const workers = await startWorkers(t, { count: 1, settings });
  const client = new ResumingClient(t, workers.ws, { timeoutMs: patienceMs });
  await client.opened();
  let sent = 0;
  const sending = setInterval(() => {
    sent += 1;
    client.send(numberedText(sent, 200, 'up'));
  }, 5);
  t.after(() => clearInterval(sending));
  await until(() => client.texts.length > 50, { timeoutMs: patienceMs, what: '50 answers' });

  const pid = workers.pidOf(1);
  const { pipe } = client;
  process.kill(pid, 'SIGTERM');
  // All the while somebody comes anew.
  const refusals: unknown[] = [];
  while (isAlive(pid)) {
    await connect(t, workers.ws, { timeoutMs: patienceMs }).then(
      (other) => other.close(),
      (error: unknown) => refusals.push(error),
    );
  }
  assert.deepEqual(refusals, []);
  assert.notEqual(workers.pidOf(1), pid);
  await until(() => client.resumes === 1 && client.isOpen, { timeoutMs: patienceMs, what: 'the resume' });
  const { length } = client.texts;
  await until(() => client.texts.length > length + 50, { timeoutMs: patienceMs, what: '50 more answers' });
  clearInterval(sending);
  await client.delivered();
  await until(() => numbersOf(client.texts).includes(sent), { timeoutMs: patienceMs, what: 'the last answer' });
  const clean = { received: sent, missing: [], duplicated: [], outOfOrder: [] };
  assert.deepEqual(audit(numbersOf(backend.receivedTexts()), sent), clean, 'up');
  assert.deepEqual(audit(numbersOf(client.texts), sent), clean, 'down');
  assert.deepEqual([client.lost, client.pipe], [[], pipe]);
  assert.equal((await workers.metrics()).get('holdfast_worker_restarts_total'), 0, 'it has not died');
});
