/** Another process that has the same stdout makes the pipe one that is waited for, as node does where it ends; then nobody reads it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { until, withTimeout } from '../support/wait.ts';

/** 512 lines are just what a pipe takes. */
const program = `
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput();
  const log = (lines) => {
    for (let i = 0; i < lines; i += 1) output.write(String(i).padStart(127) + '\\n');
  };
  process.stdin.once('data', async (order) => {
    if (String(order) === 'idle') {
      log(512);
      await output.settled();
      log(20);
      process.exit(3);
    }
    log(2000);
    setTimeout(() => process.exit(3), Number(order));
  });
  process.stderr.write('ready');
`;

for (const [when, order] of [
  ['with lines of the turn in which it exits', 'idle'],
  ['soon after its first try', '150'],
  ['when it has tried for long', '600'],
] as const) {
  test(`the process exits ${when}: it does, with its own code`, async (t) => {
    const path = join(temporaryFolder(t), 'pipe');
    assert.equal(spawnSync('mkfifo', [path]).status, 0);
    const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    t.after(() => closeSync(reading));
    const writing = openSync(path, 'w');
    t.after(() => closeSync(writing));
    const waits = () => {
      const [, flags] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${writing}`, 'utf8')) ?? [];
      return (Number.parseInt(flags!, 8) & constants.O_NONBLOCK) === 0;
    };
    const start = async (...args: string[]) => {
      const child = spawn(process.execPath, args, { stdio: ['pipe', writing, 'pipe'] });
      t.after(() => child.kill('SIGKILL'));
      const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
      await withTimeout(new Promise((resolve) => child.stderr?.once('data', resolve)), 15_000, 'the process to start');
      return { child, exited };
    };
    const other = await start('-e', `process.stdin.resume(); process.stderr.write('ready')`);
    const { child, exited } = await start('--import', 'tsx', '--input-type=module', '-e', program);
    assert.equal(waits(), false);
    other.child.stdin?.end();
    assert.equal(await other.exited, 0);
    await until(waits, { what: 'a pipe that is waited for' });
    child.stdin?.write(order);
    assert.equal(await withTimeout(exited, 5000, 'the process to exit'), 3);
  });
}
