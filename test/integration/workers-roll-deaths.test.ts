/** Workers that end while workers are replaced: in the end there are as many as before, all with the new settings. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { until } from '../support/wait.ts';
import {
  begun,
  cluster,
  inWorkers,
  patienceMs,
  processes,
  type RunningWorkers,
  startWorkers,
  tellsStart,
  untilBegun,
} from '../support/workers.ts';

const named = (name: string) => ({ cluster: { ...cluster, name } });
const replaced = 'all workers were replaced';
const refused = 'the workers stay as they are';

const start = (t: TestContext) => startWorkers(t, { settings: named('old'), node: inWorkers(t, tellsStart) });

/** SIGUSR2 with these settings, until it is over. @param meanwhile when the successor of worker 1 starts. */
async function roll(workers: RunningWorkers, settings: object, end: string, meanwhile: (successor: number) => void) {
  const said = () => workers.log().filter(({ msg }) => msg.startsWith(end)).length;
  const before = said();
  const count = begun(workers).length;
  writeFileSync(workers.file, JSON.stringify(settings));
  workers.kill('SIGUSR2');
  meanwhile(await untilBegun(workers, count + 1));
  await until(() => said() > before, { timeoutMs: patienceMs, what: () => `${end}\n${workers.stdout}` });
}

/** Two, and these. */
async function theseServe(workers: RunningWorkers, names: string[]): Promise<void> {
  const at = () => `${names}, ${processes(workers).length} processes\n${workers.stdout}`;
  assert.equal(processes(workers).length, 2, at());
  await until(async () => String(await workers.gateways()) === String(names), { timeoutMs: patienceMs, what: at });
}

test('one of two is killed, or told to end, while the successor of worker 1 starts: nobody is left over', async (t) => {
  const workers = await start(t);
  for (const [name, worker, signal] of [
    ['a', 1, 'SIGKILL'],
    ['b', 2, 'SIGKILL'],
    ['c', 1, 'SIGTERM'],
    ['d', 2, 'SIGTERM'],
  ] as const) {
    await roll(workers, named(name), replaced, () => process.kill(workers.pidOf(worker), signal));
    await theseServe(workers, [`${name}-1`, `${name}-2`]);
  }
});

test('where the successor cannot serve, or is killed itself, those before serve on, and who died is started anew', async (t) => {
  const workers = await start(t);
  const broken = { ...named('broken'), path: '/backends' };
  const count = begun(workers).length;
  await roll(workers, broken, refused, () => process.kill(workers.pidOf(1), 'SIGKILL'));
  await untilBegun(workers, count + 2);
  await theseServe(workers, ['old-1', 'old-2']);
  await roll(workers, named('new'), refused, (successor) => process.kill(successor, 'SIGKILL'));
  await theseServe(workers, ['old-1', 'old-2']);
});
