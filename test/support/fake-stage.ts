/** What the fake worlds have in common: time, a network of backends, what happened, and as much of a gateway as a pipe needs. */
import assert from 'node:assert/strict';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { LimitTally } from '../../src/limits/limit-tally.ts';
import { EventStream, type HoldfastEvent } from '../../src/observe/events.ts';
import { type HoldfastOptions, type ResolvedOptions, resolveOptions } from '../../src/options.ts';
import { type PipeLimits, pipeLimits } from '../../src/pipe/buffer-settings.ts';
import { MemoryBudget } from '../../src/pipe/memory-budget.ts';
import type { PersistentPipe, PipeHost } from '../../src/pipe/persistent-pipe.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import { FakeClock } from './fake-clock.ts';
import type { Marked } from './fake-messages.ts';
import { FakeNetwork } from './fake-network.ts';
import { settle } from './fake-socket.ts';

/** Most that is read at once. */
export const readBytes = 65_536;
/** Time passes in steps of so many milliseconds, with the wire settled between them. */
const stepMs = 50;

export const fakeRequest = {
  clientId: 'c',
  clientIdGiven: true,
  clientIp: '127.0.0.1',
  principal: null,
  origin: '',
  suffix: '',
  query: '',
  protocols: [],
  headers: {},
};

export class FakeStage {
  readonly clock = new FakeClock(0);
  readonly network: FakeNetwork;
  readonly events: { readonly name: string; readonly event: unknown }[] = [];
  readonly problems: unknown[] = [];
  readonly stream: EventStream;
  readonly options: ResolvedOptions;
  readonly limits: PipeLimits;
  readonly wheel: TimerWheel;
  readonly atMostOnce: boolean;
  /** How it ended; that it went to another gateway is no end. */
  closed: HoldfastEvent<'pipe.closed'> | null = null;
  /** A backend answered no ping: what that link got was given up (DESIGN section 5). */
  unacknowledging = false;
  readonly #pools: BackendPool[] = [];

  constructor(options: HoldfastOptions, backends: number) {
    const onError = (error: unknown) => this.problems.push(error);
    this.network = new FakeNetwork(this.clock, backends);
    this.network.onError = onError;
    this.options = resolveOptions({ ...options, backoff: (attempt) => Math.min(2000, 50 * 2 ** (attempt - 1)) });
    this.limits = pipeLimits(this.options.buffer, this.options.maxMessageBytes);
    this.atMostOnce = this.options.delivery === 'at-most-once';
    this.stream = new EventStream(onError);
    this.wheel = new TimerWheel({ clock: this.clock, onError });
    this.stream.tap((name, event) => this.events.push({ name, event }));
    this.stream.on('pipe.closed', (event) => {
      if (event.reason === 'moved') return;
      if (this.closed !== null) this.problems.push(new Error('pipe.closed twice'));
      this.closed = event;
    });
    this.stream.on('backend.unacknowledging', () => {
      this.unacknowledging = true;
    });
  }

  /** A gateway with the backends of the network. @param pipe the one it has; null = none. */
  makeHost(pipe: () => PersistentPipe | null): PipeHost {
    const { options, limits, stream: events, wheel, network } = this;
    const now = () => wheel.now();
    const pool = new BackendPool({
      ...{ options: options.pool, events, now, random: () => 0.5, wallClock: () => 0 },
      onError: network.onError,
    });
    for (const { id, url } of network.backends) pool.register({ id, url });
    this.#pools.push(pool);
    return {
      ...{ options, events, pool, wheel },
      budget: new MemoryBudget(
        options.buffer.maxTotalBytes,
        () => {
          const present = pipe();
          return present === null ? [] : [present.tenant];
        },
        wheel,
      ),
      tally: new LimitTally(now, () => {}),
      limits,
      backoff: options.hooks.backoff!,
      dial: network.dial,
      heartbeat: () => options.heartbeat,
      clientViolated: () => {},
      pipeHeld: () => {},
      pipeLeft: () => {},
      pipeClosed: () => {},
    };
  }

  /** Time passes, the wire works. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      for (const pool of this.#pools) pool.tick();
      await settle();
    }
  }

  /** All backends work again. */
  heal(): void {
    for (const backend of this.network.backends) {
      backend.dialMode = 'accept';
      backend.pongMs = 0;
      backend.nextFailure = null;
    }
    for (const link of this.network.links) {
      link.failure = null;
      link.thaw();
    }
  }

  /** What happened, for whoever looks for the cause of a failure. */
  history(): string {
    const events = this.events
      .filter(({ name }) => !name.startsWith('heartbeat.p'))
      .map(({ name, event }) => `${name} ${JSON.stringify(event)}`);
    const links = this.network.links.map(
      ({ id, backend, state, given, confirmed, received, headers }) =>
        `link ${id} at ${backend.id}: ${state}, given ${given}, received ${received.join()}, confirmed ${confirmed}, ${JSON.stringify(headers)}`,
    );
    return [...events, ...links].join('\n');
  }

  /** Nothing was thrown, and no end got what it cannot read. */
  protected checkProblems(client: { readonly problem: unknown }): void {
    if (this.problems.length > 0) throw this.problems[0];
    for (const end of [client, ...this.network.links]) if (end.problem !== null) throw end.problem;
  }

  /** `acknowledged` is only what a backend has confirmed, or (at-most-once) was given. */
  protected checkAcknowledged(acknowledged: number, what: string): void {
    if (this.atMostOnce || this.unacknowledging) return;
    assert.ok(acknowledged <= this.confirmed, `${acknowledged} ${what}, ${this.confirmed} confirmed`);
  }

  /** Highest message of the client that a backend has confirmed. */
  protected get confirmed(): number {
    return Math.max(0, ...this.network.links.map((link) => link.confirmed));
  }

  /** Toward the backends: in order on each link; what comes twice was announced as a replay. */
  protected checkUp(): void {
    let highest = 0;
    const before = new Set<number>();
    for (const { id, received, replay } of this.network.links) {
      const first = received[0];
      if (first === undefined) continue;
      for (let at = 1; at < received.length; at += 1)
        assert.equal(received[at], received[at - 1]! + 1, `link ${id}: ${received[at - 1]} before ${received[at]}`);
      if (this.atMostOnce) {
        assert.ok(first > highest, `link ${id}: ${first} came twice or late`);
      } else {
        const twice = received.filter((n) => before.has(n));
        const announced = twice.every((n) => n < first + replay);
        assert.ok(announced, `link ${id}: ${twice} came twice, announced ${replay}`);
        if (!this.unacknowledging) assert.ok(first <= highest + 1, `link ${id}: ${first} after ${highest}`);
      }
      for (const n of received) before.add(n);
      highest = Math.max(highest, received.at(-1)!);
    }
  }

  /** Toward the client: of each backend link all up to some message, in order, once, one link after the other. */
  protected checkDown(received: readonly Marked[]): void {
    let source = 0;
    let n = 0;
    for (const one of received) {
      if (one.source !== source) {
        assert.ok(one.source > source, `link ${one.source} after ${source}`);
        source = one.source;
        n = 0;
      }
      n += 1;
      assert.equal(one.n, n, `of link ${source}`);
      assert.ok(n <= this.network.links[source - 1]!.sent);
    }
  }

  /** Nothing is left of a pipe at a gateway. */
  protected checkLeft({ budget, pool }: PipeHost): void {
    assert.equal(budget.usedBytes, 0, 'bytes left in the budget');
    for (const backend of pool.list()) assert.deepEqual([backend.connections, backend.dialing], [0, 0], 'leases left');
  }
}
