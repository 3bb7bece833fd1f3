/** The `holdfast` command as a user runs it: a process of its own. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it, test } from 'node:test';
import { variables } from '../../src/variables.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { configFile, runCommand, startCommand } from '../support/command.ts';
import { until } from '../support/wait.ts';

test('it starts, takes a backend by REST, serves a client, and survives the death of the backend', async (t) => {
  const [one, two] = await Promise.all([startBackend(t, { tag: 'one' }), startBackend(t, { tag: 'two' })]);
  const gateway = await startCommand(t);
  assert.equal(gateway.log().filter((line) => line.msg.startsWith('listening on')).length, 1);
  assert.equal(gateway.stderr, '');

  assert.equal((await fetch(`${gateway.http}/readyz`)).status, 503);
  const registered = await gateway.admin('POST', '/backends', { id: 'one', url: one.url });
  assert.equal(registered.status, 201);
  assert.equal((await fetch(`${gateway.http}/readyz`)).status, 200);
  assert.equal((await fetch(`${gateway.http}/livez`)).status, 200);

  const client = await connect(t, gateway.ws);
  assert.equal((await client.ask('hello')).text, 'one:hello');
  assert.equal((await gateway.admin('POST', '/backends', { id: 'two', url: two.url })).status, 201);
  await one.kill();
  client.send('again');
  // What was sent last before may come to both: at-least-once.
  await client.waitFor('two:again');
  // The log comes through a pipe of its own, maybe after the answer.
  const names = (): string[] => gateway.log().flatMap(({ event }) => (typeof event === 'string' ? [event] : []));
  for (const name of ['backend.registered', 'pipe.opened', 'pipe.interrupted', 'pipe.restored']) {
    await until(() => names().includes(name), { what: () => `${name} in the log, which has ${names().join(', ')}` });
  }
  const interrupted = gateway.log().find((line) => line.event === 'pipe.interrupted');
  assert.equal(interrupted?.['backendId'], 'one');
  assert.equal(typeof interrupted?.['pipeId'], 'string');
});

test('SIGTERM: readyz and new upgrades get 503, clients get 1012, exit code 0', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startCommand(t, {
    args: ['--config', configFile(t, '{"shutdown":{"spreadMs":1500}}')],
    env: { HOLDFAST_BACKENDS: backend.url },
  });
  const clients = await Promise.all([1, 2, 3, 4].map(() => connect(t, gateway.ws)));
  const signalled = performance.now();
  gateway.kill('SIGTERM');
  await until(() => gateway.stdout.includes('gateway.closing'), { what: 'the closing to begin' });
  const ready = await fetch(`${gateway.http}/readyz`);
  assert.equal(ready.status, 503);
  assert.equal(((await ready.json()) as { reason: string }).reason, 'the gateway is closing');
  const refused = await connectRefused(t, gateway.ws);
  assert.equal(refused.status, 503);
  assert.ok(refused.headers['retry-after']);
  const closed = await Promise.all(
    clients.map(async (client) => ({ ...(await client.waitClosed(8000)), at: performance.now() - signalled })),
  );
  assert.deepEqual(
    closed.map(({ code }) => code),
    [1012, 1012, 1012, 1012],
  );
  const last = Math.max(...closed.map(({ at }) => at));
  assert.ok(last > 500 && last < 4000, `the last was closed after ${last} ms`);
  assert.equal(await gateway.ended(), 0);
});

test('a second signal ends it at once with code 1', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startCommand(t, {
    args: ['--config', configFile(t, '{"shutdown":{"spreadMs":20000}}')],
    env: { HOLDFAST_BACKENDS: backend.url },
  });
  await Promise.all([1, 2, 3].map(() => connect(t, gateway.ws)));
  gateway.kill('SIGTERM');
  await until(() => gateway.stdout.includes('gateway.closing'), { what: 'the closing to begin' });
  const at = performance.now();
  gateway.kill('SIGTERM');
  assert.equal(await gateway.ended(), 1);
  assert.ok(performance.now() - at < 2000);
});

test('SIGINT twice within a moment is one Ctrl-C under npm, a later one is meant', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startCommand(t, {
    args: ['--config', configFile(t, '{"shutdown":{"spreadMs":20000}}')],
    env: { HOLDFAST_BACKENDS: backend.url },
  });
  await connect(t, gateway.ws);
  await connect(t, gateway.ws);
  gateway.kill('SIGINT');
  await until(() => gateway.stdout.includes('gateway.closing'), { what: 'the closing to begin', intervalMs: 2 });
  gateway.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(gateway.exit, undefined);
  gateway.kill('SIGINT');
  assert.equal(await gateway.ended(), 1);
});

test('without a token one is made up, printed once on stderr, and works', async (t) => {
  const gateway = runCommand(t, { env: { HOLDFAST_PORT: '0' } });
  await until(() => gateway.stdout.includes('listening on') && gateway.stderr.includes('\n'), { timeoutMs: 15_000 });
  const made = /token of this run is (\S+)\n$/.exec(gateway.stderr)?.[1] ?? '';
  assert.ok(made.length >= 20, gateway.stderr);
  assert.equal(gateway.stderr.split(made).length, 2);
  assert.ok(!gateway.stdout.includes(made));
  const address = gateway.log().find((line) => line.address !== undefined)?.address;
  const ask = (authorization: string) => fetch(`${address}/backends`, { headers: { authorization } });
  assert.equal((await ask(`Bearer ${made}`)).status, 200);
  assert.equal((await ask('Bearer something-else')).status, 401);
});

test('the file goes over the defaults, the environment over the file', async (t) => {
  const backend = await startBackend(t, { tag: 'from-file' });
  const file = configFile(
    t,
    JSON.stringify({
      path: '/from-file',
      backends: [{ id: 'f', url: backend.url, labels: { zone: 'a' } }],
      heartbeat: { client: { intervalMs: 7000, json: 'off' } },
      admin: { prefix: '/admin', tokens: ['token-of-the-file'] },
      logLevel: 'debug',
    }),
  );
  const gateway = await startCommand(t, {
    args: ['--config', file],
    env: { HOLDFAST_PATH: '/from-env', HOLDFAST_HEARTBEAT_INTERVAL_MS: '3000', HOLDFAST_HEARTBEAT_TIMEOUT_MS: '4000' },
  });
  const client = await connect(t, `${gateway.http.replace('http', 'ws')}/from-env/below`);
  assert.equal((await client.ask('x')).text, 'from-file:x');
  const heartbeat = (await gateway.admin('GET', '/admin/config/heartbeat')).body as {
    client: object;
    backend: object;
  };
  const expected = { intervalMs: 3000, timeoutMs: 4000, timeoutSet: true, json: 'off' };
  assert.deepEqual(heartbeat.client, expected);
  assert.deepEqual(heartbeat.backend, expected);
  const answer = await fetch(`${gateway.http}/admin/backends`, {
    headers: { authorization: 'Bearer token-of-the-file' },
  });
  assert.equal(answer.status, 401, 'the token of the environment takes the place of those of the file');
});

test('the log has no query string, token or cookie, at any level', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startCommand(t, {
    env: { HOLDFAST_BACKENDS: `${backend.url}/?key=SECRET-0`, HOLDFAST_LOG_LEVEL: 'trace' },
  });
  const headers = { cookie: 'session=SECRET-2', authorization: 'Bearer SECRET-3', 'x-api-key': 'SECRET-4' };
  const client = await connect(t, `${gateway.ws}/room?access_token=SECRET-1`, { headers });
  await client.ask('SECRET-5');
  await fetch(`${gateway.http}/backends?token=SECRET-6`, { headers });
  await fetch(`${gateway.http}/nowhere?token=SECRET-7`, { headers });
  await fetch(`${gateway.http}/%zz?token=SECRET-8`, { headers });
  await fetch(`${gateway.ws.replace('ws', 'http')}?token=SECRET-9`, { headers });
  await connectRefused(t, `${gateway.http.replace('http', 'ws')}/nowhere?token=SECRET-10`, { headers });
  await fetch(`${gateway.http}/livez?token=SECRET-11`, { headers });
  client.close();
  await client.waitClosed();
  gateway.kill('SIGTERM');
  assert.equal(await gateway.ended(), 0);
  assert.ok(gateway.stdout.includes('pipe.opened') && gateway.stdout.includes('/nowhere'));
  const leaks = (gateway.stdout + gateway.stderr).split('\n').filter((line) => /SECRET|command-test-token/.test(line));
  assert.deepEqual(leaks, []);
});

const badStarts: readonly (readonly [
  string,
  RegExp,
  { env?: Record<string, string>; file?: string; args?: string[] },
])[] = [
  ['a port that is a word', /HOLDFAST_PORT\b/, { env: { HOLDFAST_PORT: 'http' } }],
  ['a port too high', /HOLDFAST_PORT\b/, { env: { HOLDFAST_PORT: '70000' } }],
  ['an empty port', /HOLDFAST_PORT\b/, { env: { HOLDFAST_PORT: '' } }],
  ['the port Kubernetes makes', /HOLDFAST_PORT\b.*Service/, { env: { HOLDFAST_PORT: 'tcp://10.0.0.1:80' } }],
  ['an empty host', /HOLDFAST_HOST\b/, { env: { HOLDFAST_HOST: '' } }],
  ['a path without slash', /HOLDFAST_PATH\b/, { env: { HOLDFAST_PATH: 'ws' } }],
  ['a backend that is no ws url', /HOLDFAST_BACKENDS\b/, { env: { HOLDFAST_BACKENDS: 'ws://127.0.0.1:1,http://x' } }],
  ['a backend twice', /backends\[1\].*HOLDFAST_BACKENDS\b/, { env: { HOLDFAST_BACKENDS: 'ws://a:1,ws://a:1/' } }],
  ['a token too short', /HOLDFAST_ADMIN_TOKEN\b/, { env: { HOLDFAST_ADMIN_TOKEN: 'seven77' } }],
  ['an interval too short', /HOLDFAST_HEARTBEAT_INTERVAL_MS\b/, { env: { HOLDFAST_HEARTBEAT_INTERVAL_MS: '5' } }],
  [
    'a time-out below the interval',
    /heartbeat\.client\.timeoutMs.*HOLDFAST_HEARTBEAT_TIMEOUT_MS/,
    { env: { HOLDFAST_HEARTBEAT_TIMEOUT_MS: '1000' } },
  ],
  ['a buffer of nothing', /HOLDFAST_BUFFER_MAX_BYTES_PER_PIPE\b/, { env: { HOLDFAST_BUFFER_MAX_BYTES_PER_PIPE: '0' } }],
  ['a message over half the buffer', /buffer\.maxBytesPerPipe/, { env: { HOLDFAST_MAX_MESSAGE_BYTES: '9999999' } }],
  ['a delivery that is not known', /HOLDFAST_DELIVERY\b/, { env: { HOLDFAST_DELIVERY: 'exactly-once' } }],
  ['a log level that is not known', /HOLDFAST_LOG_LEVEL\b/, { env: { HOLDFAST_LOG_LEVEL: 'loud' } }],
  ['a variable that is not known', /HOLDFAST_BACKEND\b/, { env: { HOLDFAST_BACKEND: 'ws://127.0.0.1:1' } }],
  ['a path of the admin API', /path \(\/backends\)/, { env: { HOLDFAST_PATH: '/backends' } }],
  ['a certificate without its key', /tls\.key\b/, { env: { HOLDFAST_TLS_CERT: '/nowhere/cert.pem' } }],
  [
    'a certificate that is not there',
    /tls\.cert: \/nowhere\/cert\.pem .*ENOENT/,
    { env: { HOLDFAST_TLS_CERT: '/nowhere/cert.pem', HOLDFAST_TLS_KEY: '/nowhere/key.pem' } },
  ],
  [
    'a file without a certificate for the backends',
    /backendTls\.ca .*HOLDFAST_BACKEND_TLS_CA/,
    { env: { HOLDFAST_BACKEND_TLS_CA: '/dev/null' } },
  ],
  [
    'a client certificate without its key',
    /backendTls\.cert .*backendTls\.key/,
    { file: '{"backendTls":{"cert":"x"}}' },
  ],
  ['an unknown key in the file', /pool\.maxError\b/, { file: '{"pool":{"maxError":3}}' }],
  ['a string for a number in the file', /pool\.maxErrors\b/, { file: '{"pool":{"maxErrors":"3"}}' }],
  ['a wrong value that the environment hides', /port\b/, { file: '{"port":"8080"}', env: { HOLDFAST_PORT: '0' } }],
  ['a bad backend in the file', /backends\[0\]/, { file: '{"backends":["tcp://x"]}' }],
  ['admin.auth in the file', /admin\.auth\b/, { file: '{"admin":{"auth":{"tokens":["0123456789"]}}}' }],
  ['no token in the file', /admin\.tokens\b/, { file: '{"admin":{"tokens":[]}}' }],
  ['a path that the OpenAPI page has', /path \(\/docs\)/, { env: { HOLDFAST_PATH: '/docs' } }],
  ['a path that is no route', /^holdfast: HOLDFAST_PATH must/, { env: { HOLDFAST_PATH: '/ws/*' } }],
  ['an admin prefix without slash', /admin\.prefix\b/, { file: '{"admin":{"prefix":"admin"}}' }],
  ['broken JSON', /holdfast\.json is not valid JSON/, { file: '{"port": 8080,\n "path": "SECRET" "x"}' }],
  ['a list as the file', /holdfast\.json.*object/, { file: '[]' }],
  ['a file that is not there', /--config .*none\.json/, { args: ['--config', '/nowhere/none.json'] }],
  ['a flag that is not known', /--port/, { args: ['--port=1'] }],
  ['a word too many', /start/, { args: ['start'] }],
];

describe('exit code 2 and one line that names the key', { concurrency: 4 }, () => {
  for (const [what, names, { env, file, args = [] }] of badStarts)
    it(what, async (t) => {
      const more = file === undefined ? args : ['--config', configFile(t, file)];
      const command = runCommand(t, { args: more, ...(env === undefined ? {} : { env }) });
      assert.equal(await command.ended(), 2, command.stderr);
      assert.match(command.stderr, /^holdfast: [^\n]+\n$/);
      assert.match(command.stderr, names);
      assert.ok(!command.stderr.includes('SECRET') && !command.stderr.includes('seven77'));
      assert.ok(!command.stdout.includes('listening'));
    });
});

test('an error that nothing caught is logged, the clients are closed, exit code 1', async (t) => {
  const backend = await startBackend(t);
  const throwing = "process.on('SIGCONT', () => { throw new Error('thrown by the test'); })";
  const gateway = await startCommand(t, {
    node: ['--import', `data:text/javascript,${encodeURIComponent(throwing)}`],
    args: ['--config', configFile(t, '{"shutdown":{"spreadMs":0}}')],
    env: { HOLDFAST_BACKENDS: backend.url },
  });
  const client = await connect(t, gateway.ws);
  gateway.kill('SIGCONT');
  assert.equal((await client.waitClosed()).code, 1012);
  assert.equal(await gateway.ended(), 1);
  assert.ok(gateway.log().some((line) => line['level'] === 60 && JSON.stringify(line).includes('thrown by the test')));
});

test('a fault of the processor ends the process at once, so that it can be started anew', async (t) => {
  const gateway = await startCommand(t);
  gateway.kill('SIGSEGV');
  await gateway.ended();
  assert.equal(gateway.exit?.signal, 'SIGSEGV');
});

test('a port that is taken: one line, exit code 1', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const { port } = server.address() as { port: number };
  const command = runCommand(t, { env: { HOLDFAST_PORT: String(port) } });
  assert.equal(await command.ended(), 1);
  assert.match(
    command.stderr,
    new RegExp(`^holdfast: cannot listen on 127\\.0\\.0\\.1:${port}: [^\\n]+EADDRINUSE[^\\n]+\\n$`),
  );
});

test('--help names every variable, --version the version', async (t) => {
  const help = runCommand(t, { args: ['--help'] });
  const version = runCommand(t, { args: ['--version'] });
  assert.equal(await help.ended(), 0);
  assert.equal(await version.ended(), 0);
  assert.deepEqual(
    help.stdout.match(/(?<=^ {2})HOLDFAST_\w+/gm),
    variables.map(({ name }) => name),
  );
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
