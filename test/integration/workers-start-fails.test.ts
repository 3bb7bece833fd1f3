/** What is wrong is said in one line, with the exit code of a single process; and workers that cannot live are not started for ever. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand, temporaryFolder } from '../support/command.ts';
import { inWorkers, patienceMs, startWorkers } from '../support/workers.ts';

for (const [what, code, named, args, env] of [
  ['a word', 2, /^holdfast: --workers must be a whole number from 0 to 256, or auto\.$/, ['--workers', 'three'], {}],
  ['a fraction', 2, /--workers must be a whole number/, ['--workers', '1.5'], {}],
  ['too many', 2, /HOLDFAST_WORKERS must be a whole number/, [], { HOLDFAST_WORKERS: '257' }],
  ['nothing', 2, /HOLDFAST_WORKERS must be a whole number/, [], { HOLDFAST_WORKERS: ' ' }],
  [
    'a path that is taken',
    2,
    /path \(\/backends\) is also a route of the admin API/,
    ['--workers', '3'],
    { HOLDFAST_PATH: '/backends' },
  ],
  ['a host that is not ours', 1, /cannot listen on 192\.0\.2\.1:0/, ['--workers', '3'], { HOLDFAST_HOST: '192.0.2.1' }],
] as const) {
  test(`exit code ${code} and one line: ${what}`, async (t) => {
    const command = runCommand(t, {
      args: [...args],
      env: { HOLDFAST_PORT: '0', HOLDFAST_LOG_LEVEL: 'silent', HOLDFAST_ADMIN_TOKEN: 'some-token', ...env },
    });
    assert.equal(await command.ended(60_000), code, command.stdout);
    assert.equal(command.stderr.trim().split('\n').length, 1, command.stderr);
    assert.match(command.stderr.trim(), named);
  });
}

test('config file: workers', async (t) => {
  const file = join(temporaryFolder(t), 'holdfast.json');
  writeFileSync(file, JSON.stringify({ workers: -1 }));
  const command = runCommand(t, { args: ['--config', file] });
  assert.equal(await command.ended(60_000), 2);
  assert.match(command.stderr, /workers/);
});

test('a port that is taken', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const env = { HOLDFAST_PORT: String(port), HOLDFAST_WORKERS: '2', HOLDFAST_ADMIN_TOKEN: 'some-token' };
  const command = runCommand(t, { env });
  assert.equal(await command.ended(60_000), 1);
  assert.match(command.stderr, /^holdfast: cannot listen on 127\.0\.0\.1:\d+: the port is taken.*\(EADDRINUSE\)\.\n$/);
});

test('workers that die at their start end the command', async (t) => {
  const node = inWorkers(t, 'process.exit(3);');
  const command = runCommand(t, { node, env: { HOLDFAST_PORT: '0', HOLDFAST_WORKERS: '2' } });
  assert.equal(await command.ended(60_000), 1);
  assert.equal(command.stderr, 'holdfast: worker 1 ended before it served (exit code 3).\n');
});

test('workers that live too short are started ever more slowly, and when none is left the command ends', async (t) => {
  const node = inWorkers(
    t,
    `const { send } = process;
    process.send = (message, ...more) => {
      if (message?.body?.kind === 'serving') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1000);
      return send.call(process, message, ...more);
    };`,
  );
  const workers = await startWorkers(t, { node, count: 1 });
  assert.equal(await workers.ended(patienceMs), 1);
  const delays = workers.log().flatMap((line) => (line['delayMs'] === undefined ? [] : [line['delayMs']]));
  assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200]);
  assert.equal(workers.log().filter(({ level }) => level === 60).length, 1, 'and says so');
});
