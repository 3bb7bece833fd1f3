/** Gateways in processes of their own, on a real Redis: one pool and configuration, which survive the restart of all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendPage } from '../../src/pool/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { membersOf } from '../support/cluster.ts';
import { type RunningCommand, runCommand, startCommand } from '../support/command.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';

const fleetOf = (url: string) => (name: string) => ({ HOLDFAST_REDIS_URL: url, HOLDFAST_GATEWAY_NAME: name });
const member = (command: RunningCommand) => ({
  admin: async (method: string, path: string) => ({ headers: new Headers(), ...(await command.admin(method, path)) }),
});
const poolOf = async (command: RunningCommand) => (await command.admin('GET', '/backends')).body as BackendPage;

test('what is registered and set on one gateway is so on the others within a second, and after a restart of all', async (t) => {
  needDebianPackages(t, 'redis-server');
  const backend = await startBackend(t, { tag: 'a' });
  const redis = await startRedis(t);
  const env = fleetOf(redis.url);
  const all: RunningCommand[] = [];
  for (const name of ['one', 'two', 'six']) all.push(await startCommand(t, { env: env(name) }));
  const [one, two, six] = all as [RunningCommand, RunningCommand, RunningCommand];
  await until(async () => (await membersOf(member(one))).length === 3);

  assert.equal((await one.admin('POST', '/backends', { url: backend.url, id: 'a', weight: 3 })).status, 201);
  assert.equal((await two.admin('PATCH', '/config/heartbeat', { client: { intervalMs: 7000 } })).status, 200);
  const begun = performance.now();
  await until(async () => (await poolOf(six)).backends.length === 1);
  await until(async () => {
    const { body } = await six.admin('GET', '/config/heartbeat');
    return (body as { client: { intervalMs: number } }).client.intervalMs === 7000;
  });
  assert.ok(performance.now() - begun < 1000, 'later than a second');
  const client = await connect(t, two.ws);
  assert.equal((await client.ask('hello')).text, 'a:hello');
  client.close();

  for (const command of all) command.kill('SIGTERM');
  for (const command of all) assert.equal(await command.ended(), 0);
  assert.equal(await redis.command('EXISTS', 'holdfast:members'), 0, 'a gateway did not leave');
  const next = await startCommand(t, { env: env('next') });
  const { backends } = await poolOf(next);
  assert.deepEqual(
    backends.map(({ id, weight }) => [id, weight]),
    [['a', 3]],
  );
  const { body } = await next.admin('GET', '/config/heartbeat');
  assert.equal((body as { client: { intervalMs: number } }).client.intervalMs, 7000);
  assert.equal((await (await connect(t, next.ws)).ask('again')).text, 'a:again');
});

test('an address that is none ends the start with one line, without the password in it', async (t) => {
  const command = runCommand(t, { env: { HOLDFAST_REDIS_URL: 'http://user:secret-word@redis', HOLDFAST_PORT: '0' } });
  assert.equal(await command.ended(), 2);
  assert.match(command.stderr, /redis\.url/);
  assert.ok(!command.stderr.includes('secret-word'));
});
