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
  const clients = [await connect(t, workers.ws), await connect(t, workers.ws)];
  const places = await Promise.all(
    clients.map(async (client) =>
      workers.workerOf(JSON.parse((await client.ask('info')).text).headers['holdfast-pipe']),
    ),
  );
  assert.deepEqual(places.toSorted(), [1, 2]);
  const served = clients[places.indexOf(2)]!;
  const pid = workers.pidOf(1);
  process.kill(pid, 'SIGSTOP');
  const frozenAt = performance.now();
  const run = served.sendNumbered({ intervalMs: 100 });
  // One may be given to the frozen worker and wait with it; the others are not.
  const newcomers = [1, 2, 3, 4].map(() => connect(t, workers.ws, { timeoutMs: 15_000 }));
  const refused = (await Promise.allSettled(newcomers)).filter(({ status }) => status === 'rejected');
  assert.ok(refused.length <= 1, `${refused.length} of ${newcomers.length} newcomers were not served`);
  await until(() => !isAlive(pid), { timeoutMs: 60_000, what: 'the frozen worker to be killed' });
  const answered = served.numbered.length;
  run.stop();
  const seconds = (performance.now() - frozenAt) / 1000;
  assert.ok(seconds > 25, `after ${seconds} s`);
  assert.ok(answered > 50 && answered > run.sent / 2, `${answered} of ${run.sent} messages were answered by then`);
  await workers.replaced(1, pid);
  assert.equal(served.closeInfo, undefined);
  assert.ok(workers.log().some(({ msg }) => msg.startsWith('worker 1 has not answered for')));
  assert.equal((await (await connect(t, workers.ws)).ask('new')).text, 'new');
});
