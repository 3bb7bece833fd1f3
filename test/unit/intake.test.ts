import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IntakePipe, IntakeWorld, KiB } from '../support/fake-intake.ts';

test('at the bound the client is not read; below three quarters it is again', () => {
  const world = new IntakeWorld('close');
  const pipe = new IntakePipe(world);
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

test('an unfinished message above a bound that was lowered meanwhile is read on: it could not go away else', () => {
  const world = new IntakeWorld('close');
  const pipe = new IntakePipe(world);
  pipe.client.pendingBytes = 120 * KiB;
  pipe.intake.update();
  assert.equal(pipe.client.paused, false);
  pipe.take(KiB);
  assert.equal(pipe.client.paused, true, 'what stands before it may go away');
  pipe.acknowledge();
  assert.equal(pipe.client.paused, false);
  pipe.client.pendingBytes = 0;
  pipe.take(120 * KiB);
  assert.equal(pipe.client.paused, true, 'whole, it waits for its acknowledgement');
});

test("with a backend there that is all, also with onFull 'close'", () => {
  const world = new IntakeWorld('close');
  const pipe = new IntakePipe(world);
  pipe.take(200 * KiB);
  world.clock.advance(60_000);
  assert.deepEqual([pipe.client.paused, pipe.closed], [true, 0]);
});

test("onFull 'close': the client is closed when the interruption has outlived one second", () => {
  const world = new IntakeWorld('close');
  const pipe = new IntakePipe(world);
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
  const world = new IntakeWorld('close');
  const [short, long] = [new IntakePipe(world), new IntakePipe(world)];
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
  const world = new IntakeWorld('close');
  const pipe = new IntakePipe(world);
  pipe.interrupt();
  world.clock.advance(5000);
  pipe.take(100 * KiB);
  assert.equal(pipe.closed, 1);
});

test("onFull 'pause': it waits and loses nothing", () => {
  const world = new IntakeWorld('pause');
  const pipe = new IntakePipe(world);
  pipe.interrupt();
  pipe.take(100 * KiB);
  world.clock.advance(100_000);
  assert.deepEqual([pipe.client.paused, pipe.closed], [true, 0]);
  pipe.interruptedAt = null;
  pipe.acknowledge();
  assert.equal(pipe.client.paused, false);
});

test('a client that is gone takes its unfinished message with it', () => {
  const world = new IntakeWorld('close');
  const pipe = new IntakePipe(world);
  pipe.take(10 * KiB);
  pipe.client.pendingBytes = 5 * KiB;
  pipe.intake.update();
  assert.equal(world.budget.usedBytes, 15 * KiB);
  pipe.intake.client = null;
  assert.equal(world.budget.usedBytes, 10 * KiB);
});

test('neither end is read, the client at its bound and the backend for want of acks: after five seconds the link of the client is dropped', () => {
  for (const first of ['bound', 'acks'] as const) {
    const world = new IntakeWorld('close');
    const pipe = new IntakePipe(world);
    if (first === 'acks') pipe.owe();
    pipe.take(200 * KiB);
    assert.equal(pipe.client.paused, true);
    if (first === 'bound') {
      world.clock.advance(60_000);
      pipe.owe();
    }
    world.clock.advance(4900);
    assert.equal(pipe.dropped, 0);
    world.clock.advance(200);
    assert.deepEqual([pipe.dropped, pipe.closed], [1, 0]);
    world.clock.advance(60_000);
    assert.equal(pipe.dropped, 1);
  }
});

test('a standstill that ends drops nobody, nor does one without a backend', () => {
  const world = new IntakeWorld('pause');
  const [acknowledged, read, interrupted] = [new IntakePipe(world), new IntakePipe(world), new IntakePipe(world)];
  const pipes = [acknowledged, read, interrupted];
  for (const pipe of pipes) {
    pipe.owe();
    pipe.take(200 * KiB);
  }
  interrupted.interrupt();
  world.clock.advance(4900);
  acknowledged.owedSince = null;
  read.acknowledge();
  for (const pipe of pipes) pipe.intake.update();
  world.clock.advance(60_000);
  assert.deepEqual(
    pipes.map(({ dropped }) => dropped),
    [0, 0, 0],
  );
  interrupted.interruptedAt = null;
  interrupted.intake.update();
  world.clock.advance(100);
  assert.equal(interrupted.dropped, 1, 'there is a backend again');
});
