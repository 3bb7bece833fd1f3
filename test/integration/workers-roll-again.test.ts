/** SIGUSR2 while workers start or are replaced: the latest settings are not lost. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { configFile, runCommand } from '../support/command.ts';
import { until } from '../support/wait.ts';
import {
  cluster,
  inWorkers,
  patienceMs,
  processes,
  type RunningWorkers,
  startWorkers,
  tellsStart,
  untilBegun,
} from '../support/workers.ts';

const named = (name: string, more = {}) => ({ cluster: { ...cluster, name }, ...more });

async function untilNamed(workers: RunningWorkers, names: string[]): Promise<void> {
  const what = () => `${names}\n${workers.stdout}`;
  await until(async () => String(await workers.gateways()) === String(names), { timeoutMs: patienceMs, what });
}

test('a second SIGUSR2 while workers are replaced: they are replaced once more, with the latest settings, and the log says so', async (t) => {
  const workers = await startWorkers(t, { settings: named('first'), node: inWorkers(t, tellsStart) });
  writeFileSync(workers.file, JSON.stringify(named('second')));
  workers.kill('SIGUSR2');
  await untilBegun(workers, 3);
  for (const name of ['third', 'fourth']) {
    const said = () =>
      workers.log().filter(({ msg }) => msg.startsWith('one worker after the other is replaced')).length;
    const before = said();
    writeFileSync(workers.file, JSON.stringify(named(name)));
    workers.kill('SIGUSR2');
    await until(() => said() > before, { timeoutMs: patienceMs });
  }
  await untilNamed(workers, ['fourth-1', 'fourth-2']);
  const lines = () => workers.log().flatMap(({ msg }) => (/replaced/.test(msg) ? [msg] : []));
  const later = 'one worker after the other is replaced, when what is under way is done';
  const done = 'all workers were replaced';
  await until(() => lines().length === 5, { timeoutMs: patienceMs, what: () => lines().join('\n') });
  assert.deepEqual(lines(), ['one worker after the other is replaced', later, later, done, done]);
  assert.equal(processes(workers).length, 2);
});

test('a second SIGUSR2 with settings that are mended, while a worker with the broken ones starts', async (t) => {
  const workers = await startWorkers(t, { settings: named('first'), node: inWorkers(t, tellsStart) });
  writeFileSync(workers.file, JSON.stringify(named('broken', { path: '/backends' })));
  workers.kill('SIGUSR2');
  await untilBegun(workers, 3);
  writeFileSync(workers.file, JSON.stringify(named('mended')));
  workers.kill('SIGUSR2');
  await untilNamed(workers, ['mended-1', 'mended-2']);
  await until(() => processes(workers).length === 2, { timeoutMs: patienceMs, what: () => workers.stdout });
});

test('SIGUSR2 before all have started', async (t) => {
  const file = configFile(t, JSON.stringify(named('first')));
  const args = ['--config', file, '--workers', '2'];
  const command = runCommand(t, { args, node: inWorkers(t, tellsStart), env: { HOLDFAST_PORT: '0' } });
  await untilBegun(command, 1);
  command.kill('SIGUSR2');
  const said = (text: string) => command.log().findIndex(({ msg }) => msg.startsWith(text));
  await until(() => said('all workers were replaced') > said('listening on'), {
    timeoutMs: patienceMs,
    what: () => `${command.stdout}${command.stderr}`,
  });
  assert.ok(said('listening on') > 0);
  assert.equal(processes(command).length, 2);
});
