/** The whole of it: a gateway is killed, Redis restarts with nothing in it, and all gateways are restarted one after the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendPage } from '../../src/pool/views.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { GatewayFleet } from '../support/gateway-fleet.ts';
import { until } from '../support/wait.ts';

const clients = 300;

test('a gateway is killed, Redis restarts empty, all gateways are restarted: 300 clients lose nothing upstream, get nothing twice, and know of each reset', async (t) => {
  if (!needDebianPackages(t, 'redis-server', 'haproxy')) return;
  const fleet = await GatewayFleet.start(t, { clients });
  const { crowd, gateways, registeredMs } = fleet;
  assert.ok(registeredMs < 1000, `a backend that was registered is used by the others after ${registeredMs} ms`);
  const tell = (what: string, since: number) =>
    t.diagnostic(
      `${what}: ${Math.round(performance.now() - since)} ms, ${crowd.resets.length} resets, ${crowd.resumes} resumes so far`,
    );
  await fleet.flows();

  // A gateway dies.
  let begun = performance.now();
  const victims = await fleet.pipes(0);
  assert.ok(victims > clients / 6, `${victims} clients at the gateway that is killed`);
  gateways[0]!.kill('SIGKILL');
  await until(() => crowd.resets.length >= victims, {
    timeoutMs: 30_000,
    what: () => `${victims} resets; there are ${crowd.resets.length}`,
  });
  await crowd.opened();
  tell(`SIGKILL of a gateway with ${victims} clients`, begun);
  assert.deepEqual([...new Set(crowd.resets)], ['gateway-gone']);
  assert.equal(crowd.resets.length, victims, 'nobody else');
  await fleet.flows();
  await fleet.startGateway(0);

  // Redis loses everything.
  begun = performance.now();
  await fleet.restartRedisEmpty();
  for (const number of [0, 1, 2])
    await until(async () => (await fleet.ready(number)).up, { timeoutMs: 15_000, what: 'the store to be used again' });
  const sessions = async () => ((await fleet.redis.command('KEYS', 'holdfast:pipe:*')) as string[]).length;
  await until(async () => (await sessions()) === clients, {
    timeoutMs: 15_000,
    what: 'all sessions to be in Redis again',
  });
  tell('Redis restarted empty, and knows all sessions again', begun);
  for (const { admin } of gateways)
    await until(async () => ((await admin('GET', '/backends')).body as BackendPage).backends.length === 3);
  await fleet.flows();
  assert.equal(crowd.resets.length, victims, 'nobody noticed');

  // All gateways are restarted, one after the other; that with the fewest clients comes last, when it has more.
  for (const number of [1, 2, 0]) {
    begun = performance.now();
    const moved = await fleet.pipes(number);
    await fleet.restart(number, 'SIGTERM');
    tell(`restart of gateway ${number + 1} with ${moved} clients`, begun);
  }
  await crowd.opened();
  await fleet.flows();

  await fleet.finish();
  assert.equal(crowd.resets.length, victims, 'no reset by a restart');
});
