/** Random cuts between the library and a model gateway: nothing lost, nothing twice, in order, both ways; and tokens cut at any point. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { HoldfastSocket } from '../../src/client/index.ts';
import { ModelGateway } from '../support/fake-gateway.ts';
import { fakeTime } from './client-harness.ts';
import { memoryNetwork } from './client-memory-wire.ts';

type Step =
  | { readonly do: 'send' | 'push' | 'pass up' | 'pass down'; readonly count: number }
  | { readonly do: 'cut' | 'half-open' | 'connect' | 'forget' }
  | { readonly do: 'wait'; readonly ms: number };

const steps = (kinds: readonly Step['do'][]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constantFrom('send', 'push', 'pass up', 'pass down'), count: fc.nat(6) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom(...kinds) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(3_000) }) },
    ) as fc.Arbitrary<Step>,
    { minLength: 60, maxLength: 200, size: 'max' },
  );

/** Some begin with U+001E, some are binary. */
function message(prefix: string, number: number): string | Uint8Array {
  if (number % 5 === 0) return `\u001e${prefix}${number}`;
  return number % 3 === 0 ? new TextEncoder().encode(`${prefix}${number}`) : `${prefix}${number}`;
}
const show = (data: unknown): string =>
  typeof data === 'string' ? data : new TextDecoder().decode(data as ArrayBuffer | Uint8Array);

class World {
  readonly gateway = new ModelGateway({ acknowledges: false, heartbeat: { intervalMs: 0, timeoutMs: 0 } });
  readonly net = memoryNetwork();
  readonly socket: HoldfastSocket;
  readonly received: string[] = [];
  readonly taken: string[] = [];
  readonly pushed: string[] = [];
  readonly resets: unknown[] = [];
  /** Delivered by sessions that were forgotten. */
  readonly delivered: string[][] = [];
  resumed = 0;
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
    this.socket = new HoldfastSocket('ws://model', [], {
      WebSocket: this.net.WebSocket,
      maxAttempts: Number.POSITIVE_INFINITY,
      helloTimeoutMs: 100_000_000,
    });
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = ({ data }) => this.received.push(show(data));
    this.socket.addEventListener('reset', ({ detail }) => this.resets.push(detail));
    this.socket.addEventListener('resumed', () => {
      this.resumed += 1;
    });
  }

  get session() {
    const pipe = this.socket.pipe;
    return this.gateway.sessions.get(pipe);
  }

  step(step: Step): void {
    const last = this.net.last;
    if (step.do === 'wait') this.#t.mock.timers.tick(step.ms);
    else if (step.do === 'connect') {
      if (this.socket.state.nextTryAt !== null) this.#t.mock.timers.tick(20_000);
      if (this.net.last.readyState === 0) {
        this.net.last.open('holdfast.v1', this.gateway);
        this.net.last.down.pass();
        this.net.last.up.pass();
      }
    } else if (step.do === 'cut') last.cut();
    else if (step.do === 'half-open') {
      // The client gives it up; the gateway does not know, and what is on the way may still arrive.
      if (last.readyState === 1) last.end(1006, '', false);
    } else if (step.do === 'forget') {
      if (this.session) this.delivered.push(this.session.fromClient.map(show));
      this.gateway.forget();
    } else if ('count' in step) this.#repeat(step.do, step.count);
  }

  #repeat(what: 'send' | 'push' | 'pass up' | 'pass down', times: number): void {
    for (let count = 0; count < times; count += 1) {
      if (what === 'send') {
        const data = message('up', this.taken.length);
        if (this.socket.send(data)) this.taken.push(show(data));
      } else if (what === 'push') {
        const { session } = this;
        if (!session) continue;
        const data = message('down', this.pushed.length);
        this.gateway.push(session, data);
        this.pushed.push(show(data));
      } else {
        for (const socket of this.net.sockets.slice(-3)) {
          if (what === 'pass up') socket.up.pass();
          else if (socket.readyState === 1) socket.down.pass();
        }
        const { session } = this;
        if (what === 'pass up' && session && count % 2 === 0) this.gateway.acknowledge(session);
      }
    }
  }

  /** The network is good from now on. */
  settle(): void {
    for (let round = 0; round < 50; round += 1) {
      if (this.socket.state.state !== 'open') this.step({ do: 'connect' });
      this.step({ do: 'pass down', count: 50 });
      this.step({ do: 'pass up', count: 50 });
      this.#t.mock.timers.tick(100);
    }
  }
}

test('random cuts: nothing lost, nothing twice, in order, both ways', (t) => {
  fakeTime(t);
  let resumed = 0;
  fc.assert(
    fc.property(steps(['cut', 'half-open', 'connect', 'connect']), (plan) => {
      const world = new World(t);
      for (const step of plan) world.step(step);
      world.settle();
      const { session } = world;
      assert.ok(session);
      assert.deepEqual(world.resets, []);
      assert.deepEqual(session.fromClient.map(show), world.taken);
      assert.deepEqual(world.received, world.pushed);
      assert.deepEqual(world.gateway.violations, []);
      assert.equal(world.socket.bufferedAmount, 0);
      assert.deepEqual(session.journal, []);
      resumed += world.resumed;
      world.socket.close();
      world.settle();
    }),
    { numRuns: 150 },
  );
  assert.ok(resumed > 100, `only ${resumed} resumes: this tested little`);
});

test('random cuts and gateways that forget: all that was taken arrives, in order, again only what was not acknowledged', (t) => {
  fakeTime(t);
  fc.assert(
    fc.property(steps(['cut', 'half-open', 'connect', 'connect', 'forget']), (plan) => {
      const world = new World(t);
      for (const step of plan) world.step(step);
      world.settle();
      const { session } = world;
      assert.ok(session);
      world.delivered.push(session.fromClient.map(show));
      const seen = new Set(world.delivered.flat());
      assert.deepEqual([...seen], world.taken);
      // Each session has a run without a gap.
      for (const run of world.delivered) {
        const from = world.taken.indexOf(run[0] ?? '');
        assert.deepEqual(run, run.length === 0 ? [] : world.taken.slice(from, from + run.length));
      }
      assert.deepEqual(world.gateway.violations, []);
      assert.equal(new Set(world.received).size, world.received.length, 'nothing comes down twice');
      world.socket.close();
      world.settle();
    }),
    { numRuns: 150 },
  );
});

for (const lost of ['welcome', 'the first message after welcome', 'start'] as const) {
  test(`tokens rotate: a cut that loses ${lost} still resumes, time and again`, (t) => {
    fakeTime(t);
    const world = new World(t);
    world.settle();
    world.socket.send('a');
    world.step({ do: 'pass up', count: 2 });
    const tokens = new Set<string>();
    for (let round = 0; round < 5; round += 1) {
      world.net.last.cut();
      world.step({ do: 'wait', ms: 20_000 });
      world.net.last.open('holdfast.v1', world.gateway);
      world.net.last.down.pass();
      if (lost !== 'start') world.net.last.up.pass();
      if (lost === 'the first message after welcome') {
        world.net.last.down.pass();
        world.socket.send(`lost ${round}`);
      }
      tokens.add(world.session?.token ?? '');
    }
    world.net.last.cut();
    world.settle();
    assert.equal(tokens.size, lost === 'start' ? 1 : 5);
    assert.deepEqual(world.resets, []);
    assert.equal(world.gateway.sessions.size, 1);
    assert.equal(world.session?.fromClient.length, lost === 'the first message after welcome' ? 6 : 1);
  });
}
