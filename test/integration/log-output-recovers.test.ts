/** A log that cannot be written for a while, as on a disk that is full: it goes on by itself when it can be, and says what was lost. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';

const maxBytes = 50_000;
/** Lines of one length: the last of them that fits leaves no room for a shorter one. */
const program = `
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput({ maxBytes: ${maxBytes} });
  output.log = { warn: (fields, msg) => output.write(JSON.stringify({ msg, ...fields }) + '\\n') };
  let n = 0;
  const lines = async (count) => {
    for (let i = 0; i < count; i += 1) {
      n += 1;
      output.write(JSON.stringify({ n, filler: 'x'.repeat(200) }).padEnd(249) + '\\n');
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  process.stdin.on('data', async (order) => {
    if (String(order).startsWith('lines')) await lines(Number(String(order).split(' ')[1]));
    else {
      const before = performance.now();
      await output.settled();
      process.stderr.write('settled in ' + Math.round(performance.now() - before) + ' ms ');
      process.exit(0);
    }
    process.stderr.write('done ');
  });
  process.stderr.write('done ');
`;

interface Line {
  readonly n?: number;
  readonly msg?: string;
  readonly lines?: number;
  readonly reason?: string;
}

test('after a failure it is tried again without another line, what waited comes in order, and nothing at the end is waited for', async (t) => {
  const path = join(temporaryFolder(t), 'log');
  const fd = openSync(path, 'a');
  // More than a file may have: EFBIG, as ENOSPC is on a disk that is full. In units of 512 bytes.
  const limited = 'ulimit -S -f 2048; exec "$0" "$@"';
  const filled = 2 ** 20 - 5000;
  spawnSync('head', ['-c', `${filled}`, '/dev/zero'], { stdio: ['ignore', fd, 'inherit'] });
  const args = ['-c', limited, process.execPath, '--import', 'tsx', '--input-type=module', '-e', program];
  const child = spawn('sh', args, { stdio: ['pipe', fd, 'pipe'] });
  closeSync(fd);
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  const done = (times: number) =>
    until(() => stderr.split('done').length > times, { timeoutMs: 15_000, what: () => `${times} times: ${stderr}` });
  const written = (): Line[] =>
    readFileSync(path, 'utf8')
      .slice(filled)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  await done(1);
  child.stdin?.write('lines 1000');
  await done(2);
  const unlimited = spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited'], { encoding: 'utf8' });
  assert.equal(unlimited.status, 0, unlimited.stderr);
  // No other line than those that waited is needed for it.
  await until(() => readFileSync(path, 'utf8').includes('were lost'), { timeoutMs: 5000, what: 'what was lost' });
  child.stdin?.write('lines 100');
  await done(3);
  child.stdin?.write('end');
  assert.equal(await exited, 0, stderr);
  const log = written();
  const came = log.flatMap(({ n }) => (n === undefined ? [] : [n]));
  assert.deepEqual(
    came,
    [...came].sort((a, b) => a - b),
    'in order',
  );
  const [told] = log.filter(({ msg }) => msg !== undefined);
  assert.deepEqual([told?.lines, told?.reason], [1100 - came.length, 'EFBIG']);
  assert.match(told?.msg ?? '', /could not be written/);
  assert.equal(came.at(-1), 1100);
  assert.ok(Number(/settled in (\d+) ms/.exec(stderr)?.[1]) < 1000, stderr);
});
