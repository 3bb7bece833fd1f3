import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journal } from '../../src/pipe/journal.ts';
import { type Block, holdBlock, letGoBlock, takeBlock } from '../../src/wire/byte-blocks.ts';

function run(bytes: number, fill = 1): Buffer {
  return Buffer.allocUnsafeSlow(bytes).fill(fill);
}

function drain(journal: Journal): { bytes: Buffer; messages: number; runs: number } {
  const runs: Buffer[] = [];
  let messages = 0;
  for (let next = journal.next(); next !== null; next = journal.next()) {
    runs.push(next.run);
    messages += next.messages;
  }
  return { bytes: Buffer.concat(runs), messages, runs: runs.length };
}

test('what was sent is kept until a mark behind it is acknowledged', () => {
  const journal = new Journal();
  journal.pushSent(run(2000), 2);
  const { mark } = journal;
  journal.pushSent(run(3000), 1);
  assert.deepEqual([journal.bytes, journal.messages, journal.unacknowledgedBytes], [5000, 3, 5000]);
  journal.acknowledge(mark);
  assert.deepEqual([journal.bytes, journal.messages, journal.unacknowledgedBytes], [3000, 1, 3000]);
  journal.acknowledge(mark);
  assert.deepEqual([journal.bytes, journal.messages], [3000, 1], 'a mark that was passed changes nothing');
  journal.acknowledge(journal.mark);
  assert.deepEqual([journal.bytes, journal.messages, journal.empty, journal.entries], [0, 0, true, 0]);
});

test('one that goes on where another was keeps, counts and sends the same', () => {
  const journal = new Journal();
  for (let n = 0; n < 10; n += 1) journal.pushSent(Buffer.from([0x82, 2, 7, n]), 1);
  journal.acknowledge(journal.markAt(4));
  // Over a border of blocks, and in two runs.
  journal.pushSent(Buffer.concat([Buffer.from([0x82, 126, 0x40, 0]), run(0x4000, 9)]), 1);
  journal.rewind();
  for (let n = 0; n < 3; n += 1) journal.next();
  journal.push(Buffer.from([0x82, 2, 8, 8]), 1);
  const { acknowledged, everSent } = journal;
  assert.deepEqual([acknowledged, everSent], [4, 11]);

  const next = new Journal();
  next.restore({ acknowledged, everSent, runs: journal.runs() });
  assert.deepEqual([next.received, next.acknowledged, next.sent, next.everSent], [12, 4, 11, 11]);
  assert.deepEqual([next.bytes, next.messages, next.replayable], [journal.bytes, journal.messages, journal.replayable]);
  next.acknowledge(next.markAt(7));
  next.rewind();
  journal.rewind();
  while (journal.next() !== null);
  journal.acknowledge(journal.markAt(7));
  journal.rewind();
  assert.deepEqual(drain(next).bytes, drain(journal).bytes);
});

test('the runs of a journal stay as they are when it is let go', () => {
  const journal = new Journal();
  journal.push(run(3000, 5), 1);
  const runs = journal.runs();
  journal.abandon();
  const other = new Journal();
  other.push(run(3000, 6), 1);
  assert.ok(Buffer.concat(runs.map((one) => one.run)).equals(run(3000, 5)));
});

test('what its sender has and sends again counts as replayed where another journal had sent it', () => {
  const journal = new Journal();
  journal.restore({ acknowledged: 4, everSent: 7, runs: [] });
  assert.deepEqual([journal.replayable, journal.messages, journal.replaying], [3, 0, true]);
  journal.pushSent(run(10), 3);
  assert.deepEqual([journal.sent, journal.replaying, journal.replayable], [7, false, 3]);
  journal.acknowledge(journal.mark);
  assert.deepEqual([journal.acknowledged, journal.replayable], [7, 0]);
});

test('what is taken in is a copy: the memory of the run may be used again', () => {
  const journal = new Journal();
  for (const bytes of [10, 4000, 100_000]) {
    const given = run(bytes, 7);
    journal.push(given, 1);
    given.fill(0);
  }
  const { bytes } = drain(journal);
  assert.deepEqual(bytes, run(104_010, 7));
});

test('memory that was acknowledged is used again, when a socket that has it lets go', () => {
  for (const handedOut of [false, true]) {
    const block = takeBlock(60_000, 0);
    letGoBlock(block);
    const journal = new Journal();
    journal.pushSent(run(60_000), 1);
    if (handedOut) {
      journal.rewind();
      holdBlock(journal.next()!.block);
    }
    const other = takeBlock(60_000, 0);
    assert.notEqual(other, block, 'in use');
    journal.acknowledge(journal.mark);
    if (handedOut) {
      assert.notEqual(takeBlock(60_000, 0), block, 'the socket has it');
      letGoBlock(block);
    }
    assert.equal(takeBlock(60_000, 0), block);
  }
});

/** As a reader hands it on. */
function piece(bytes: number, fill: number, room = bytes): { block: Block; frames: Buffer } {
  const block = takeBlock(room, 0);
  block.used = bytes;
  return { block, frames: block.bytes.subarray(0, bytes).fill(fill) };
}

test('a block that a run fills is kept as it is, until what lies there is acknowledged', () => {
  const journal = new Journal();
  journal.push(run(500, 1), 1);
  const { block, frames } = piece(65_536, 2);
  journal.push(frames, 0, block);
  // Behind it, and not into what is left of any block before.
  journal.push(run(300, 3), 1);
  letGoBlock(block);
  assert.notEqual(takeBlock(65_536, 0), block, 'the journal has it');
  assert.deepEqual(journal.next()!.run, run(500, 1));
  const next = journal.next()!;
  assert.ok(next.run.buffer === frames.buffer && next.block === block, 'no copy');
  assert.deepEqual(journal.next()!.run, run(300, 3));
  journal.acknowledge(journal.mark);
  assert.ok([takeBlock(65_536, 0), takeBlock(65_536, 0)].includes(block));
});

test('ends of messages whose beginnings stay where they are share a block', () => {
  const journal = new Journal();
  for (let i = 0; i < 100; i += 1) {
    const { block, frames } = piece(4096, 1);
    journal.push(frames, 0, block);
    letGoBlock(block);
    journal.push(run(100, 2), 1);
  }
  const blocks = new Set(journal.runs().map((one) => one.run.buffer));
  const held = [...blocks].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.ok(held < 1.3 * journal.bytes, `${held} bytes are held for ${journal.bytes}`);
  for (let i = 0; i < 100; i += 1) {
    assert.deepEqual(journal.next()!.run.length, 4096);
    assert.deepEqual(journal.next()!.run, run(100, 2));
  }
  journal.acknowledge(journal.mark);
  assert.equal(journal.entries, 0);
});

test('a run that leaves most of its block empty is copied', () => {
  const journal = new Journal();
  for (const [bytes, room] of [
    [30, 1024],
    [20_000, 65_536],
  ] as const) {
    const { block, frames } = piece(bytes, 4, room);
    journal.push(frames, 1, block);
    letGoBlock(block);
    assert.equal(takeBlock(room, 0), block, `${bytes} bytes`);
    block.bytes.fill(0);
    assert.deepEqual(journal.next()!.run, run(bytes, 4));
  }
});

test('a rewind sends again what was not acknowledged, and counts what a link before was given', () => {
  const journal = new Journal();
  journal.pushSent(run(1000, 1), 1);
  journal.acknowledge(journal.mark);
  journal.pushSent(run(1000, 2), 2);
  journal.push(run(1000, 3), 1);
  assert.equal(journal.replayable, 2, 'given to this link');
  journal.rewind();
  assert.deepEqual([journal.replayable, journal.unsentBytes, journal.unacknowledgedBytes], [2, 2000, 0]);
  const sent = drain(journal);
  assert.deepEqual(sent.bytes, Buffer.concat([run(1000, 2), run(1000, 3)]));
  assert.deepEqual([sent.messages, journal.replayable], [3, 3]);
});

test('a second link that got less than the first leaves the count of the first', () => {
  const journal = new Journal();
  for (let i = 0; i < 5; i += 1) journal.pushSent(run(70_000, i), 1);
  journal.rewind();
  journal.next();
  journal.rewind();
  assert.equal(journal.replayable, 5);
  journal.next();
  journal.acknowledge(journal.mark);
  assert.equal(journal.replayable, 4);
});

test('small runs that wait are gathered; their bytes and counts stay', () => {
  const journal = new Journal();
  const whole: Buffer[] = [];
  for (let i = 0; i < 5000; i += 1) {
    const one = run(10 + (i % 7), i & 0xff);
    whole.push(one);
    journal.push(one, 1);
  }
  assert.ok(journal.entries <= 10, `${journal.entries} entries for 65 KiB`);
  const sent = drain(journal);
  assert.deepEqual(sent.bytes, Buffer.concat(whole));
  assert.equal(sent.messages, 5000);
});

function runAndMessages(journal: Journal) {
  const next = journal.next();
  return [next?.run, next?.messages];
}

test('the beginning of a message stays apart from whole ones before it', () => {
  const journal = new Journal();
  journal.push(run(20, 1), 1);
  journal.push(run(500, 2), 0);
  assert.deepEqual(runAndMessages(journal), [run(20, 1), 1]);
  assert.equal(journal.cut, false);
  assert.deepEqual(runAndMessages(journal), [run(500, 2), 0]);
  assert.equal(journal.cut, true);
  journal.pushSent(run(20, 3), 2);
  assert.equal(journal.cut, false);
  journal.rewind();
  const sent = drain(journal);
  assert.deepEqual([sent.bytes, sent.messages], [Buffer.concat([run(20, 1), run(500, 2), run(20, 3)]), 3]);
});

test('many small runs that were sent cost few objects', () => {
  const journal = new Journal();
  for (let i = 0; i < 20_000; i += 1) journal.pushSent(run(16, i & 0xff), 1);
  assert.ok(journal.entries <= 10, `${journal.entries}`);
  journal.rewind();
  const sent = drain(journal);
  assert.equal(sent.messages, 20_000);
  for (let i = 0; i < 20_000; i += 1) assert.equal(sent.bytes[i * 16 + 15], i & 0xff);
});

test('regression: a mark inside runs that were copied together acknowledges its messages once', () => {
  const journal = new Journal();
  for (let i = 0; i < 300; i += 1) journal.pushSent(run(16), 1);
  const { mark } = journal;
  for (let i = 0; i < 300; i += 1) journal.pushSent(run(16), 1);
  journal.acknowledge(mark);
  assert.deepEqual([journal.messages, journal.bytes], [300, 4800]);
  journal.rewind();
  assert.equal(journal.replayable, 300);
  const sent = drain(journal);
  assert.deepEqual([sent.messages, sent.bytes.length, journal.replayable], [300, 4800, 300]);
  journal.acknowledge(journal.mark);
  assert.deepEqual([journal.messages, journal.acknowledged, journal.received], [0, 600, 600]);
});

test('regression: copying small runs together keeps the beginning of a message apart', () => {
  const journal = new Journal();
  for (let i = 0; i < 512; i += 1) journal.pushSent(run(16), 1);
  journal.pushSent(run(16, 2), 0);
  assert.equal(journal.cut, true);
  journal.pushSent(run(16, 3), 1);
  journal.rewind();
  let messages = 0;
  let bytes = 0;
  for (let next = journal.next(); next !== null; next = journal.next()) {
    messages += next.messages;
    bytes += next.run.length;
    assert.equal(journal.cut, bytes === 513 * 16);
  }
  assert.equal(messages, 513);
});

test('at-most-once: what was sent can be forgotten at once', () => {
  const journal = new Journal();
  journal.pushSent(run(100), 1);
  journal.push(run(100), 1);
  journal.forgetSent();
  assert.deepEqual([journal.bytes, journal.messages, journal.replayable, journal.hasUnsent], [100, 1, 0, true]);
  journal.rewind();
  assert.equal(drain(journal).messages, 1);
});

/** What is in use after a collection of garbage, bytes. */
const usedBytes = await (async () => {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  return () => {
    gc();
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
})();

const MiB = 1024 * 1024;
const shapes: readonly (readonly [what: string, sizes: readonly number[]])[] = [
  ['16-byte messages', [22]],
  ['small and large in turn', [22, 1100]],
  ['many small ones between large ones', [...Array.from({ length: 400 }, () => 22), 1100]],
  ['a few small ones between large ones', [22, 22, 22, 22, 22, 1100]],
];
for (const [what, sizes] of shapes) {
  for (const sent of [true, false]) {
    test(`5 MiB of ${what}, ${sent ? 'sent' : 'waiting'}: memory stays below twice the bytes`, () => {
      const journal = new Journal();
      const before = usedBytes();
      for (let i = 0; journal.bytes < 5 * MiB; i += 1) {
        // The chunk that came also held pings.
        const chunk = run(i % 100 === 0 ? 65_536 : sizes[i % sizes.length]!);
        const frames = chunk.subarray(0, sizes[i % sizes.length]!);
        if (sent) journal.pushSent(frames, 1);
        else journal.push(frames, 1);
      }
      const used = usedBytes() - before;
      assert.ok(used < 2 * 5 * MiB, `${Math.round(used / 1024)} KiB, ${journal.entries} entries`);
      assert.ok(journal.bytes > 0);
    });
  }
}
