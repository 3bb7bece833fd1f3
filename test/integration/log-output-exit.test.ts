/** The process exits at once: whoever reads the log has all of it, and whoever does not, or is gone, holds nobody up. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { until, withTimeout } from '../support/wait.ts';

const lines = 12_000;
/** 1.2 MB, more than a pipe takes. */
const program = `
  const { LogOutput } = await import('./src/command/log-output.ts');
  const output = new LogOutput();
  const log = (from, to) => {
    for (let i = from; i < to; i += 1) output.write(String(i).padStart(99) + '\\n');
  };
  process.stdin.once('data', (order) => {
    if (String(order) === 'stood still') {
      log(0, 10);
      for (const until = performance.now() + 400; performance.now() < until; );
      // The write that is due begins before this.
      setImmediate(() => process.exit(3));
      return;
    }
    log(0, ${lines});
    if (String(order) === 'in this turn') process.exit(3);
    setTimeout(() => process.exit(3), 100);
  });
  process.stderr.write('ready');
`;

async function start(t: TestContext) {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  t.after(() => child.kill('SIGKILL'));
  const run = { child, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    run.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    run.stderr += text;
  });
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  await until(() => run.stderr === 'ready', { timeoutMs: 15_000 });
  return Object.assign(run, { exited, closed });
}

for (const when of ['in this turn', 'soon']) {
  test(`the reader does not read, the process exits ${when}: it does, with its own code`, async (t) => {
    const { child, exited } = await start(t);
    child.stdout.pause();
    child.stdin.write(when);
    assert.equal(await withTimeout(exited, 5000, 'the process to exit'), 3);
  });

  test(`the reader has gone, the process exits ${when}: it does, with its own code`, async (t) => {
    const { child, exited } = await start(t);
    child.stdout.destroy();
    child.stdin.write(when);
    assert.equal(await withTimeout(exited, 5000, 'the process to exit'), 3);
  });
}

test('lines that are written in the turn in which the process exits are all there, in order', async (t) => {
  const run = await start(t);
  run.child.stdin.write('in this turn');
  assert.equal(await withTimeout(run.exited, 5000, 'the process to exit'), 3);
  await run.closed;
  const all = Array.from({ length: lines }, (_none, i) => String(i).padStart(99));
  assert.deepEqual(run.stdout.trimEnd().split('\n').map(Number), all.map(Number));
});

test('a process that stood still before it exits does not take its reader for silent', async (t) => {
  const run = await start(t);
  run.child.stdin.write('stood still');
  assert.equal(await withTimeout(run.exited, 5000, 'the process to exit'), 3);
  await run.closed;
  assert.equal(run.stdout, Array.from({ length: 10 }, (_none, i) => `${String(i).padStart(99)}\n`).join(''));
});
