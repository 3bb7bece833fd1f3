/** Several processes write their log to one pipe, as workers do: whoever reads slowly sees whole lines. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { sleep, until } from '../support/wait.ts';

const lines = 2000;
const program = `
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput();
  process.stdin.once('data', async (id) => {
    for (let i = 0; i < ${lines}; i += 1) {
      output.write(JSON.stringify({ id: Number(id), i, filler: 'x'.repeat(i % 700) }) + '\\n');
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await output.settled();
    process.exit(0);
  });
  process.stderr.write('ready');
`;

test('lines of two processes are never mixed, and those of each are in order', async (t) => {
  const path = join(temporaryFolder(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  // Both ends, so that it is open before anybody writes and stays open between two writers.
  const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(both));
  const children = [1, 2].map((id) => {
    const fd = openSync(path, 'w');
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['pipe', fd, 'pipe'],
    });
    closeSync(fd);
    t.after(() => child.kill('SIGKILL'));
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    return { id, child, ready: () => stderr === 'ready', ended: () => child.exitCode !== null };
  });
  await until(() => children.every(({ ready }) => ready()), { timeoutMs: 15_000 });
  for (const { id, child } of children) child.stdin?.write(String(id));
  const chunk = Buffer.alloc(8192);
  let text = '';
  for (;;) {
    try {
      text += chunk.toString('latin1', 0, readSync(both, chunk));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      if (children.every(({ ended }) => ended())) break;
    }
    // What makes the pipe full, and writes partial.
    await sleep(1);
  }
  const log = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: number; i: number });
  for (const { id } of children) {
    const its = log.filter((line) => line.id === id).map(({ i }) => i);
    assert.deepEqual(its, [...Array(lines).keys()], `of ${id}`);
  }
});
