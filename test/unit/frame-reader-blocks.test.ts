/** The frame reader keeps a large message where the socket read it to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Block, takeBlock } from '../../src/wire/byte-blocks.ts';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { patterned, Recorder, read, split } from '../support/frame-recorder.ts';

test('the rest of a large frame is kept where it was read to: whole blocks, at most twice as large as what there is', () => {
  const frame = encodeFrame(opcode.binary, patterned(1_000_000), true);
  const blocks: [number, number][] = [];
  const whole: Buffer[] = [];
  const sink = new Recorder();
  sink.readerMessages = (frames, messages, block) => {
    assert.ok(block !== null && frames.buffer === block.bytes.buffer);
    whole.push(Buffer.from(frames));
    blocks.push([frames.length, messages]);
    return true;
  };
  const reader = new FrameReader(sink, { masked: true, bounds: { maxMessageBytes: 1 << 20 }, maxFragments: 1 });
  assert.equal(reader.room(), null, 'nothing is open');
  reader.push(Buffer.from(frame.subarray(0, 65_536)));
  for (let at = 65_536; at < frame.length; ) {
    const room = reader.room()!;
    assert.ok(room.length <= 2 * reader.pendingBytes, `room for ${room.length} of ${reader.pendingBytes}`);
    assert.equal(reader.missingBytes, frame.length - at);
    // Not all of it comes at once.
    const bytes = frame.copy(room, 0, at, at + 110_000);
    reader.push(room.subarray(0, bytes));
    at += bytes;
  }
  assert.deepEqual(Buffer.concat(whole), frame);
  assert.deepEqual(
    blocks.map(([bytes]) => bytes),
    [65_536, 65_536, 131_072, 262_144, 262_144, frame.length - 786_432],
  );
  assert.deepEqual(
    blocks.map(([, messages]) => messages),
    [0, 0, 0, 0, 0, 1],
  );
  assert.deepEqual([reader.room(), reader.pendingBytes, reader.missingBytes], [null, 0, 0]);
});

test("memory that the socket may still read into is nobody else's, though its message is handed on", () => {
  const frame = encodeFrame(opcode.binary, patterned(131_000), false);
  const sink = new Recorder();
  let block: Block | null = null;
  sink.readerMessages = (_frames, messages, lies) => {
    if (messages === 1) block = lies;
    return true;
  };
  const reader = new FrameReader(sink, { masked: false, bounds: { maxMessageBytes: 1 << 20 }, maxFragments: 1 });
  reader.push(Buffer.from(frame.subarray(0, 65_536)));
  const room = reader.room()!;
  frame.copy(room, 0, 65_536);
  reader.push(room);
  const others = (): Block[] => Array.from({ length: 10 }, () => takeBlock(65_536, 0));
  assert.ok(block !== null && !others().includes(block));
  reader.room();
  assert.ok(others().includes(block));
});

test('bytes that come elsewhere while there is room for them are kept in their place', () => {
  const frame = encodeFrame(opcode.binary, patterned(400_000), false);
  const sink = new Recorder();
  const reader = new FrameReader(sink, { masked: false, bounds: { maxMessageBytes: 1 << 20 }, maxFragments: 1 });
  reader.push(Buffer.from(frame.subarray(0, 65_536)));
  assert.ok(reader.room() !== null);
  reader.push(Buffer.from(frame.subarray(65_536, 131_072)));
  assert.ok(reader.room() !== null, 'of a block that stays empty');
  reader.push(Buffer.from(frame.subarray(131_072)));
  assert.deepEqual([sink.bytes, sink.messages, reader.room()], [frame, 1, null]);
});

test('a large text that begins with U+001E comes whole, read to its place', () => {
  const text = `\u001e${'x'.repeat(300_000)}`;
  const frame = encodeFrame(opcode.text, Buffer.from(text), true);
  const { sink } = read(split(frame, [65_536]), { masked: true, interceptRecords: true, room: true });
  assert.deepEqual([sink.records, sink.messages], [[`${text}@0`], 0]);
});
