/** Workers that end while workers are replaced: in the end there are as many as before, all with the new settings. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { until } from '../support/wait.ts';
import { inWorkers, processes, type RunningWorkers, startWorkers, tellsStart, untilBegun } from '../support/workers.ts';

const named = (name: string) => ({ cluster: { beatMs: 100, memberTtlMs: 2000, name } });

async function said(workers: RunningWorkers, text: string): Promise<void> {
  const what = () => `${text}\n${workers.stdout}`;
  await until(() => workers.log().some(({ msg }) => msg.startsWith(text)), { timeoutMs: 60_000, what });
}

/** Two, and these. */
async function theseServe(workers: RunningWorkers, names: string[]): Promise<void> {
  const at = () => `${names}, ${processes(workers).length} processes\n${workers.stdout}`;
  assert.equal(processes(workers).length, 2, at());
  await until(async () => String(await workers.gateways()) === String(names), { timeoutMs: 20_000, what: at });
}

for (const [worker, signal] of [
  [1, 'SIGKILL'],
  [2, 'SIGKILL'],
  [1, 'SIGTERM'],
  [2, 'SIGTERM'],
] as const) {
  test(`${signal} of worker ${worker} while the successor of worker 1 starts leaves nobody over`, async (t) => {
    const workers = await startWorkers(t, { settings: named('old'), node: inWorkers(t, tellsStart) });
    writeFileSync(workers.file, JSON.stringify(named('new')));
    workers.kill('SIGUSR2');
    await untilBegun(workers, 3);
    process.kill(workers.pidOf(worker), signal);
    await said(workers, 'all workers were replaced');
    await theseServe(workers, ['new-1', 'new-2']);
  });
}

test('a worker that dies while a successor starts that cannot serve is started anew, with the settings from before', async (t) => {
  const workers = await startWorkers(t, { settings: named('old'), node: inWorkers(t, tellsStart) });
  writeFileSync(workers.file, JSON.stringify({ ...named('new'), path: '/backends' }));
  workers.kill('SIGUSR2');
  await untilBegun(workers, 3);
  process.kill(workers.pidOf(1), 'SIGKILL');
  await said(workers, 'the workers stay as they are');
  await untilBegun(workers, 4);
  await theseServe(workers, ['old-1', 'old-2']);
});

test('a successor that is killed while it starts changes nothing', async (t) => {
  const workers = await startWorkers(t, { settings: named('old'), node: inWorkers(t, tellsStart) });
  writeFileSync(workers.file, JSON.stringify(named('new')));
  workers.kill('SIGUSR2');
  process.kill(await untilBegun(workers, 3), 'SIGKILL');
  await said(workers, 'the workers stay as they are');
  await theseServe(workers, ['old-1', 'old-2']);
});
