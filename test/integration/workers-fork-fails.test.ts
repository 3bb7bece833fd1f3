/** A worker process that cannot be made, for want of memory or because Node is being installed anew: those that run go on. */
import assert from 'node:assert/strict';
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';
import { patienceMs, type RunningWorkers, startWorkers } from '../support/workers.ts';

interface Node {
  /** To run it with as `node`. */
  readonly args: string[];
  /** Workers can be started from now on, or not. */
  works(on: boolean): void;
}

/** What workers are started with is a link, which may lead nowhere: `spawn` throws ELOOP then, as it does ENOMEM or ETXTBSY. */
function replaceableNode(t: TestContext): Node {
  const folder = temporaryFolder(t);
  const [link, preload] = [join(folder, 'node'), join(folder, 'preload.mjs')];
  const works = (on: boolean): void => {
    symlinkSync(on ? process.execPath : link, `${link}-new`);
    renameSync(`${link}-new`, link);
  };
  works(true);
  writeFileSync(preload, `process.execPath = ${JSON.stringify(link)};\n`);
  return { args: ['--import', preload], works };
}

async function untilSaid(workers: RunningWorkers, text: RegExp, times = 1): Promise<void> {
  const said = () => workers.log().filter(({ msg, reason = '' }) => text.test(`${msg}: ${reason}`)).length;
  const what = () => `${text}\n${workers.stdout}${workers.stderr}`;
  await until(() => said() >= times || workers.exit !== undefined, { timeoutMs: patienceMs, what });
  assert.equal(workers.exit, undefined, workers.stderr);
}

test('a worker that has died is started again and again, more and more slowly, until it can be; the other one serves on', async (t) => {
  const node = replaceableNode(t);
  const workers = await startWorkers(t, { node: node.args });
  const [dead, other] = [workers.pidOf(1), workers.pidOf(2)];
  node.works(false);
  process.kill(dead, 'SIGKILL');
  await untilSaid(workers, /worker 1 has died.*no process could be made: spawn .*ELOOP/, 3);
  assert.deepEqual(
    workers
      .log()
      .flatMap(({ delayMs }) => (typeof delayMs === 'number' ? [delayMs] : []))
      .slice(0, 4),
    [0, 100, 200, 400],
  );
  await until(async () => (await workers.gateways()).join() === 'gateway-2', { timeoutMs: patienceMs });
  node.works(true);
  await workers.replaced(1, dead);
  await until(async () => (await workers.gateways()).join() === 'gateway-1,gateway-2', { timeoutMs: patienceMs });
  assert.equal(workers.pidOf(2), other);
  assert.equal(workers.stderr, '');
});

test('SIGUSR2: the workers stay as they are, and the next time they are replaced', async (t) => {
  const node = replaceableNode(t);
  const workers = await startWorkers(t, { node: node.args });
  const before = [workers.pidOf(1), workers.pidOf(2)];
  node.works(false);
  workers.kill('SIGUSR2');
  await untilSaid(workers, /the workers stay as they are.*no process could be made: spawn .*ELOOP/);
  assert.deepEqual([workers.pidOf(1), workers.pidOf(2)], before);
  node.works(true);
  workers.kill('SIGUSR2');
  await untilSaid(workers, /all workers were replaced/);
  assert.notEqual(workers.pidOf(1), before[0]);
  assert.notEqual(workers.pidOf(2), before[1]);
});
