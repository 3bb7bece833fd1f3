/**
 * One pipe between a fake client and fake backends on a fake clock, and what must hold of it whatever happens. All that is
 * expected comes from what the fake ends wrote down, not from the pipe.
 */
import assert from 'node:assert/strict';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { LimitTally } from '../../src/limits/limit-tally.ts';
import { EventStream, type HoldfastEvent } from '../../src/observe/events.ts';
import { type HoldfastOptions, resolveOptions } from '../../src/options.ts';
import { MemoryBudget } from '../../src/pipe/memory-budget.ts';
import { PersistentPipe, type PipeHost } from '../../src/pipe/persistent-pipe.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeClient, FakeNetwork, settle } from './fake-wire.ts';

const readBytes = 65_536;
const request = {
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
/** Time passes in steps of so many milliseconds, with the wire settled between them. */
const stepMs = 50;
const listeners = [
  'linkMessages',
  'linkPending',
  'linkPing',
  'linkPong',
  'linkJsonHeartbeat',
  'linkDrained',
  'linkViolated',
  'linkClosed',
  'linkEnded',
] as const;

export class FakeWorld {
  readonly clock = new FakeClock(0);
  readonly network: FakeNetwork;
  readonly client = new FakeClient();
  readonly events: { readonly name: string; readonly event: unknown }[] = [];
  readonly problems: unknown[] = [];
  readonly stream: EventStream;
  readonly options;
  readonly wheel: TimerWheel;
  readonly pool: BackendPool;
  readonly budget: MemoryBudget;
  readonly pipe: PersistentPipe;
  readonly atMostOnce: boolean;
  closed: HoldfastEvent<'pipe.closed'> | null = null;
  /** A backend answered no ping: what that link got was given up (DESIGN section 5). */
  unacknowledging = false;

  constructor(options: HoldfastOptions, backends: number) {
    this.network = new FakeNetwork(this.clock, backends);
    this.options = resolveOptions({ ...options, backoff: (attempt) => Math.min(2000, 50 * 2 ** (attempt - 1)) });
    this.atMostOnce = this.options.delivery === 'at-most-once';
    const onError = (error: unknown) => this.problems.push(error);
    const events = new EventStream(onError);
    this.stream = events;
    this.wheel = new TimerWheel({ clock: this.clock, onError });
    const now = () => this.wheel.now();
    this.pool = new BackendPool({
      options: this.options.pool,
      events,
      now,
      random: () => 0.5,
      wallClock: () => 0,
      onError,
    });
    this.budget = new MemoryBudget(this.options.buffer.maxTotalBytes, () => [this.pipe.tenant]);
    events.tap((name, event) => this.events.push({ name, event }));
    events.on('pipe.closed', (event) => {
      if (this.closed !== null) this.problems.push(new Error('pipe.closed twice'));
      this.closed = event;
    });
    events.on('backend.unacknowledging', () => {
      this.unacknowledging = true;
    });
    for (const backend of this.network.backends) this.pool.register({ id: backend.id, url: backend.url });
    const host: PipeHost = {
      options: this.options,
      events,
      pool: this.pool,
      wheel: this.wheel,
      budget: this.budget,
      tally: new LimitTally(
        () => this.wheel.now(),
        () => {},
      ),
      limits: this.options.buffer,
      backoff: this.options.hooks.backoff!,
      dial: this.network.dial,
      heartbeat: () => this.options.heartbeat,
      pipeHeld: () => {},
      pipeLeft: () => {},
      pipeClosed: () => {},
    };
    this.pipe = new PersistentPipe(host, 'p', request);
    this.network.onError = onError;
    this.pool.onRemoved = (backend) => {
      if (this.pipe.backend?.backend === backend) this.pipe.interrupt('removed');
    };
    this.#catchErrors();
    void this.pipe.connect(this.options.failover.handshakeWaitMs).then((answer) => {
      if (answer.kind === 'attached' || answer.kind === 'waiting') this.pipe.attachClient(this.client.socket, '');
    });
  }

  /** Time passes, the wire works. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      this.pool.tick();
      await settle();
    }
  }

  /** Everything works again. */
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
    this.client.socket.peerReads(true);
  }

  /** What happened, for whoever looks for the cause of a failure. */
  history(): string {
    const events = this.events.map(({ name, event }) => `${name} ${JSON.stringify(event)}`);
    const links = this.network.links.map(
      ({ id, backend, state, given, confirmed, received, headers }) =>
        `link ${id} at ${backend.id}: ${state}, given ${given}, received ${received.join()}, confirmed ${confirmed}, ${JSON.stringify(headers)}`,
    );
    return [...events, ...links].join('\n');
  }

  /** What must hold at every moment. */
  check(): void {
    const { pipe, client, network } = this;
    const { journal } = pipe.upstream;
    if (this.problems.length > 0) throw this.problems[0];
    for (const end of [client, ...network.links]) if (end.problem !== null) throw end.problem;

    // Bounds: what is kept stays below the bound and one read.
    const { maxBytesPerPipe, maxDownstreamBytes } = this.options.buffer;
    // Behind our Close a client may still finish its message, which nobody takes.
    const unwanted = pipe.state === 'closing' ? this.options.maxMessageBytes : 0;
    const kept = pipe.tenant.heldBytes;
    assert.ok(kept <= maxBytesPerPipe + readBytes + unwanted, `${kept} bytes are kept`);
    if (this.closed === null) assert.equal(this.budget.usedBytes, kept);
    // Only whole messages go out: one may come on top, and the run it stands in.
    const toClient = pipe.client?.link.bufferedBytes ?? 0;
    const most = maxDownstreamBytes + this.options.maxMessageBytes + readBytes;
    assert.ok(toClient <= most, `${toClient} bytes wait for the client`);

    // Acknowledged is only what a backend has confirmed, or (at-most-once) was given.
    const confirmed = Math.max(0, ...network.links.map((link) => link.confirmed));
    if (!this.atMostOnce && !this.unacknowledging) {
      assert.ok(journal.acknowledged <= confirmed, `${journal.acknowledged} acknowledged, ${confirmed} confirmed`);
    }
    assert.equal(journal.received, pipe.clientSide.messages);
    assert.ok(pipe.clientSide.messages <= client.whole, 'a message before its last byte came');
    this.#checkLinks();
    this.#checkClient();
  }

  /** What must hold when the pipe is closed and nothing is under way. */
  checkEnd(): void {
    const { closed, pipe, network, client } = this;
    this.check();
    assert.equal(pipe.state, 'closed');
    assert.ok(closed !== null, 'no pipe.closed');
    assert.equal(this.budget.usedBytes, 0, 'bytes left in the budget');
    assert.equal(this.wheel.size, 0, 'timers left');
    for (const backend of this.pool.list())
      assert.deepEqual([backend.connections, backend.dialing], [0, 0], 'leases left');

    const taken = pipe.clientSide.messages;
    if (closed.initiator === 'client' && closed.reason === 'closed') {
      assert.equal(taken, client.whole, 'the client sent all of it before its Close');
    }
    const got = new Set(network.links.flatMap((link) => link.received));
    const delivered = taken - closed.undelivered;
    if (this.atMostOnce || this.unacknowledging) return;
    for (let n = 1; n <= delivered; n += 1) assert.ok(got.has(n), `message ${n} of ${taken} reached no backend`);
    assert.ok(delivered <= Math.max(0, ...network.links.map((link) => link.confirmed)));
  }

  /** Toward the backends: in order on each link; what comes twice was announced. */
  #checkLinks(): void {
    let highest = 0;
    const before = new Set<number>();
    for (const link of this.network.links) {
      const { received } = link;
      const first = received[0];
      if (first === undefined) continue;
      for (let at = 1; at < received.length; at += 1) {
        assert.equal(
          received[at],
          received[at - 1]! + 1,
          `link ${link.id}: ${received[at - 1]} before ${received[at]}`,
        );
      }
      if (this.atMostOnce) {
        assert.ok(first > highest, `link ${link.id}: ${first} came twice or late`);
      } else {
        const twice = received.filter((n) => before.has(n));
        assert.ok(
          twice.every((n) => n < first + link.replay),
          `link ${link.id}: ${twice} came twice, announced ${link.replay}`,
        );
        if (!this.unacknowledging) assert.ok(first <= highest + 1, `link ${link.id}: ${first} after ${highest}`);
      }
      for (const n of received) before.add(n);
      highest = Math.max(highest, received.at(-1)!);
    }
    if (this.atMostOnce || this.unacknowledging) return;
    // The replay that was announced is what an earlier link had been given from the first message on.
    let givenTo = 0;
    for (const link of this.network.links) {
      const first = link.received[0];
      if (first !== undefined) {
        assert.equal(link.replay, Math.max(0, givenTo - first + 1), `link ${link.id}: announced replay`);
        givenTo = Math.max(givenTo, first + link.given - 1);
      } else if (link.given > 0) {
        // Given, but never received: it began where the first not acknowledged stood, which its announcement tells.
        givenTo = Math.max(givenTo, givenTo - link.replay + link.given);
      }
    }
  }

  /** Toward the client: of each link all up to some message, in order, one link after the other. */
  #checkClient(): void {
    let source = 0;
    let n = 0;
    for (const one of this.client.received) {
      if (one.source === source) {
        n += 1;
      } else {
        assert.ok(one.source > source, `link ${one.source} after ${source}`);
        source = one.source;
        n = 1;
      }
      assert.equal(one.n, n, `of link ${source}`);
      assert.ok(n <= this.network.links[source - 1]!.sent);
    }
  }

  /** What is thrown where a link tells something belongs to this run. */
  #catchErrors(): void {
    for (const side of [this.pipe.clientSide, this.pipe.backendSide.links]) {
      for (const name of listeners) {
        const method = side[name] as (...args: unknown[]) => unknown;
        Reflect.set(side, name, (...args: unknown[]) => {
          try {
            return Reflect.apply(method, side, args);
          } catch (error) {
            this.problems.push(error);
            return false;
          }
        });
      }
    }
  }
}
