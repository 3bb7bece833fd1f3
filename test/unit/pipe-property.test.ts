/**
 * Random lives of one pipe: whatever client, backends and time do, the contract of DESIGN section 5 holds and no bound is exceeded.
 * Long runs: HOLDFAST_PIPE_RUNS=20000; repeat what fast-check printed with HOLDFAST_PIPE_SEED, _PATH, _REPLAY.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FailureKind } from '../support/fake-backend.ts';
import { settle } from '../support/fake-socket.ts';
import { FakeWorld } from '../support/fake-world.ts';

const KiB = 1024;
const numRuns = Number(process.env['HOLDFAST_PIPE_RUNS'] ?? 250);
const { HOLDFAST_PIPE_SEED: seed, HOLDFAST_PIPE_PATH: path, HOLDFAST_PIPE_REPLAY: replayPath } = process.env;
const backends = 3;

const which = fc.nat(backends - 1);
const bytes = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 12, max: 200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 200, max: 20 * KiB }) },
  { weight: 1, arbitrary: fc.integer({ min: 20 * KiB, max: 200 * KiB }) },
);
const atByte = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 200 * KiB }));
const failure = fc.constantFrom<FailureKind>(
  'reset',
  'reset',
  'fin',
  'freeze',
  'close 1001',
  'close 1012',
  'close 1005',
  'close 4000',
);
const mildFailure = fc.constantFrom<FailureKind>('reset', 'reset', 'fin', 'freeze', 'close 1001', 'close 1012');

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('client sends' as const),
      bytes,
      count: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 5 }) }, fc.integer({ min: 1, max: 40 })),
      text: fc.boolean(),
      parts: fc.integer({ min: 1, max: 4 }),
      pings: fc.boolean(),
      leave: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('client bytes leave' as const),
      bytes: atByte,
      chunk: fc.constantFrom(1000, 65_536),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('all client bytes leave' as const), chunk: fc.constantFrom(500, 65_536) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 60, 110, 250, 1100, 4000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stall' as const), ms: fc.constantFrom(500, 5000, 40_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('backend sends' as const),
      bytes,
      count: fc.integer({ min: 1, max: 8 }),
      parts: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('backend dies sending' as const), bytes, cut: atByte }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('old links send' as const), bytes }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('backend fails' as const), kind: failure }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('backend fails at' as const), bytes: atByte, kind: mildFailure }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('next link fails at' as const), which, bytes: atByte, kind: mildFailure }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('thaw' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('dials' as const),
      which: fc.option(which, { nil: null, freq: 3 }),
      mode: fc.constantFrom(
        'accept' as const,
        'accept' as const,
        'refuse' as const,
        'hang' as const,
        { slowMs: 70 },
        { slowMs: 1500 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pongs' as const), which, ms: fc.constantFrom(0, 0, 30, 150, 700, null) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('echo' as const), which, on: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('migrate' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('interrupt' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('client reads' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('heal' as const) }) },
);
/** What ends the client; most runs end it only after the last command. */
const ending = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('client closes' as const), code: fc.constantFrom(1000, 1001, 4001) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('client is lost' as const),
      how: fc.constantFrom('reset' as const, 'fin' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('client falls silent' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('operator closes' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refusal' as const) }) },
);

type Action =
  | (typeof action extends fc.Arbitrary<infer T> ? T : never)
  | (typeof ending extends fc.Arbitrary<infer T> ? T : never);

function act(world: FakeWorld, step: Action): void | Promise<void> {
  const { network, client, pipe } = world;
  /** The links in use: that of the pipe, and those that were left and are not gone yet. */
  const alive = network.links.filter((link) => link.state !== 'dead');
  const present = alive.at(-1);
  switch (step.do) {
    case 'client sends':
      for (let i = 0; i < step.count; i += 1) client.make(Math.min(step.bytes, (400 * KiB) / step.count), step);
      if (step.leave) client.release();
      return;
    case 'client bytes leave':
      client.release(step.bytes, step.chunk);
      return;
    case 'all client bytes leave':
      client.release(undefined, step.chunk);
      return;
    case 'settle':
      return settle();
    case 'pass':
      return world.pass(step.ms);
    case 'stall':
      world.clock.stall(step.ms);
      return world.pass(10);
    case 'backend sends':
      for (let i = 0; i < step.count; i += 1) present?.send(step.bytes, step);
      return;
    case 'backend dies sending':
      present?.send(step.bytes, { cut: step.cut });
      return;
    case 'old links send':
      for (const link of alive) link.send(step.bytes);
      return;
    case 'backend fails':
      present?.fail(step.kind);
      return;
    case 'backend fails at':
      if (present !== undefined) present.failure = { bytes: step.bytes, kind: step.kind };
      return;
    case 'next link fails at':
      network.backends[step.which]!.nextFailure = { bytes: step.bytes, kind: step.kind };
      return;
    case 'thaw':
      for (const link of alive) link.thaw();
      return;
    case 'dials':
      for (const [at, backend] of network.backends.entries()) {
        if (step.which === null || step.which === at) backend.dialMode = step.mode;
      }
      return;
    case 'pongs':
      network.backends[step.which]!.pongMs = step.ms;
      return;
    case 'echo':
      network.backends[step.which]!.echo = step.on;
      return;
    case 'migrate':
      pipe.migrate({ cause: 'drain' }, () => {});
      return;
    case 'interrupt':
      pipe.interrupt('operator');
      return;
    case 'client reads':
      client.socket.peerReads(step.on);
      return;
    case 'heal':
      world.heal();
      return;
    case 'client closes':
      client.close(step.code);
      return;
    case 'client is lost':
      client.lose(step.how);
      return;
    case 'client falls silent':
      client.silent = true;
      return;
    case 'operator closes':
      pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway' });
      return;
    case 'refusal':
      for (const backend of network.backends) backend.dialMode = 'refuse-client';
      present?.fail('reset');
      return;
  }
}

class Command implements fc.AsyncCommand<object, FakeWorld> {
  readonly step: Action;
  constructor(step: Action) {
    this.step = step;
  }
  check(): boolean {
    return true;
  }
  async run(_model: object, world: FakeWorld): Promise<void> {
    await act(world, this.step);
    world.check();
  }
  toString(): string {
    return JSON.stringify(this.step);
  }
}

const setting = fc.record({
  delivery: fc.constantFrom('at-least-once' as const, 'at-least-once' as const, 'at-most-once' as const),
  onFull: fc.constantFrom('close' as const, 'pause' as const),
  // As low as messages of 200 KiB allow, and never reached.
  maxBytesPerPipe: fc.constantFrom(450 * KiB, 450 * KiB, 5 * KiB * KiB),
  maxReplays: fc.constantFrom(3, 1000),
  firstDial: fc.constantFrom('accept' as const, 'accept' as const, 'refuse' as const, { slowMs: 3000 }),
  ended: fc.option(fc.record({ at: fc.nat(40), ending }), { freq: 3 }),
});

/** Heartbeat phases are random in the gateway; a failure must repeat. */
function withSeededRandom<T>(run: () => Promise<T>): Promise<T> {
  const { random } = Math;
  let state = 1;
  Math.random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  return run().finally(() => {
    Math.random = random;
  });
}

const tally = new Map<string, number>();
function count(what: string, by = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + by);
}

async function live(
  config: typeof setting extends fc.Arbitrary<infer T> ? T : never,
  commands: Iterable<fc.AsyncCommand<object, FakeWorld>>,
): Promise<void> {
  const { delivery, onFull, maxBytesPerPipe, maxReplays } = config;
  const world = new FakeWorld(
    {
      delivery,
      buffer: { maxBytesPerPipe, maxTotalBytes: maxBytesPerPipe, maxDownstreamBytes: 100 * KiB, onFull },
      failover: { maxReplays, maxInterruptionMs: 20_000 },
      heartbeat: { client: { intervalMs: 10_000 }, backend: { intervalMs: 1000 } },
      pool: { dialTimeoutMs: 2000, balancing: 'round-robin', ejectAfter: 0 },
    },
    backends,
  );
  for (const backend of world.network.backends) backend.dialMode = config.firstDial;
  await fc
    .asyncModelRun(() => ({ model: {}, real: world }), commands)
    .catch((error: unknown) => {
      if (process.env['HOLDFAST_PIPE_DUMP'] !== undefined) console.log(world.history());
      throw error;
    });

  // All works again: what was kept must arrive.
  const { pipe, client } = world;
  world.heal();
  await settle();
  const wasLive = pipe.state === 'open' || pipe.state === 'interrupted';
  await world.pass(8000);
  world.check();
  client.release();
  await world.pass(3000);
  world.check();
  count(wasLive ? 'live to the end' : 'ended before');
  if (pipe.state === 'open' && !world.unacknowledging)
    assert.equal(pipe.upstream.journal.messages, 0, 'not all was delivered');
  client.close(1000);
  await world.pass(1000);
  if (client.state !== 'gone' && world.closed === null) await world.pass(25_000);
  // Links that were left close on their own.
  await world.pass(6000);
  world.checkEnd();

  const closed = world.closed!;
  count(`closed: ${closed.reason}`);
  count('links', world.network.links.length);
  count('messages', closed.messagesToBackend);
  for (const { name } of world.events) if (/migrated|interrupted|paused|unacknowledging/.test(name)) count(name);
  if (closed.undelivered > 0) count(`undelivered: ${closed.reason} by ${closed.initiator}`);
  for (const link of world.network.links) if (link.replay > 0) count('replays');
  if (closed.reason === 'closed' && closed.initiator === 'client' && wasLive) assert.equal(closed.undelivered, 0);
}

test('whatever happens to a pipe, the delivery contract and the bounds hold', async () => {
  const commands = fc.commands(
    [action, action, action, action, action, action, action].map((one) =>
      one.map((step) => new Command(step as Action)),
    ),
    { maxCommands: 60, size: 'max', ...(replayPath === undefined ? {} : { replayPath }) },
  );
  await fc.assert(
    fc.asyncProperty(setting, commands, (config, given) =>
      withSeededRandom(() => {
        const steps = [...given];
        if (config.ended !== null) {
          steps.splice(Math.min(config.ended.at, steps.length), 0, new Command(config.ended.ending as Action) as never);
        }
        return live(config, steps);
      }),
    ),
    {
      numRuns,
      includeErrorInReport: true,
      ...(seed === undefined ? {} : { seed: Number(seed) }),
      ...(path === undefined ? {} : { path }),
    },
  );
  if (process.env['HOLDFAST_PIPE_TALLY'] !== undefined) console.log(Object.fromEntries([...tally].sort()));
});
