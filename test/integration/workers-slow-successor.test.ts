/** SIGTERM of a worker on a machine so busy that its successor takes long to start: the port stays open. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { temporaryFolder } from '../support/command.ts';
import { sleep, until } from '../support/wait.ts';
import { holdBack, inWorkers, isAlive, patienceMs, startWorkers } from '../support/workers.ts';

/** A start may take 60 s. */
const longStartMs = 35_000;

const untilGone = (file: string): string => `
  const look = setInterval(() => {
    if (existsSync(${JSON.stringify(file)})) return;
    clearInterval(look);
    go();
  }, 10);`;

test('the only worker is told to end, and its successor needs 35 s to start: nobody is turned away', async (t) => {
  const hold = join(temporaryFolder(t), 'hold');
  const workers = await startWorkers(t, { count: 1, node: inWorkers(t, holdBack(hold, untilGone(hold))) });
  const pid = workers.pidOf(1);
  writeFileSync(hold, '');
  process.kill(pid, 'SIGTERM');
  const toldAt = performance.now();
  const come = () => connect(t, workers.ws, { protocols: ['holdfast.v1'], timeoutMs: patienceMs });
  while (performance.now() - toldAt < longStartMs) {
    (await come()).close();
    await sleep(500);
  }
  assert.ok(isAlive(pid));
  await until(() => workers.stderr.includes('held back'), { timeoutMs: patienceMs, what: 'a successor' });
  rmSync(hold);
  await until(() => !isAlive(pid), { timeoutMs: patienceMs, what: () => `it to end\n${workers.stdout}` });
  assert.notEqual(workers.pidOf(1), pid);
  (await come()).close();
});
