/** Where the log cannot be written at all the process goes on, and ends as it would. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { test } from 'node:test';
import { until } from '../support/wait.ts';

const program = `
  const { pino } = await import('pino');
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput({ maxBytes: 50_000 });
  const log = pino({}, output);
  output.log = log;
  process.stdin.once('data', async () => {
    for (let i = 0; i < 1000; i += 1) {
      log.info({ i, filler: 'x'.repeat(200) }, 'line');
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    process.stderr.write('went on');
    log.info('last');
    await output.settled();
    process.exit(3);
  });
  process.stderr.write('ready ');
`;

for (const what of ['a pipe whose reader has gone', 'a full disk'] as const) {
  test(`the log goes to ${what}: the process goes on and ends with its own code`, async (t) => {
    const stdout = what === 'a full disk' ? openSync('/dev/full', 'w') : 'pipe';
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['pipe', stdout, 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
    await until(() => stderr.includes('ready'), { timeoutMs: 15_000 });
    child.stdout?.destroy();
    child.stdin?.write('go\n');
    assert.equal(await exited, 3, stderr);
    assert.equal(stderr, 'ready went on');
  });
}
