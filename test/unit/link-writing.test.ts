/** How a connection is written, on a stream that takes only what it is told to. */
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Writing } from '../../src/link/writing.ts';
import { holdBlock, letGoBlock, takeBlock } from '../../src/wire/byte-blocks.ts';

class HeldSocket extends Duplex {
  /** How many bytes each write that reached the transport had. */
  readonly writes: number[] = [];
  readonly _handle = { writeQueueSize: 0 };
  #done: (() => void) | null = null;

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    const bytes = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
    this.writes.push(bytes);
    this._handle.writeQueueSize = bytes;
    this.#done = done;
  }

  /** The write under way is done. */
  async taken(): Promise<void> {
    this._handle.writeQueueSize = 0;
    this.#done?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function begin(): { socket: HeldSocket; writing: Writing; clock: { now: number } } {
  const socket = new HeldSocket({ writableHighWaterMark: 100 });
  const clock = { now: 1000 };
  const timer = (): never => assert.fail('a timer');
  return { socket, clock, writing: new Writing(socket, { fairNow: () => clock.now, timer }) };
}

test('a frame that is followed by another goes with it, in one write', async () => {
  const { socket, writing } = begin();
  writing.write(Buffer.alloc(10), true, null);
  writing.write(Buffer.alloc(20), true, null);
  assert.deepEqual(socket.writes, []);
  writing.write(Buffer.alloc(30), false, null);
  await socket.taken();
  writing.write(Buffer.alloc(40), false, null);
  assert.deepEqual(socket.writes, [60, 40]);
});

test('a peer with nothing to take makes progress at any time', () => {
  const { writing, clock } = begin();
  clock.now = 5000;
  assert.equal(writing.progressAt, 5000);
});

test('a peer has its time from when it is blocked, and each part that it takes is progress', async () => {
  const { socket, writing, clock } = begin();
  clock.now = 2000;
  writing.write(Buffer.alloc(1000), false, null);
  assert.equal(writing.blocked, true);
  clock.now = 3000;
  writing.write(Buffer.alloc(500), false, null);
  // The first look sees what was queued, and no more than that.
  assert.equal(writing.progressAt, 2000);
  clock.now = 4000;
  assert.equal(writing.progressAt, 2000);
  socket._handle.writeQueueSize = 400;
  assert.equal(writing.progressAt, 4000, 'inside one large write');
  clock.now = 6000;
  assert.equal(writing.progressAt, 4000);
  await socket.taken();
  assert.equal(writing.progressAt, 6000, 'the next write has begun');
  clock.now = 7000;
  assert.equal(writing.progressAt, 6000);
});

test('what drained is blocked anew, with all its time, by the next that is not taken', async () => {
  const { socket, writing, clock } = begin();
  writing.write(Buffer.alloc(1000), false, null);
  await socket.taken();
  writing.drained();
  assert.equal(writing.blocked, false);
  assert.equal(writing.progressAt, 1000);
  clock.now = 9000;
  writing.write(Buffer.alloc(1000), false, null);
  assert.equal(writing.blocked, true);
  clock.now = 9500;
  assert.equal(writing.progressAt, 9000);
});

test('a stream that is no socket may hand our memory on: a block it got is never let go, other memory never free', async () => {
  const { socket, writing } = begin();
  const block = takeBlock(1024, 0);
  holdBlock(block);
  assert.equal(writing.write(block.bytes.subarray(0, 10), false, block), true, 'the link holds it itself');
  letGoBlock(block);
  await socket.taken();
  assert.equal(block.holders, 2);
  assert.equal(writing.write(Buffer.alloc(10), false, null), false);
  await socket.taken();
  assert.equal(writing.write(Buffer.alloc(0), false, null), false);
});
