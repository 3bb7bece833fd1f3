/**
 * The whole of it: three gateways as users run them, on one Redis, behind HAProxy with the recipe of deploy/, three backends, and clients
 * that can resume. A gateway is killed, Redis restarts with nothing in it, and all gateways are restarted one after the other.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { BackendPage } from '../../src/pool/views.ts';
import { type BackendProcess, startBackend } from '../support/backend-process.ts';
import { type Balancer, startBalancer } from '../support/balancer.ts';
import { connect } from '../support/client.ts';
import { commandToken, configFile, type RunningCommand, startCommand } from '../support/command.ts';
import { Crowd } from '../support/crowd.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';

const clients = 300;
const perSecond = 4;

/** Gateways that keep their ports when they are started anew. */
class Gateways {
  readonly all: RunningCommand[] = [];
  readonly #t: TestContext;
  readonly #env: (number: number) => Record<string, string>;
  readonly #config: string;

  constructor(t: TestContext, redis: RedisServer, config: object) {
    this.#t = t;
    this.#config = configFile(t, JSON.stringify(config));
    this.#env = (number) => ({
      HOLDFAST_REDIS_URL: redis.url,
      HOLDFAST_GATEWAY_NAME: `gateway-${number + 1}`,
      HOLDFAST_TRUST_PROXY: '127.0.0.1',
      HOLDFAST_PORT: String(number < this.ports.length ? this.ports[number] : 0),
    });
  }

  readonly ports: number[] = [];

  /** Starts gateway `number`, from 0, and waits until it takes clients. */
  async start(number: number, balancer?: Balancer): Promise<void> {
    const args = ['--config', this.#config];
    this.all[number] = await startCommand(this.#t, { args, env: this.#env(number) });
    this.ports[number] = Number(new URL(this.all[number].http).port);
    await until(async () => (await this.ready(number)).status === 200, { what: `gateway ${number + 1} to be ready` });
    const up = async () => (await balancer?.status(`gateway-${number + 1}`)) !== 'DOWN';
    await until(up, { what: `HAProxy to see that gateway ${number + 1} is ready` });
  }

  async ready(number: number): Promise<{ status: number; cluster: { up: boolean; gateways: number } }> {
    const { status, body } = await this.all[number]!.admin('GET', '/readyz');
    return { status, cluster: (body as { cluster: { up: boolean; gateways: number } }).cluster };
  }

  /** What it serves itself, now. */
  async pipes(number: number): Promise<number> {
    const headers = { authorization: `Bearer ${commandToken}` };
    const text = await (await fetch(`${this.all[number]!.http}/metrics`, { headers })).text();
    const counts = [...text.matchAll(/^holdfast_pipes\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    assert.ok(counts.length > 0, text);
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

/** Registers `backend` on the first gateway. @returns milliseconds until the last of the others had a client at it. */
async function register(
  t: TestContext,
  { all: [first, ...others] }: Gateways,
  backend: BackendProcess,
): Promise<number> {
  const begun = performance.now();
  const body = { url: backend.url, id: backend.options.tag! };
  assert.equal((await first!.admin('POST', '/backends', body)).status, 201);
  await Promise.all(
    others.map(({ ws }) =>
      until(
        async () => {
          const client = await connect(t, ws, { collect: true });
          const { text } = await client.ask('who?');
          client.close();
          return text?.startsWith(`${backend.options.tag}/`);
        },
        { what: 'a client of the other gateway at the new backend' },
      ),
    ),
  );
  return performance.now() - begun;
}

test('a gateway is killed, Redis restarts empty, all gateways are restarted: 300 clients lose nothing upstream, get nothing twice, and know of each reset', async (t) => {
  if (!needDebianPackages(t, 'redis-server', 'haproxy')) return;
  const backends: BackendProcess[] = [];
  const record = { textBytes: 32 };
  for (const tag of ['a', 'b', 'c'])
    backends.push(await startBackend(t, { tag, stamp: true, record, push: { intervalMs: 1500, bytes: 128 } }));
  let redis = await startRedis(t);
  const known = backends.slice(0, 2).map(({ url, options: { tag } }) => ({ url, id: tag! }));
  const gateways = new Gateways(t, redis, { backends: known, shutdown: { spreadMs: 3000 } });
  for (let number = 0; number < 3; number += 1) await gateways.start(number);
  const [one, two, three] = gateways.ports as [number, number, number];
  const balancer = await startBalancer(t, 'haproxy', [one, two, three]);
  for (let number = 0; number < 3; number += 1)
    await until(async () => (await gateways.ready(number)).cluster.gateways === 3, { what: 'three gateways' });

  const crowd = new Crowd(t, balancer.url, clients);
  await crowd.opened();
  crowd.start(perSecond);
  const registeredMs = await register(t, gateways, backends[2]!);
  assert.ok(registeredMs < 1000, `a backend that was registered is used by the others after ${registeredMs} ms`);
  const more = async (): Promise<void> => {
    const { received } = crowd;
    await until(() => crowd.received > received + 2 * clients, { timeoutMs: 20_000, what: 'messages to go on' });
  };
  const tell = (what: string, since: number) =>
    t.diagnostic(
      `${what}: ${Math.round(performance.now() - since)} ms, ${crowd.resets.length} resets, ${crowd.resumes} resumes so far`,
    );
  await more();

  // A gateway dies.
  let begun = performance.now();
  const victims = await gateways.pipes(0);
  assert.ok(victims > clients / 6, `${victims} clients at the gateway that is killed`);
  gateways.all[0]!.kill('SIGKILL');
  await until(() => crowd.resets.length >= victims, {
    timeoutMs: 30_000,
    what: () => `${victims} resets; there are ${crowd.resets.length}`,
  });
  await crowd.opened();
  tell(`SIGKILL of a gateway with ${victims} clients`, begun);
  assert.deepEqual([...new Set(crowd.resets)], ['gateway-gone']);
  assert.equal(crowd.resets.length, victims, 'nobody else');
  await more();
  await gateways.start(0, balancer);

  // Redis loses everything.
  begun = performance.now();
  redis = await redis.restartEmpty(t);
  for (let number = 0; number < 3; number += 1)
    await until(async () => (await gateways.ready(number)).cluster.up, {
      timeoutMs: 15_000,
      what: 'the store to be used again',
    });
  const keys = async () => ((await redis.command('KEYS', 'holdfast:*')) as string[]).sort();
  await until(async () => (await keys()).filter((key) => key.startsWith('holdfast:pipe:')).length === clients, {
    timeoutMs: 15_000,
    what: 'all sessions to be in Redis again',
  });
  tell('Redis restarted empty, and knows all sessions again', begun);
  for (let number = 0; number < 3; number += 1)
    await until(
      async () => ((await gateways.all[number]!.admin('GET', '/backends')).body as BackendPage).backends.length === 3,
    );
  await more();
  assert.equal(crowd.resets.length, victims, 'nobody noticed');

  // All gateways are restarted, one after the other; that with the fewest clients comes last, when it has more.
  for (const number of [1, 2, 0]) {
    begun = performance.now();
    const moved = await gateways.pipes(number);
    gateways.all[number]!.kill('SIGTERM');
    assert.equal(await gateways.all[number]!.ended(30_000), 0);
    await gateways.start(number, balancer);
    tell(`restart of gateway ${number + 1} with ${moved} clients`, begun);
  }
  await crowd.opened();
  await more();

  crowd.stop();
  await crowd.delivered();
  for (const backend of backends) await backend.set({ push: null });
  await crowd.settled(backends);
  assert.deepEqual(
    crowd.members.flatMap(({ ended, index }) => (ended === null ? [] : [`${index}: ${ended}`])),
    [],
  );
  const judged = crowd.judge(backends);
  const { sent, lostUp, twiceUp, received, wrongDown, unexplained, lostDown } = judged;
  t.diagnostic(
    `${sent} messages up, ${lostUp.length} lost, ${twiceUp} twice at a backend; ${received} down, ${wrongDown.length} twice or in disorder; ` +
      `${crowd.resets.length} resets, with which ${lostDown} messages down were lost; a new backend is used everywhere after ${Math.round(registeredMs)} ms`,
  );
  assert.deepEqual(lostUp.slice(0, 20), [], 'lost upstream');
  assert.deepEqual(wrongDown.slice(0, 20), [], 'twice, or in disorder, or with a hole before it');
  assert.deepEqual(unexplained.slice(0, 20), [], 'not received, without a reset');
  assert.deepEqual(
    crowd.resets.filter((reason) => reason !== 'gateway-gone'),
    [],
    'resets by the restarts',
  );
  assert.deepEqual(judged.twiceForNothing.slice(0, 20), [], 'twice at a backend, of clients without a reset');
});
