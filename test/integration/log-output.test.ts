import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { until } from '../support/wait.ts';

const lines = 3000;
const program = `
  const { pino } = await import('pino');
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput({ maxBytes: 100_000 });
  const log = pino({}, output);
  output.log = log;
  for (let i = 0; i < ${lines}; i += 1) {
    log.info({ i, filler: 'x'.repeat(200) }, 'line');
    if (i % 100 === 0) await new Promise(setImmediate);
  }
  process.stderr.write('written');
  process.stdin.once('data', async () => {
    await output.settled();
    log.info('last');
    await output.settled();
    process.exit(0);
  });
`;

test('what waits for the reader is bounded; how many lines were lost is told, and what comes later is whole', async (t) => {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stdout.pause();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  await until(() => stderr !== '', { timeoutMs: 15_000 });
  child.stdout.resume();
  await until(() => stdout.includes('were lost'));
  child.stdin.write('go on\n');
  assert.equal(await closed, 0, stderr);
  const log = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: number; msg: string; i?: number; lines?: number });
  const came = log.flatMap(({ i }) => (i === undefined ? [] : [i]));
  const told = log.filter(({ msg }) => msg.includes('were lost'));
  assert.deepEqual(
    came,
    [...came].sort((a, b) => a - b),
    'in order',
  );
  assert.ok(came.length > 300, `${came.length}`);
  assert.equal(told.reduce((sum, { lines = 0 }) => sum + lines, 0) + came.length, lines);
  assert.equal(log.at(-1)?.msg, 'last');
});
