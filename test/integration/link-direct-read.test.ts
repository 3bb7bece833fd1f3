import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { DirectReads } from '../../src/link/direct-read.ts';
import { socketPair } from '../support/socket-pair.ts';
import { until } from '../support/wait.ts';

/** What came, copied, and the memory it came in. */
function reader(keep: (bytes: Buffer) => boolean = () => false) {
  const got = {
    bytes: Buffer.alloc(0),
    memory: [] as { buffer: ArrayBufferLike; start: number }[],
    kept: [] as Buffer[],
  };
  const reads = new DirectReads<Socket>({
    room: () => null,
    read: (_socket, bytes) => {
      got.bytes = Buffer.concat([got.bytes, bytes]);
      got.memory.push({ buffer: bytes.buffer, start: bytes.byteOffset });
      if (!keep(bytes)) return true;
      got.kept.push(bytes);
      return false;
    },
  });
  return { got, reads };
}

test('the process is watched from the first socket on, and once', async (t) => {
  const watching = () => process.listenerCount('uncaughtExceptionMonitor');
  const before = watching();
  for (const { near } of [await socketPair(t), await socketPair(t)]) {
    assert.equal(reader().reads.adopt(near), true);
    assert.equal(watching(), before + 1);
  }
});

test('bytes that nobody kept: the next ones come in the same memory', async (t) => {
  const { near, far } = await socketPair(t);
  const { got, reads } = reader();
  assert.equal(reads.adopt(near), true, 'this node has what is needed');
  near.resume();
  for (let i = 0; i < 20; i += 1) {
    far.write(Buffer.alloc(1000, i));
    await until(() => got.bytes.length === (i + 1) * 1000);
  }
  assert.deepEqual(got.bytes, Buffer.concat(Array.from({ length: 20 }, (_, i) => Buffer.alloc(1000, i))));
  assert.equal(new Set(got.memory.map(({ start }) => start)).size, 1);
});

test('bytes that were kept are never overwritten, whatever else comes on any socket', async (t) => {
  const one = await socketPair(t);
  const two = await socketPair(t);
  const { got, reads } = reader((bytes) => bytes[0]! % 3 === 0);
  for (const { near } of [one, two]) {
    assert.equal(reads.adopt(near), true);
    near.resume();
  }
  let sent = 0;
  for (let i = 0; i < 200; i += 1) {
    const chunk = Buffer.alloc(1 + ((i * 7919) % 9000), i & 0xff);
    (i % 2 === 0 ? one : two).far.write(chunk);
    sent += chunk.length;
    await until(() => got.bytes.length === sent);
  }
  assert.ok(got.kept.length > 50);
  for (const bytes of got.kept) assert.deepEqual(bytes, Buffer.alloc(bytes.length, bytes[0]!));
});

test('small reads that are kept for long hold no memory but their own, whatever comes between', async (t) => {
  const slow = await socketPair(t);
  const fast = await socketPair(t);
  const { got, reads } = reader((bytes) => bytes.length < 1000);
  for (const { near } of [slow, fast]) {
    assert.equal(reads.adopt(near), true);
    near.resume();
  }
  let sent = 0;
  const send = async (far: Socket, bytes: Buffer) => {
    far.write(bytes);
    sent += bytes.length;
    await until(() => got.bytes.length === sent);
  };
  for (let i = 0; i < 100; i += 1) {
    await send(slow.far, Buffer.alloc(100, i));
    await send(fast.far, Buffer.alloc(60_000));
  }
  assert.equal(got.kept.length, 100);
  for (const [i, bytes] of got.kept.entries()) assert.deepEqual(bytes, Buffer.alloc(100, i));
  const held = [...new Set(got.kept.map(({ buffer }) => buffer))].map(({ byteLength }) => byteLength);
  assert.deepEqual(held, [65_536, ...Array.from({ length: 99 }, () => 100)]);
});

test('a socket that was read full is read to where its reader wants, and elsewhere again when it does not', async (t) => {
  const { near, far } = await socketPair(t);
  const place = Buffer.alloc(200_000);
  let filled = 0;
  let asked = 0;
  const landed: Buffer[] = [];
  const reads = new DirectReads<Socket>({
    read: (_socket, bytes) => {
      if (bytes.buffer !== place.buffer) {
        landed.push(Buffer.from(bytes));
        return true;
      }
      assert.equal(bytes.byteOffset, place.byteOffset + filled);
      filled += bytes.length;
      return true;
    },
    room: () => {
      asked += 1;
      return filled < place.length ? place.subarray(filled) : null;
    },
  });
  assert.equal(reads.adopt(near), true);
  near.resume();
  far.write('small');
  await until(() => landed.length === 1);
  assert.equal(asked, 0, 'after a read that was not full');
  const sent = randomBytes(65_536 + place.length + 70_000);
  near.pause();
  far.write(sent);
  // All of it waits when it is read.
  await until(() => far.writableLength === 0);
  near.resume();
  const got = (): Buffer => Buffer.concat(landed.slice(1));
  await until(() => filled === place.length && got().length === sent.length - filled);
  assert.deepEqual(Buffer.concat([got().subarray(0, 65_536), place, got().subarray(65_536)]), sent);
});

test('what node had read before comes first, as data', async (t) => {
  const { near, far } = await socketPair(t);
  const early: Buffer[] = [];
  far.write('early');
  near.pause();
  near.read(0);
  await until(() => near.readableLength === 5);
  const { got, reads } = reader();
  assert.equal(reads.adopt(near), true);
  near.on('data', (chunk: Buffer) => {
    assert.equal(got.bytes.length, 0);
    early.push(chunk);
  });
  far.write(' late');
  near.resume();
  await until(() => got.bytes.length === 5);
  assert.equal(`${Buffer.concat(early)}${got.bytes}`, 'early late');
});

test('a paused socket is not read; the end and an error are told as ever', async (t) => {
  const { near, far } = await socketPair(t);
  const { got, reads } = reader();
  reads.adopt(near);
  near.resume();
  near.pause();
  far.write('waits');
  // Another connection on which something comes later: what was to be read by then has been read.
  const later = await socketPair(t);
  reads.adopt(later.near);
  later.near.resume();
  later.far.write('!');
  await until(() => got.bytes.length > 0);
  assert.equal(String(got.bytes), '!');
  near.resume();
  await until(() => got.bytes.length === 6);
  const ended = once(near, 'end');
  far.end();
  await ended;

  const other = await socketPair(t);
  reads.adopt(other.near);
  other.near.resume();
  const failed = once(other.near, 'error');
  other.far.resetAndDestroy();
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('a stream that is no plain socket is left as it is', () => {
  const { reads } = reader();
  assert.equal(reads.adopt(new PassThrough() as unknown as Socket), false);
});
