/** The admin API of the command: tokens from files, for reading only, replaced on SIGHUP, and a port of its own. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commandToken, type RunningCommand, runCommand, startCommand, temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';

function adminAddress(command: RunningCommand): string {
  const line = command.log().find(({ msg }) => msg.startsWith('the admin API listens on'));
  assert.ok(line?.address !== undefined, command.stdout);
  return line.address;
}

async function status(url: string, token: string, method = 'GET'): Promise<number> {
  return (await fetch(url, { method, headers: { authorization: `Bearer ${token}` } })).status;
}

test('tokens come from files, one for reading only; the admin API has a port of its own; SIGHUP replaces the tokens', async (t) => {
  const folder = temporaryFolder(t);
  const [writeFile, readFile, config] = ['write-token', 'read-token', 'config.json'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  writeFileSync(writeFile, 'first-write-token\n');
  writeFileSync(readFile, 'first-read-token');
  writeFileSync(config, JSON.stringify({ admin: { tokens: ['token-of-the-file'], auditLogLevel: 'error' } }));
  const command = await startCommand(t, {
    args: ['--config', config],
    env: {
      HOLDFAST_ADMIN_TOKEN_FILE: writeFile,
      HOLDFAST_ADMIN_READ_TOKEN_FILE: readFile,
      HOLDFAST_ADMIN_PORT: '0',
      HOLDFAST_LOG_LEVEL: 'info',
    },
    withoutToken: true,
  });
  const url = `${adminAddress(command)}/backends`;
  assert.equal(await status(`${command.http}/backends`, 'first-write-token'), 404);
  assert.equal((await fetch(`${command.http}/readyz`)).status, 503, 'no backend yet');
  assert.equal(await status(url, 'first-read-token'), 200);
  assert.equal(await status(`${url}/a`, 'first-read-token', 'DELETE'), 403);
  assert.equal(await status(`${url}/a`, 'first-write-token', 'DELETE'), 404);
  assert.equal(await status(url, 'token-of-the-file'), 401, 'the environment goes over the file');
  const refusals = () => command.log().filter(({ event }) => event === 'audit.refused');
  await until(() => refusals().length === 3, {
    what: () => `three refusals
${command.stdout}`,
  });
  const refused = refusals();
  assert.deepEqual(
    refused.map(({ actor }) => actor),
    ['env-read', 'env-write', undefined],
  );
  assert.equal(refused[0]?.['level'], 50, 'the level of the option');

  writeFileSync(writeFile, 'second-write-token\n');
  const reloads = () => command.log().filter(({ msg }) => msg.startsWith('SIGHUP: the admin tokens'));
  command.kill('SIGHUP');
  await until(() => reloads().length === 1, { what: () => `the tokens to be read anew\n${command.stdout}` });
  assert.equal(await status(url, 'first-write-token'), 401);
  assert.equal(await status(url, 'second-write-token'), 200);
  assert.equal(await status(url, 'first-read-token'), 200);

  writeFileSync(writeFile, 'short\n');
  command.kill('SIGHUP');
  await until(() => reloads().length === 2, { what: () => `the reload to be refused\n${command.stdout}` });
  assert.match(String(reloads()[1]?.['reason']), /HOLDFAST_ADMIN_TOKEN_FILE/);
  assert.equal(await status(url, 'second-write-token'), 200, 'those before stay');
  assert.doesNotMatch(command.stdout + command.stderr, /(first|second)-(write|read)-token|short/);
});

test('tokens that are no longer in the settings stay, which is an error in the log; another one in their place takes them back', async (t) => {
  const config = join(temporaryFolder(t), 'config.json');
  const write = (admin: object) => writeFileSync(config, JSON.stringify({ admin }));
  write({});
  const command = await startCommand(t, { args: ['--config', config], withoutToken: true });
  const url = `${command.http}/backends`;
  const madeUp = /token of this run is (\S+)/.exec(command.stderr)?.[1] ?? '';
  const said = () => command.log().flatMap(({ level, msg }) => (msg.startsWith('SIGHUP: ') ? [[level, msg]] : []));
  const noCertificates = [30, 'SIGHUP: there are no certificates to read anew'];
  const readAnew = [30, 'SIGHUP: the admin tokens were read anew'];
  const stay = [50, 'SIGHUP: the admin tokens stay as they are: there are none in the settings'];
  const hangUp = async (lines: number) => {
    command.kill('SIGHUP');
    await until(() => said().length >= lines, { what: () => `${lines} answers to SIGHUP\n${command.stdout}` });
  };
  await hangUp(1);
  assert.equal(await status(url, madeUp), 200);

  write({ tokens: ['stolen-token'] });
  await hangUp(3);
  assert.deepEqual([await status(url, madeUp), await status(url, 'stolen-token')], [401, 200]);

  write({});
  await hangUp(5);
  assert.equal(await status(url, 'stolen-token'), 200);

  write({ tokens: ['another-token'] });
  await hangUp(7);
  assert.deepEqual([await status(url, 'stolen-token'), await status(url, 'another-token')], [401, 200]);
  // The first time nothing is said of tokens: nobody had given one.
  const all = [noCertificates, noCertificates, readAnew, noCertificates, stay, noCertificates, readAnew];
  assert.deepEqual(said(), all);
});

test('tokens of the file have names, roles and digests', async (t) => {
  const config = join(temporaryFolder(t), 'config.json');
  const sha256 = createHash('sha256').update('token-of-ada').digest('hex');
  const tokens = [
    { name: 'ada', role: 'write', sha256 },
    { name: 'prometheus', role: 'read', token: 'token-of-prometheus' },
  ];
  writeFileSync(config, JSON.stringify({ admin: { tokens } }));
  const command = await startCommand(t, { args: ['--config', config], withoutToken: true });
  assert.equal(await status(`${command.http}/backends/a`, 'token-of-ada', 'DELETE'), 404);
  assert.equal(await status(`${command.http}/backends/a`, 'token-of-prometheus', 'DELETE'), 403);
  assert.equal(await status(`${command.http}/metrics`, 'token-of-prometheus'), 200);
});

for (const [what, code, named, env] of [
  [
    'a token file that is not there',
    2,
    /HOLDFAST_ADMIN_TOKEN_FILE: \/nowhere\/token cannot be read/,
    { HOLDFAST_ADMIN_TOKEN_FILE: '/nowhere/token' },
  ],
  [
    'a token in place of its file',
    2,
    /HOLDFAST_ADMIN_TOKEN_FILE: \(not shown, as it looks like no path\) cannot be read/,
    { HOLDFAST_ADMIN_TOKEN_FILE: 'a-token-and-no-path' },
  ],
  [
    'one token for both roles',
    2,
    /admin\.tokens\[1\] has the name or the token of admin\.tokens\[0\]/,
    { HOLDFAST_ADMIN_TOKEN: 'same-token', HOLDFAST_ADMIN_READ_TOKEN: 'same-token' },
  ],
  [
    'a token file with a book in it',
    2,
    /HOLDFAST_ADMIN_TOKEN_FILE: .*LICENSE must hold one token/,
    { HOLDFAST_ADMIN_TOKEN_FILE: join(import.meta.dirname, '../../LICENSE') },
  ],
  [
    'an admin host without a port',
    2,
    /admin\.listen\.host needs admin\.listen\.port.*\(HOLDFAST_ADMIN_HOST\)$/,
    { HOLDFAST_ADMIN_HOST: '127.0.0.1' },
  ],
  [
    'the admin port Kubernetes makes',
    2,
    /HOLDFAST_ADMIN_PORT.*enableServiceLinks/,
    {
      HOLDFAST_ADMIN_PORT: 'tcp://10.0.0.1:9090',
      HOLDFAST_ADMIN_SERVICE_HOST: '10.0.0.1',
      HOLDFAST_ADMIN_PORT_9090_TCP: 'x',
    },
  ],
  [
    'an admin address that is not of this machine',
    1,
    /cannot listen on 192\.0\.2\.1:9: this machine does not have that address/,
    { HOLDFAST_ADMIN_HOST: '192.0.2.1', HOLDFAST_ADMIN_PORT: '9' },
  ],
  [
    'a backend that may not be one',
    2,
    /backends\[1\]: ws:\/\/169\.254\.169\.254\/ may not be a backend.*link-local/,
    { HOLDFAST_BACKENDS: 'ws://10.0.0.1,ws://169.254.169.254' },
  ],
] as const) {
  test(`exit code ${code} and one line that names the key: ${what}`, async (t) => {
    const command = runCommand(t, { env: { HOLDFAST_PORT: '0', HOLDFAST_LOG_LEVEL: 'silent', ...env } });
    assert.equal(await command.ended(60_000), code, command.stdout);
    const lines = command.stderr.trim().split('\n');
    assert.equal(lines.length, 1, command.stderr);
    assert.match(lines[0]!, named);
    assert.doesNotMatch(command.stderr, new RegExp(`same-token|${commandToken}`));
  });
}
