/** The process exits while a write is on its way to a pipe that has no room for it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { sleep, until } from '../support/wait.ts';

const lines = 2000;
/** What a pipe takes before it is read. */
const pipeBytes = 65_536;
const program = `
  const { default: fs } = await import('node:fs');
  const { syncBuiltinESMExports } = await import('node:module');
  const { write } = fs;
  let room = ${pipeBytes};
  fs.write = (fd, bytes, told) => {
    write(fd, bytes, told);
    room -= bytes.length;
    if (room >= 0) return;
    fs.writeSync(2, 'exits');
    process.exit(3);
  };
  syncBuiltinESMExports();
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput();
  for (let i = 0; i < ${lines}; i += 1) output.write(String(i).padStart(99) + '\\n');
`;

test('no line is cut, and at most that write is lost', async (t) => {
  const path = join(temporaryFolder(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reading));
  const writing = openSync(path, 'w');
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', writing, 'pipe'],
  });
  closeSync(writing);
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until(() => said !== '', { timeoutMs: 15_000, what: 'the process to exit' });
  assert.equal(said, 'exits');
  const chunk = Buffer.alloc(pipeBytes);
  let log = '';
  for (;;) {
    try {
      const bytes = readSync(reading, chunk);
      if (bytes === 0) break;
      log += chunk.toString('latin1', 0, bytes);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      await sleep(1);
    }
  }
  await until(() => child.exitCode !== null, { what: 'the end of the process' });
  assert.equal(child.exitCode, 3);
  const came = log.split('\n').slice(0, -1);
  for (const [at, line] of came.entries()) assert.equal(line.length, 99, `line ${at}: ${line.slice(0, 250)}`);
  const numbers = came.map(Number);
  assert.ok(numbers.every((number, at) => at === 0 || number > numbers[at - 1]!));
  assert.ok(lines - came.length <= 40, `${lines - came.length} lines of 100 bytes are missing`);
});
