/** What one memory for all pipes means for each: who is stopped, who goes on, and who is given up when it is full. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IntakePipe, IntakeWorld, KiB } from '../support/fake-intake.ts';

test('at the process bound every pipe with bytes is stopped, and read again when there is room', () => {
  const world = new IntakeWorld('close', 130 * KiB);
  const [a, b, c] = [new IntakePipe(world), new IntakePipe(world), new IntakePipe(world)];
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
  const world = new IntakeWorld('close', 130 * KiB);
  const [a, b] = [new IntakePipe(world), new IntakePipe(world)];
  a.take(99 * KiB);
  const { mark } = a.journal;
  a.take(KiB);
  assert.equal(a.client.paused, true);
  b.take(170 * KiB);
  a.journal.acknowledge(mark);
  a.intake.update();
  assert.equal(a.client.paused, true, 'the process is full');
  b.acknowledge();
  assert.equal(a.client.paused, false);
});

test('regression: at the process bound, interrupted pipes too young to be closed are looked at again', () => {
  const world = new IntakeWorld('close', 130 * KiB);
  const [large, small, attached] = [new IntakePipe(world), new IntakePipe(world), new IntakePipe(world)];
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
  const world = new IntakeWorld('close', 130 * KiB);
  const [large, attached] = [new IntakePipe(world), new IntakePipe(world)];
  large.take(80 * KiB);
  attached.take(70 * KiB);
  assert.deepEqual([large.client.paused, attached.client.paused], [false, true]);
  large.interrupt();
  world.clock.advance(1100);
  assert.equal(large.closed, 1);
});

test('the share of a pipe goes back to the budget, and no timer is left', () => {
  const world = new IntakeWorld('close', 130 * KiB);
  const pipe = new IntakePipe(world);
  pipe.interrupt();
  pipe.take(100 * KiB);
  assert.equal(world.wheel.size, 1);
  pipe.intake.dispose();
  pipe.intake.dispose();
  assert.deepEqual([world.budget.usedBytes, world.wheel.size], [0, 0]);
});

test('all memory taken, and a stall of ours: what would make room may lie unread, and nobody is given up for the stall', () => {
  const world = new IntakeWorld('close', 100 * KiB);
  const pipe = new IntakePipe(world);
  pipe.client.pendingBytes = 100 * KiB;
  pipe.intake.update();
  world.clock.stall(5000);
  world.clock.advance(100);
  assert.equal(pipe.closed, 0);
  world.clock.advance(1500);
  assert.equal(pipe.closed, 1);
});

test('all memory taken by unfinished messages, which nobody is read to finish: after a second the largest is given up, and the others are read', () => {
  for (const onFull of ['close', 'pause'] as const) {
    const world = new IntakeWorld(onFull, 200 * KiB);
    const pipes = [60, 80, 70].map((size) => {
      const pipe = new IntakePipe(world);
      pipe.client.pendingBytes = size * KiB;
      pipe.intake.update();
      return pipe;
    });
    const good = new IntakePipe(world);
    good.take(KiB);
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

test('all memory taken: one that holds nothing may send a message, and the next when it has arrived', () => {
  const world = new IntakeWorld('close', 130 * KiB);
  const [full, good] = [new IntakePipe(world), new IntakePipe(world)];
  full.take(130 * KiB);
  for (let count = 0; count < 3; count += 1) {
    good.take(KiB);
    assert.equal(good.client.paused, true);
    good.acknowledge();
    assert.equal(good.client.paused, false);
  }
});

test('all memory taken by pipes whose clients owe acks, without which their backends are not read: the largest is given up, and counts until its bytes are gone', () => {
  const world = new IntakeWorld('close', 400 * KiB);
  const pipes = [120, 150, 140].map((size) => {
    const pipe = new IntakePipe(world);
    pipe.take(size * KiB);
    pipe.owe();
    return pipe;
  });
  const closed = () => pipes.map((pipe) => pipe.closed);
  world.clock.advance(900);
  assert.deepEqual(closed(), [0, 0, 0]);
  world.clock.advance(400);
  assert.deepEqual(closed(), [0, 1, 0]);
  world.clock.advance(5000);
  assert.deepEqual(closed(), [0, 1, 0], 'what it sent is on its way');
  pipes[1]?.acknowledge();
  assert.equal(world.pipes.filter(({ client }) => client.paused).length, 0);
});

test('acks that are late only now, or with no backend there, give nobody up', () => {
  const world = new IntakeWorld('pause', 130 * KiB);
  const [late, away] = [new IntakePipe(world), new IntakePipe(world)];
  late.take(70 * KiB);
  away.take(70 * KiB);
  away.owe();
  away.interrupt();
  for (let count = 0; count < 20; count += 1) {
    late.owe();
    world.clock.advance(500);
  }
  assert.deepEqual([late.closed, away.closed], [0, 0]);
});

test('memory taken by journals alone gives nobody up: they empty themselves', () => {
  const world = new IntakeWorld('close', 130 * KiB);
  const pipes = [70, 70].map((size) => {
    const pipe = new IntakePipe(world);
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

test("with 'pause' and no backend nobody is closed for an unfinished message; with a backend it has to go", () => {
  const world = new IntakeWorld('pause', 100 * KiB);
  const pipe = new IntakePipe(world);
  pipe.interrupt();
  pipe.client.pendingBytes = 20 * KiB;
  pipe.take(90 * KiB);
  assert.equal(world.budget.full, true);
  world.clock.advance(10_000);
  assert.equal(pipe.closed, 0);
  pipe.interruptedAt = null;
  world.clock.advance(2000);
  assert.equal(pipe.closed, 1);
});
