/** A worker that is frozen, or turns in a circle, does not stay. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { isAlive, startWorkers } from '../support/workers.ts';

test('a worker that does not answer its primary for 30 s is killed and replaced; the other one serves all the while', async (t) => {
  const backend = await startBackend(t);
  const workers = await startWorkers(t, { settings: { backends: [backend.url] } });
  const [one, two] = [await connect(t, workers.ws), await connect(t, workers.ws)];
  const pid = workers.pidOf(1);
  process.kill(pid, 'SIGSTOP');
  const frozenAt = performance.now();
  await until(() => !isAlive(pid), { timeoutMs: 60_000, what: 'the frozen worker to be killed' });
  const seconds = (performance.now() - frozenAt) / 1000;
  assert.ok(seconds > 25 && seconds < 45, `after ${seconds} s`);
  await workers.replaced(1, pid);
  const untouched = [one, two].filter(({ closeInfo }) => closeInfo === undefined);
  assert.ok(untouched.length >= 1);
  assert.ok(workers.log().some(({ msg }) => msg.startsWith('worker 1 has not answered for')));
  assert.equal((await (await connect(t, workers.ws)).ask('new')).text, 'new');
});
