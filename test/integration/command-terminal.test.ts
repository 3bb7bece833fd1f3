/** The terminal that the command was started at is closed: the SIGHUP of that ends it in good order, and is no order to read files anew. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBackend } from '../support/backend-process.ts';
import { cleanEnvironment } from '../support/clean-environment.ts';
import { connect } from '../support/client.ts';
import { commandToken, temporaryFolder } from '../support/command.ts';
import { heldConfig } from '../support/held-config.ts';
import { until } from '../support/wait.ts';

const server = fileURLToPath(new URL('../../src/server.ts', import.meta.url));
const lines = (file: string): { pid: number; msg: string; address?: string }[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { pid: number; msg: string; address?: string })
    : [];
const runs = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

const skip = existsSync('/usr/bin/script') ? false : 'it needs /usr/bin/script of util-linux';
test('when its terminal is closed its clients get 1012 and the process ends', { skip }, async (t) => {
  const backend = await startBackend(t);
  const log = join(temporaryFolder(t), 'log');
  const order = `exec ${process.execPath} --import tsx ${server} > ${log}`;
  const terminal = spawn('/usr/bin/script', ['--quiet', '--command', order, '/dev/null'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: {
      ...cleanEnvironment(),
      HOLDFAST_PORT: '0',
      HOLDFAST_ADMIN_TOKEN: commandToken,
      HOLDFAST_BACKENDS: backend.url,
    },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  t.after(() => terminal.kill('SIGKILL'));
  const listening = () => lines(log).find(({ msg }) => msg.startsWith('listening on'));
  await until(() => listening() !== undefined, {
    timeoutMs: 30_000,
    what: () =>
      `the command to listen: ${lines(log)
        .slice(-8)
        .map(({ msg }) => msg)
        .join('; ')}, script ${terminal.exitCode}`,
  });
  const { pid, address = '' } = listening()!;
  t.after(() => {
    if (runs(pid)) process.kill(pid, 'SIGKILL');
  });
  const client = await connect(t, `${address.replace('http', 'ws')}/ws`);
  process.kill(pid, 'SIGHUP');
  await until(() => lines(log).some(({ msg }) => msg.startsWith('SIGHUP: there are no certificates')), {
    what: 'a SIGHUP of somebody, with the terminal still there, to be an order to read files anew',
  });
  assert.equal((await client.ask('still here')).text, 'still here');
  terminal.kill('SIGKILL');
  assert.equal((await client.waitClosed(10_000)).code, 1012);
  await until(() => !runs(pid), {
    timeoutMs: 20_000,
    what: () =>
      `the process to end: ${lines(log)
        .slice(-8)
        .map(({ msg }) => msg)
        .join('; ')}`,
  });
  assert.ok(
    lines(log).some(({ msg }) => msg === 'ended'),
    lines(log)
      .slice(-8)
      .map(({ msg }) => msg)
      .join('; '),
  );
});

test('when its terminal is closed while it starts the process ends', { skip }, async (t) => {
  const log = join(temporaryFolder(t), 'log');
  const config = heldConfig(t);
  // The shell says who it will be.
  const order = `echo '{"pid":'$$',"msg":"starting"}' > ${log}; exec ${process.execPath} --import tsx ${server} --config ${config.file} >> ${log}`;
  const terminal = spawn('/usr/bin/script', ['--quiet', '--command', order, '/dev/null'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...cleanEnvironment(), HOLDFAST_PORT: '0', HOLDFAST_ADMIN_TOKEN: commandToken },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  t.after(() => terminal.kill('SIGKILL'));
  await config.asked(30_000);
  const [{ pid } = { pid: 0 }] = lines(log);
  assert.ok(runs(pid));
  t.after(() => {
    if (runs(pid)) process.kill(pid, 'SIGKILL');
  });
  const gone = once(terminal, 'exit');
  terminal.kill('SIGKILL');
  await gone;
  config.give('{}');
  await until(() => !runs(pid), { timeoutMs: 20_000, what: () => `the process to end: ${readFileSync(log, 'utf8')}` });
});
