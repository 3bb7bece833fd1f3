/**
 * Three gateways as users run them, on one Redis, behind HAProxy with the recipe of deploy/, three backends, and a crowd of clients that can
 * resume. Needs the Debian packages redis-server and haproxy. What is killed or ended keeps its address when it is started anew.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type BackendProcess, startBackend } from './backend-process.ts';
import { type Balancer, startBalancer } from './balancer.ts';
import { connect } from './client.ts';
import { commandToken, configFile, type RunningCommand, startCommand } from './command.ts';
import { Crowd, type Judgement } from './crowd.ts';
import { type RedisServer, startRedis } from './redis-server.ts';
import { until } from './wait.ts';

export interface FleetOptions {
  /** Default 300. */
  readonly clients?: number;
  /** Messages of each client. Default 4. */
  readonly perSecond?: number;
}

export class GatewayFleet {
  redis: RedisServer;
  readonly gateways: RunningCommand[] = [];
  /** The third one is registered by the first gateway when the clients are there. */
  readonly backends: readonly BackendProcess[];
  /** From the registration of the third backend until each other gateway had a client at it. */
  registeredMs = Number.NaN;
  readonly #t: TestContext;
  readonly #config: string;
  readonly #ports: number[] = [];
  #balancer: Balancer | null = null;
  #crowd: Crowd | null = null;

  private constructor(t: TestContext, redis: RedisServer, backends: readonly BackendProcess[]) {
    this.#t = t;
    this.redis = redis;
    this.backends = backends;
    const known = backends.slice(0, 2).map(({ url, options: { tag } }) => ({ url, id: tag! }));
    this.#config = configFile(t, JSON.stringify({ backends: known, shutdown: { spreadMs: 3000 } }));
  }

  /** Resolves when all clients have a session and send, and the third backend is used by all gateways. */
  static async start(t: TestContext, { clients = 300, perSecond = 4 }: FleetOptions = {}): Promise<GatewayFleet> {
    const backends: BackendProcess[] = [];
    const push = { intervalMs: 1500, bytes: 128 };
    for (const tag of ['a', 'b', 'c'])
      backends.push(await startBackend(t, { tag, stamp: true, record: { textBytes: 32 }, push }));
    const fleet = new GatewayFleet(t, await startRedis(t), backends);
    // One after the other: each has the time to start to itself.
    for (let number = 0; number < 3; number += 1) await fleet.startGateway(number);
    const balancer = await startBalancer(t, 'haproxy', fleet.#ports as [number, number, number]);
    fleet.#balancer = balancer;
    for (let number = 0; number < 3; number += 1)
      await until(async () => (await fleet.ready(number)).gateways === 3, { what: 'three gateways' });
    fleet.#crowd = new Crowd(t, balancer.url, clients);
    await fleet.crowd.opened();
    fleet.crowd.start(perSecond);
    fleet.registeredMs = await fleet.#register(backends[2]!);
    return fleet;
  }

  get crowd(): Crowd {
    return this.#crowd!;
  }

  /** Starts gateway `number`, from 0, and waits until it takes clients. */
  async startGateway(number: number): Promise<void> {
    const name = `gateway-${number + 1}`;
    this.gateways[number] = await startCommand(this.#t, {
      args: ['--config', this.#config],
      env: {
        HOLDFAST_REDIS_URL: this.redis.url,
        HOLDFAST_GATEWAY_NAME: name,
        HOLDFAST_TRUST_PROXY: '127.0.0.1',
        HOLDFAST_PORT: String(this.#ports[number] ?? 0),
      },
    });
    this.#ports[number] = Number(new URL(this.gateways[number].http).port);
    await until(async () => (await this.ready(number)).status === 200, { what: `${name} to be ready` });
    const up = async () => (await this.#balancer?.status(name)) !== 'DOWN';
    await until(up, { what: `HAProxy to see that ${name} is ready` });
  }

  /** Ends gateway `number`, waits until it is gone, and starts it anew. */
  async restart(number: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.gateways[number]!.kill(signal);
    const code = await this.gateways[number]!.ended(30_000);
    if (signal === 'SIGTERM') assert.equal(code, 0);
    await this.startGateway(number);
  }

  async restartRedisEmpty(): Promise<void> {
    this.redis = await this.redis.restartEmpty(this.#t);
  }

  /** What /readyz of gateway `number` says. */
  async ready(number: number): Promise<{ status: number; up: boolean; gateways: number }> {
    const { status, body } = await this.gateways[number]!.admin('GET', '/readyz');
    return { status, ...(body as { cluster: { up: boolean; gateways: number } }).cluster };
  }

  /** Pipes that gateway `number` serves itself, now. */
  async pipes(number: number): Promise<number> {
    const headers = { authorization: `Bearer ${commandToken}` };
    const text = await (await fetch(`${this.gateways[number]!.http}/metrics`, { headers })).text();
    const counts = [...text.matchAll(/^holdfast_pipes\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    assert.ok(counts.length > 0, text);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Until each client has had two messages more, on average. */
  async flows(): Promise<void> {
    const { received, members } = this.crowd;
    await until(() => this.crowd.received > received + 2 * members.length, {
      timeoutMs: 20_000,
      what: 'messages to go on',
    });
  }

  /** Lets all that is under way arrive, checks what holds whatever was done to the gateways and to Redis, and tells. */
  async finish(): Promise<Judgement> {
    const { crowd, backends } = this;
    crowd.stop();
    await crowd.delivered();
    for (const backend of backends) await backend.set({ push: null });
    await crowd.settled(backends);
    const judged = crowd.judge(backends);
    const { sent, lostUp, twiceUp, received, wrongDown, unexplained, lostDown, twiceForNothing } = judged;
    const reasons = [...new Set(crowd.resets)].map(
      (one) => `${one} ${crowd.resets.filter((two) => two === one).length}`,
    );
    this.#t.diagnostic(
      `${sent} messages up, ${lostUp.length} lost, ${twiceUp} twice at a backend; ${received} down, ${wrongDown.length} twice or in disorder; ` +
        `${crowd.resets.length} resets (${reasons}), with which ${lostDown} messages down were lost; ` +
        `a new backend is used everywhere after ${Math.round(this.registeredMs)} ms`,
    );
    const ended = crowd.members.flatMap((one) => (one.ended === null ? [] : [`${one.index}: ${one.ended}`]));
    const first = (all: readonly string[]): readonly string[] => all.slice(0, 20);
    assert.deepEqual(first(ended), [], 'clients that were closed for good');
    assert.deepEqual(first(lostUp), [], 'lost upstream');
    assert.deepEqual(first(wrongDown), [], 'twice, or in disorder, or with a hole before it');
    assert.deepEqual(first(unexplained), [], 'not received, without a reset');
    assert.deepEqual(first(twiceForNothing), [], 'twice at a backend, of clients without a reset');
    assert.ok(
      crowd.resets.every((reason) => reason !== ''),
      'each reset says why',
    );
    return judged;
  }

  /** Registers `backend` on the first gateway. @returns milliseconds until the last of the others had a client at it. */
  async #register(backend: BackendProcess): Promise<number> {
    const [first, ...others] = this.gateways;
    const tag = backend.options.tag!;
    const begun = performance.now();
    assert.equal((await first!.admin('POST', '/backends', { url: backend.url, id: tag })).status, 201);
    const attached = async (url: string): Promise<boolean> => {
      const client = await connect(this.#t, url);
      const { text } = await client.ask('who?');
      client.close();
      return text?.startsWith(`${tag}/`) === true;
    };
    const what = 'a client of the other gateway at the new backend';
    await Promise.all(others.map(({ ws }) => until(() => attached(ws), { what })));
    return performance.now() - begun;
  }
}
