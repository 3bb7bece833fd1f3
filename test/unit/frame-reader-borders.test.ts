/** The frame reader gives whole messages and control frames, however their bytes come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { dataFrame, patterned, Recorder, read, split } from '../support/frame-recorder.ts';

const control = fc.record({
  kind: fc.constantFrom(opcode.ping, opcode.pong),
  payload: fc.uint8Array({ maxLength: 125 }),
});
const message = fc.record({
  code: fc.constantFrom(opcode.text, opcode.binary),
  fragments: fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ minLength: 120, maxLength: 300 }),
      fc.constantFrom(17_000, 70_000, 260_000).map(patterned),
    ),
    { minLength: 1, maxLength: 4 },
  ),
  between: fc.array(fc.option(control), { maxLength: 4 }),
});

test('any split of the bytes, and any number of frames in one go, gives the same messages and control frames', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.oneof(message, control), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.constantFrom(1, 2, 11, 1000),
      fc.boolean(),
      (masked, interceptText, items, cuts, frames, room) => {
        const wire: Buffer[] = [];
        const data: Buffer[] = [];
        const controls: string[] = [];
        let messages = 0;
        for (const item of items) {
          if ('kind' in item) {
            wire.push(encodeFrame(item.kind, item.payload, masked));
            controls.push(`${item.kind}:${Buffer.from(item.payload).toString('hex')}@${messages}`);
            continue;
          }
          item.fragments.forEach((fragment, i) => {
            const last = i === item.fragments.length - 1;
            const frame = dataFrame(i === 0 ? item.code : opcode.continuation, Buffer.from(fragment), last, masked);
            wire.push(frame);
            data.push(frame);
            const inside = item.between[i];
            if (!last && inside) {
              wire.push(encodeFrame(inside.kind, inside.payload, masked));
              controls.push(`${inside.kind}:${Buffer.from(inside.payload).toString('hex')}@${messages}`);
            }
          });
          messages += 1;
        }
        const { sink, reader } = read(split(Buffer.concat(wire), cuts), { masked, interceptText, frames, room });
        assert.equal(sink.violation, null);
        assert.deepEqual(sink.bytes, Buffer.concat(data));
        assert.equal(sink.messages, messages);
        assert.deepEqual(sink.log, controls);
        assert.equal(reader.pendingBytes, 0);
      },
    ),
    { numRuns: 400 },
  );
});

test('an unfinished message is never handed on, and what came before it always is', () => {
  const first = encodeFrame(opcode.text, Buffer.from('whole'), true);
  const second = encodeFrame(opcode.binary, Buffer.alloc(5000, 7), true);
  for (const cut of [1, 2, 5, 9, 100, second.length - 1]) {
    const { sink, reader } = read([Buffer.concat([first, second.subarray(0, cut)])], { masked: true });
    assert.deepEqual(sink.bytes, first);
    assert.equal(sink.messages, 1);
    assert.equal(reader.pendingBytes, cut);
  }
});

test('a message trickled byte by byte costs no object per byte', () => {
  const frame = encodeFrame(opcode.binary, Buffer.alloc(100_000, 1), true);
  const chunks = Array.from(frame, (byte) => Buffer.from([byte]));
  const { sink } = read(chunks, { masked: true });
  assert.deepEqual(sink.bytes, frame);
  assert.ok(sink.runs.length < 20, `${sink.runs.length} pieces`);
});

test('a push stops at a border of frames when it has worked through as many as it may; control frames count as several', () => {
  const empty = encodeFrame(opcode.binary, Buffer.alloc(0), true);
  const ping = encodeFrame(opcode.ping, Buffer.alloc(0), true);
  const sink = new Recorder();
  const reader = new FrameReader(sink, { masked: true, bounds: { maxMessageBytes: 1000 }, maxFragments: 10 });
  const chunk = Buffer.concat(Array.from({ length: 100 }, () => empty));
  assert.equal(reader.push(chunk, 30), 30 * empty.length);
  assert.equal(sink.messages, 30);
  assert.equal(sink.runs.length, 1, 'they go on together');
  assert.equal(reader.pendingBytes, 0);
  assert.equal(reader.push(chunk), chunk.length);
  const pings = Buffer.concat(Array.from({ length: 100 }, () => ping));
  assert.equal(reader.push(pings, 33) / ping.length, sink.log.length);
  assert.equal(sink.log.length, 3);
});
