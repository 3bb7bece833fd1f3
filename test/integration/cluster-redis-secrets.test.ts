/** The command towards a Redis that asks for a password and a certificate: both come from files, and neither is ever repeated. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificates } from '../support/certificates.ts';
import { type RunningCommand, runCommand, startCommand, temporaryFolder } from '../support/command.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';

const password = 'hidden-pw/with:signs@';

async function stage(t: TestContext) {
  const { ca, server, client, stranger } = await certificates();
  const redis = await startRedis(t, { tls: { ...server, ca: ca.cert, client }, password });
  const folder = temporaryFolder(t);
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const env = {
    HOLDFAST_REDIS_TLS_CA: file('ca.pem', ca.cert),
    HOLDFAST_REDIS_TLS_CERT: file('cert.pem', client.cert),
    HOLDFAST_REDIS_TLS_KEY: file('key.pem', client.key),
  };
  return { redis, file, env, stranger };
}

async function clusterOf(command: RunningCommand): Promise<{ up: boolean; reason: string | null; gateways: number }> {
  const { body } = await command.admin('GET', '/readyz');
  return (body as { cluster: { up: boolean; reason: string | null; gateways: number } }).cluster;
}

const silent = (command: { stdout: string; stderr: string }) =>
  assert.doesNotMatch(command.stdout + command.stderr, /hidden-pw/);

test('password, url and certificates from files: two gateways find each other over TLS; without its certificate one is alone', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const { redis, file, env, stranger } = await stage(t);
  const one = await startCommand(t, {
    env: { ...env, HOLDFAST_REDIS_URL: redis.url, HOLDFAST_REDIS_PASSWORD_FILE: file('password', `${password}\n`) },
  });
  const url = redis.url.replace('//', `//default:${encodeURIComponent(password)}@`);
  const two = await startCommand(t, { env: { ...env, HOLDFAST_REDIS_URL_FILE: file('url', `${url}\n`) } });
  await until(async () => (await clusterOf(one)).gateways === 2 && (await clusterOf(two)).gateways === 2, {
    what: 'two gateways that know each other',
  });

  const other = {
    HOLDFAST_REDIS_TLS_CERT: file('other.pem', stranger.cert),
    HOLDFAST_REDIS_TLS_KEY: file('o', stranger.key),
  };
  const lonely = await startCommand(t, {
    env: { ...env, ...other, HOLDFAST_REDIS_URL: redis.url, HOLDFAST_REDIS_PASSWORD: password },
  });
  const { up, reason } = await clusterOf(lonely);
  assert.equal(up, false);
  assert.ok(['disconnected', 'timeout'].includes(reason ?? ''), `${reason}`);
  for (const command of [one, two, lonely]) silent(command);
});

test('what is wrong with the files ends the start with one line that names the variable', async (t) => {
  const { ca, client } = await certificates();
  const folder = temporaryFolder(t);
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const url = 'rediss://127.0.0.1:1';
  const wrong: [Record<string, string>, RegExp][] = [
    [{ HOLDFAST_REDIS_URL_FILE: join(folder, 'none') }, /HOLDFAST_REDIS_URL_FILE: .*none cannot be read \(ENOENT\)/],
    [
      { HOLDFAST_REDIS_URL: url, HOLDFAST_REDIS_PASSWORD_FILE: file('two', 'hidden-pw hidden-pw') },
      /HOLDFAST_REDIS_PASSWORD_FILE: .*two must hold one password/,
    ],
    [
      { HOLDFAST_REDIS_URL: url, HOLDFAST_REDIS_URL_FILE: file('url', 'redis://hidden-pw@h') },
      /HOLDFAST_REDIS_URL and HOLDFAST_REDIS_URL_FILE are both set/,
    ],
    [{ HOLDFAST_REDIS_PASSWORD_FILE: file('pw', 'hidden-pw') }, /redis\.url/],
    [{ HOLDFAST_REDIS_URL: url, HOLDFAST_REDIS_TLS_CA: file('ca', 'hidden-pw') }, /redis\.tls\.ca .*no certificate/],
    [
      { HOLDFAST_REDIS_URL: url, HOLDFAST_REDIS_TLS_CERT: file('cert', client.cert) },
      /redis\.tls\.cert needs redis\.tls\.key/,
    ],
    [
      { HOLDFAST_REDIS_URL: 'redis://127.0.0.1:1', HOLDFAST_REDIS_TLS_CA: file('good', ca.cert) },
      /redis\.tls is set, but redis\.url begins with redis:/,
    ],
  ];
  for (const [env, message] of wrong) {
    const command = runCommand(t, { env: { HOLDFAST_PORT: '0', ...env } });
    assert.equal(await command.ended(), 2, JSON.stringify(Object.keys(env)));
    assert.match(command.stderr, message);
    assert.equal(command.stderr.trim().split('\n').length, 1);
    silent(command);
  }
});
