/** The frame reader takes JSON heartbeats and texts that begin with U+001E out of what is passed on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { dataFrame, Recorder, read } from '../support/frame-recorder.ts';

test('JSON heartbeats are taken out, however they are cut, and other short texts are not', () => {
  const ping = encodeFrame(opcode.text, Buffer.from('{"type":"ping"}'), true);
  const spaced = encodeFrame(opcode.text, Buffer.from(' { "type" : "pong" } '), true);
  const other = encodeFrame(opcode.text, Buffer.from('{"type":"pingu"}'), true);
  const binary = encodeFrame(opcode.binary, Buffer.from('{"type":"ping"}'), true);
  const wire = Buffer.concat([other, ping, binary, spaced, other]);
  for (let cut = 0; cut <= wire.length; cut += 1) {
    const { sink } = read(
      [wire.subarray(0, cut), wire.subarray(cut)].filter((chunk) => chunk.length > 0),
      { masked: true, interceptText: true },
    );
    assert.deepEqual(sink.texts, ['ping', 'pong'], `cut at ${cut}`);
    assert.deepEqual(sink.bytes, Buffer.concat([other, binary, other]), `cut at ${cut}`);
    assert.equal(sink.messages, 3);
  }
});

test('a JSON heartbeat that is not ours goes on in its place, however it is cut', () => {
  const pong = encodeFrame(opcode.text, Buffer.from('{"type":"pong"}'), true);
  const other = encodeFrame(opcode.text, Buffer.from('something else'), true);
  const wire = Buffer.concat([other, pong, other]);
  for (let cut = 1; cut < wire.length; cut += 1) {
    const sink = new Recorder();
    sink.takesHeartbeats = false;
    const reader = new FrameReader(sink, { masked: true, bounds: { maxMessageBytes: 1000 }, maxFragments: 100_000 });
    reader.interceptText = true;
    reader.push(Buffer.from(wire.subarray(0, cut)));
    reader.push(Buffer.from(wire.subarray(cut)));
    assert.deepEqual([sink.bytes, sink.messages, reader.pendingBytes], [wire, 3, 0], `cut at ${cut}`);
  }
});

test('a fragmented JSON ping belongs to the application', () => {
  const text = '{"type":"ping"}';
  const wire = [
    dataFrame(1, Buffer.from(text.slice(0, 5)), false, true),
    dataFrame(0, Buffer.from(text.slice(5)), true, true),
  ];
  const { sink } = read(wire, { masked: true, interceptText: true });
  assert.deepEqual(sink.texts, []);
  assert.equal(sink.messages, 1);
});

test('texts that begin with U+001E are taken out whole, however they are cut and fragmented', () => {
  const mark = '\u001e';
  const record = encodeFrame(opcode.text, Buffer.from(`${mark}{"type":"ack"}`), true);
  const inside = encodeFrame(opcode.text, Buffer.from(`a${mark}b`), true);
  const binary = encodeFrame(opcode.binary, Buffer.from(`${mark}x`), true);
  const fragmented = Buffer.concat([
    dataFrame(1, Buffer.from(`${mark}one`), false, true),
    dataFrame(0, Buffer.from(' two'), true, true),
  ]);
  const emptyFirst = Buffer.concat([
    dataFrame(1, Buffer.alloc(0), false, true),
    dataFrame(0, Buffer.from(`${mark}late`), true, true),
  ]);
  const emptyFirstPlain = Buffer.concat([
    dataFrame(1, Buffer.alloc(0), false, true),
    dataFrame(0, Buffer.from('plain'), true, true),
  ]);
  const empty = encodeFrame(opcode.text, Buffer.alloc(0), true);
  const wire = Buffer.concat([inside, record, binary, fragmented, empty, emptyFirst, emptyFirstPlain, record, inside]);
  for (let cut = 0; cut <= wire.length; cut += 1) {
    const chunks = [wire.subarray(0, cut), wire.subarray(cut)].filter((chunk) => chunk.length > 0);
    const { sink } = read(chunks, { masked: true, interceptRecords: true });
    assert.deepEqual(sink.bytes, Buffer.concat([inside, binary, empty, emptyFirstPlain, inside]), `cut at ${cut}`);
    assert.deepEqual(
      sink.records,
      [`${mark}{"type":"ack"}@1`, `${mark}one two@2`, `${mark}late@3`, `${mark}{"type":"ack"}@4`],
      `cut at ${cut}`,
    );
    assert.equal(sink.messages, 5);
  }
  const bytewise = read(
    Array.from(wire, (byte) => Buffer.from([byte])),
    { masked: true, interceptRecords: true },
  );
  assert.equal(bytewise.sink.records.length, 4);
  assert.deepEqual(bytewise.sink.bytes, Buffer.concat([inside, binary, empty, emptyFirstPlain, inside]));
});
