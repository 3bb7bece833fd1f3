import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { EventStream } from '../../src/observe/events.ts';
import { Intake, type IntakeLimits } from '../../src/pipe/intake.ts';
import { Journal } from '../../src/pipe/journal.ts';
import { MemoryBudget } from '../../src/pipe/memory-budget.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeLink } from '../support/fake-link.ts';

const KiB = 1024;

class Pipe {
  readonly fields = { pipeId: 'p', clientId: 'c', clientIp: '127.0.0.1' };
  readonly journal = new Journal();
  readonly client = new FakeLink('client');
  readonly intake: Intake;
  closed = 0;
  interruptedAt: number | null = null;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.intake = new Intake(this, this.journal, world);
    this.intake.client = this.client;
    world.pipes.push(this);
  }
  get interruptedMs(): number | null {
    return this.interruptedAt === null ? null : this.#world.clock.now() - this.interruptedAt;
  }
  bufferFull(): void {
    this.closed += 1;
  }
  unfinishedGivenUp(): void {
    this.closed += 1;
    this.client.pendingBytes = 0;
  }
  interrupt(): void {
    this.interruptedAt = this.#world.clock.now();
    this.intake.interruptionBegan();
  }
  take(bytes: number): void {
    this.journal.pushSent(Buffer.allocUnsafeSlow(bytes), 1);
    this.intake.update();
  }
  acknowledge(): void {
    this.journal.acknowledge(this.journal.mark);
    this.intake.update();
  }
}

class World {
  readonly clock = new FakeClock(0);
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly pipes: Pipe[] = [];
  readonly events = new EventStream((error) => {
    throw error;
  });
  readonly seen: string[] = [];
  readonly limits: IntakeLimits;
  readonly budget: MemoryBudget;

  constructor(onFull: 'close' | 'pause', maxTotalBytes = 10_000 * KiB) {
    this.limits = { maxBytesPerPipe: 100 * KiB, onFull };
    this.budget = new MemoryBudget(maxTotalBytes, () => this.pipes.map((pipe) => pipe.intake));
    this.events.tap((name) => this.seen.push(name));
  }
}

test('at the bound the client is not read; below three quarters it is again', () => {
  const world = new World('close');
  const pipe = new Pipe(world);
  pipe.take(50 * KiB);
  const { mark } = pipe.journal;
  assert.equal(pipe.client.paused, false);
  pipe.take(49 * KiB);
  pipe.client.pendingBytes = KiB;
  pipe.intake.update();
  assert.equal(pipe.client.paused, true, 'the unfinished message counts');
  assert.deepEqual([pipe.intake.heldBytes, world.budget.usedBytes], [100 * KiB, 100 * KiB]);
  pipe.client.pendingBytes = 0;
  pipe.intake.update();
  assert.equal(pipe.client.paused, true, 'no stop and go at the edge');
  pipe.journal.acknowledge(mark);
  pipe.intake.update();
  assert.equal(pipe.client.paused, false);
  assert.deepEqual(world.seen, ['pipe.paused', 'pipe.resumed']);
  assert.equal(pipe.closed, 0);
});

test("with a backend there that is all, also with onFull 'close'", () => {
  const world = new World('close');
  const pipe = new Pipe(world);
  pipe.take(200 * KiB);
  world.clock.advance(60_000);
  assert.deepEqual([pipe.client.paused, pipe.closed], [true, 0]);
});

test("onFull 'close': the client is closed when the interruption has outlived one second", () => {
  const world = new World('close');
  const pipe = new Pipe(world);
  pipe.interrupt();
  world.clock.advance(300);
  pipe.take(100 * KiB);
  assert.deepEqual([pipe.client.paused, pipe.closed], [true, 0]);
  world.clock.advance(650);
  assert.equal(pipe.closed, 0);
  world.clock.advance(100);
  assert.equal(pipe.closed, 1);
});

test("onFull 'close': full when the backend was lost counts too; a short interruption closes nobody", () => {
  const world = new World('close');
  const [short, long] = [new Pipe(world), new Pipe(world)];
  for (const pipe of [short, long]) {
    pipe.take(100 * KiB);
    pipe.interrupt();
  }
  world.clock.advance(900);
  short.interruptedAt = null;
  world.clock.advance(200);
  assert.deepEqual([short.closed, long.closed], [0, 1]);
});

test("onFull 'close': full after the grace is over is closed at once", () => {
  const world = new World('close');
  const pipe = new Pipe(world);
  pipe.interrupt();
  world.clock.advance(5000);
  pipe.take(100 * KiB);
  assert.equal(pipe.closed, 1);
});

test("onFull 'pause': it waits and loses nothing", () => {
  const world = new World('pause');
  const pipe = new Pipe(world);
  pipe.interrupt();
  pipe.take(100 * KiB);
  world.clock.advance(100_000);
  assert.deepEqual([pipe.client.paused, pipe.closed], [true, 0]);
  pipe.interruptedAt = null;
  pipe.acknowledge();
  assert.equal(pipe.client.paused, false);
});

test('at the process bound every pipe with bytes is stopped, and read again when there is room', () => {
  const world = new World('close', 130 * KiB);
  const [a, b, c] = [new Pipe(world), new Pipe(world), new Pipe(world)];
  a.take(90 * KiB);
  b.take(60 * KiB);
  assert.deepEqual([a.client.paused, b.client.paused, c.client.paused], [false, true, false]);
  a.take(1 * KiB);
  assert.equal(a.client.paused, true);
  b.acknowledge();
  assert.deepEqual([a.client.paused, b.client.paused], [true, false], 'the larger is near its own bound');
  a.acknowledge();
  assert.equal(a.client.paused, false);
  assert.equal(world.budget.usedBytes, 0);
  assert.deepEqual([a.closed, b.closed], [0, 0]);
});

test('regression: a pipe stopped by its own bound waits for the process bound as well', () => {
  const world = new World('close', 130 * KiB);
  const [a, b] = [new Pipe(world), new Pipe(world)];
  a.take(100 * KiB);
  assert.equal(a.client.paused, true);
  b.take(170 * KiB);
  a.acknowledge();
  assert.equal(a.client.paused, true, 'the process is full');
  b.acknowledge();
  assert.equal(a.client.paused, false);
});

test('regression: at the process bound, interrupted pipes too young to be closed are looked at again', () => {
  const world = new World('close', 130 * KiB);
  const [large, small, attached] = [new Pipe(world), new Pipe(world), new Pipe(world)];
  large.take(80 * KiB);
  small.take(20 * KiB);
  large.interrupt();
  small.interrupt();
  world.clock.advance(500);
  attached.take(60 * KiB);
  assert.deepEqual([large.closed, small.closed], [0, 0]);
  world.clock.advance(600);
  assert.deepEqual([large.closed > 0, small.closed], [true, 0]);
});

test('regression: a pipe interrupted at a full process is dealt with although its client is silent', () => {
  const world = new World('close', 130 * KiB);
  const [large, attached] = [new Pipe(world), new Pipe(world)];
  large.take(80 * KiB);
  attached.take(70 * KiB);
  assert.deepEqual([large.client.paused, attached.client.paused], [false, true]);
  large.interrupt();
  world.clock.advance(1100);
  assert.equal(large.closed, 1);
});

test('the share of a pipe goes back to the budget, and no timer is left', () => {
  const world = new World('close', 130 * KiB);
  const pipe = new Pipe(world);
  pipe.interrupt();
  pipe.take(100 * KiB);
  assert.equal(world.wheel.size, 1);
  pipe.intake.dispose();
  pipe.intake.dispose();
  assert.deepEqual([world.budget.usedBytes, world.wheel.size], [0, 0]);
});

test('a client that is gone takes its unfinished message with it', () => {
  const world = new World('close');
  const pipe = new Pipe(world);
  pipe.take(10 * KiB);
  pipe.client.pendingBytes = 5 * KiB;
  pipe.intake.update();
  assert.equal(world.budget.usedBytes, 15 * KiB);
  pipe.intake.client = null;
  assert.equal(world.budget.usedBytes, 10 * KiB);
});

test('all memory taken by unfinished messages, which nobody is read to finish: after a second the largest is given up, and the others are read', () => {
  for (const onFull of ['close', 'pause'] as const) {
    const world = new World(onFull, 200 * KiB);
    const pipes = [60, 80, 70].map((size) => {
      const pipe = new Pipe(world);
      pipe.client.pendingBytes = size * KiB;
      pipe.intake.update();
      return pipe;
    });
    const good = new Pipe(world);
    good.take(KiB);
    assert.equal(good.client.paused, true);
    // Its own message has arrived, and it still waits for the others.
    good.acknowledge();
    assert.equal(good.client.paused, true);
    world.clock.advance(900);
    assert.deepEqual(
      pipes.map(({ closed }) => closed),
      [0, 0, 0],
    );
    world.clock.advance(300);
    assert.deepEqual(
      pipes.map(({ closed }) => closed),
      [0, 1, 0],
      'one is enough',
    );
    assert.equal(good.client.paused, false);
    assert.equal(pipes[0]?.client.paused, false);
    assert.equal(good.closed, 0);
  }
});

test('memory taken by journals alone gives nobody up: they empty themselves', () => {
  const world = new World('close', 130 * KiB);
  const pipes = [70, 70].map((size) => {
    const pipe = new Pipe(world);
    pipe.take(size * KiB);
    return pipe;
  });
  world.clock.advance(10_000);
  assert.deepEqual(
    pipes.map(({ closed }) => closed),
    [0, 0],
  );
  pipes[0]?.acknowledge();
  assert.equal(pipes[1]?.client.paused, false);
});
