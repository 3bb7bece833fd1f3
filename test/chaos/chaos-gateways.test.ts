/**
 * Three gateways and their Redis, which are killed, ended, emptied and frozen by chance, also two at once, under clients that can resume.
 * Longer, and another one: HOLDFAST_CHAOS_SECONDS=600 HOLDFAST_CHAOS_SEED=7 npm test -- --test-timeout=800000 chaos-gateways
 */
import { test } from 'node:test';
import { needDebianPackages } from '../support/debian-packages.ts';
import { GatewayFleet } from '../support/gateway-fleet.ts';
import { sleep } from '../support/wait.ts';

const seconds = Number(process.env['HOLDFAST_CHAOS_SECONDS'] ?? 40);
const seed = Number(process.env['HOLDFAST_CHAOS_SEED'] ?? 20_264);

/** From 0 to 1, the same for the same seed. */
function chanceOf(from: number): () => number {
  let state = from % 2_147_483_647 || 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

type Blow = (fleet: GatewayFleet, one: number, other: number, waitMs: number) => Promise<unknown>;

const blows: Readonly<Record<string, Blow>> = {
  'a gateway is killed': (fleet, one) => fleet.restart(one, 'SIGKILL'),
  'a gateway ends': (fleet, one) => fleet.restart(one, 'SIGTERM'),
  'two gateways end': (fleet, one, other) =>
    Promise.all([fleet.restart(one, 'SIGTERM'), fleet.restart(other, 'SIGTERM')]),
  'a gateway ends, and meanwhile another is killed': (fleet, one, other, waitMs) =>
    Promise.all([fleet.restart(one, 'SIGTERM'), sleep(waitMs).then(() => fleet.restart(other, 'SIGKILL'))]),
  'a gateway ends, and meanwhile Redis forgets all': (fleet, one, _other, waitMs) =>
    Promise.all([fleet.restart(one, 'SIGTERM'), sleep(waitMs).then(() => fleet.redis.command('FLUSHALL'))]),
  'Redis restarts empty': (fleet) => fleet.restartRedisEmpty(),
  'Redis is frozen': async (fleet, _one, _other, waitMs) => {
    await fleet.redis.freeze();
    await sleep(1500 + waitMs);
    fleet.redis.thaw();
  },
};

test('300 clients, 3 gateways and a Redis to which anything may happen: nothing is lost upstream, nothing comes twice, each reset says why', async (t) => {
  if (!needDebianPackages(t, 'redis-server', 'haproxy')) return;
  const fleet = await GatewayFleet.start(t);
  const { crowd } = fleet;
  const chance = chanceOf(seed);
  const names = Object.keys(blows);
  t.diagnostic(`seed ${seed}, ${seconds} s`);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const name = names[Math.floor(chance() * names.length)]!;
    const one = Math.floor(chance() * 3);
    const { resets, resumes } = crowd;
    await blows[name]!(fleet, one, (one + 1) % 3, chance() * 2000);
    await crowd.opened(60_000);
    await fleet.flows();
    t.diagnostic(`${name}: ${crowd.resets.length - resets.length} resets, ${crowd.resumes - resumes} resumes`);
  }
  await fleet.finish();
});
