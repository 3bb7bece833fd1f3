import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Block, takeBlock } from '../../src/wire/byte-blocks.ts';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { FrameReader, type FrameSink } from '../../src/wire/frame-reader.ts';

class Recorder implements FrameSink {
  runs: Buffer[] = [];
  messages = 0;
  open = false;
  log: string[] = [];
  violation: { code: number; message: string } | null = null;
  texts: string[] = [];
  takesHeartbeats = true;
  data = 0;
  readerMessages(frames: Buffer, messages: number, _block: Block | null): boolean {
    assert.ok(frames.length > 0, 'no empty runs');
    this.runs.push(Buffer.from(frames));
    this.messages += messages;
    this.open = messages === 0;
    this.data += frames.length;
    return true;
  }
  readerControl(code: number, payload: Buffer): void {
    assert.equal(this.open, false, 'control frames come between whole messages');
    this.log.push(`${code}:${payload.toString('hex')}@${this.messages}`);
  }
  readerHeartbeat(kind: 'ping' | 'pong'): boolean {
    assert.equal(this.open, false, 'heartbeats come between whole messages');
    this.texts.push(kind);
    return this.takesHeartbeats;
  }
  records: string[] = [];
  readerRecord(payload: Buffer): void {
    this.records.push(`${payload.toString()}@${this.messages}`);
  }
  readerViolation(code: number, message: string): void {
    this.violation = { code, message };
  }
  get bytes(): Buffer {
    return Buffer.concat(this.runs);
  }
}

function read(
  chunks: Buffer[],
  options: {
    masked?: boolean;
    maxMessageBytes?: number;
    maxFragments?: number;
    interceptText?: boolean;
    interceptRecords?: boolean;
    /** Worked through in one go. */
    frames?: number;
    /** What is missing of a large frame is put where the reader would keep it. */
    room?: boolean;
  } = {},
) {
  const sink = new Recorder();
  const reader = new FrameReader(sink, {
    masked: options.masked ?? false,
    maxMessageBytes: options.maxMessageBytes ?? 1 << 20,
    maxFragments: options.maxFragments ?? 100_000,
  });
  reader.interceptText = options.interceptText ?? false;
  reader.interceptRecords = options.interceptRecords ?? false;
  for (const chunk of chunks.map((bytes) => Buffer.from(bytes))) {
    for (let rest = chunk; rest.length > 0; ) {
      const room = options.room === true ? reader.room() : null;
      if (room !== null) {
        const bytes = rest.copy(room);
        assert.equal(reader.push(room.subarray(0, bytes), options.frames), bytes);
        rest = rest.subarray(bytes);
        continue;
      }
      const taken = reader.push(rest, options.frames);
      assert.ok(taken > 0, 'a push takes something');
      // Nobody refers to what is free: it may be overwritten.
      if (reader.free) rest.fill(0xee, 0, taken);
      rest = rest.subarray(taken);
    }
  }
  return { sink, reader };
}

function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const chunks: Buffer[] = [];
  let from = 0;
  for (const place of [...places, bytes.length]) {
    if (place > from) chunks.push(Buffer.from(bytes.subarray(from, place)));
    from = Math.max(from, place);
  }
  return chunks;
}

/** A data frame that need not be final. */
function dataFrame(code: number, payload: Buffer, final: boolean, masked: boolean): Buffer {
  const frame = encodeFrame(opcode.binary, payload, masked);
  frame[0] = (final ? 0x80 : 0) | code;
  return frame;
}

/** No two places in it look the same. */
function patterned(length: number): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: length / 4 }, (_, n) => n * 0x9e3779b1).buffer);
}

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
  const reader = new FrameReader(sink, { masked: true, maxMessageBytes: 1 << 20, maxFragments: 1 });
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
  const reader = new FrameReader(sink, { masked: false, maxMessageBytes: 1 << 20, maxFragments: 1 });
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
  const reader = new FrameReader(sink, { masked: false, maxMessageBytes: 1 << 20, maxFragments: 1 });
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

test('whole messages before a violation are handed on', () => {
  const good = encodeFrame(opcode.text, Buffer.from('good'), false);
  const { sink } = read([Buffer.concat([good, Buffer.from([0xf1, 0])])]);
  assert.deepEqual(sink.bytes, good);
  assert.equal(sink.violation?.code, 1002);
});

const violations: [string, number[], number, boolean?][] = [
  ['reserved bit', [0xc1, 0x00], 1002],
  ['reserved data opcode', [0x83, 0x00], 1002],
  ['reserved control opcode', [0x8b, 0x00], 1002],
  ['fragmented ping', [0x09, 0x00], 1002],
  ['ping over 125 bytes', [0x89, 0x7e, 0x00, 0x7e], 1002],
  ['continuation first', [0x80, 0x00], 1002],
  ['text inside a fragmented text', [0x01, 0x00, 0x81, 0x00], 1002],
  ['masked from a backend', [0x81, 0x80, 1, 2, 3, 4], 1002],
  ['unmasked from a client', [0x81, 0x00], 1002, true],
  ['16-bit length below 126', [0x82, 0x7e, 0x00, 0x7d], 1002],
  ['64-bit length below 65,536', [0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 1002],
  ['64-bit length with the highest bit', [0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002],
  ['over the size limit', [0x82, 0x7f, 0, 0, 0, 0, 0, 0x11, 0, 0], 1009],
];
for (const [name, bytes, code, masked] of violations) {
  test(`violation: ${name}, whole and byte by byte`, () => {
    assert.equal(read([Buffer.from(bytes)], { masked: masked ?? false }).sink.violation?.code, code);
    assert.equal(
      read(
        bytes.map((byte) => Buffer.from([byte])),
        { masked: masked ?? false },
      ).sink.violation?.code,
      code,
    );
  });
}

test('the size limit counts all fragments of a message, and starts anew with the next', () => {
  const part = (code: number, final: boolean) => dataFrame(code, Buffer.alloc(60), final, false);
  const fits = [part(2, false), part(0, true), part(2, true)];
  assert.equal(read(fits, { maxMessageBytes: 120 }).sink.violation, null);
  const over = [part(2, false), part(0, false), part(0, true)];
  assert.equal(read(over, { maxMessageBytes: 120 }).sink.violation?.code, 1009);
});

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
    const reader = new FrameReader(sink, { masked: true, maxMessageBytes: 1000, maxFragments: 100_000 });
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

test('a push stops at a border of frames when it has worked through as many as it may; control frames count as several', () => {
  const empty = encodeFrame(opcode.binary, Buffer.alloc(0), true);
  const ping = encodeFrame(opcode.ping, Buffer.alloc(0), true);
  const sink = new Recorder();
  const reader = new FrameReader(sink, { masked: true, maxMessageBytes: 1000, maxFragments: 10 });
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

test('a message of more fragments than may be is 1008, the next one counts anew, and control frames do not count', () => {
  const fragments = (count: number) =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        Buffer.concat([
          dataFrame(i === 0 ? opcode.text : opcode.continuation, Buffer.from('x'), i === count - 1, true),
          ...(i === count - 1 ? [] : [encodeFrame(opcode.ping, Buffer.alloc(0), true)]),
        ]),
      ),
    );
  const most = { masked: true, maxFragments: 4 };
  const { sink } = read([fragments(4), fragments(1), fragments(4)], most);
  assert.equal(sink.violation, null);
  assert.equal(sink.messages, 3);
  for (const cuts of [[], [1], [40, 41], Array.from({ length: 60 }, (_, i) => i)]) {
    const { sink } = read(split(Buffer.concat([fragments(2), fragments(5)]), cuts), most);
    assert.equal(sink.violation?.code, 1008);
    assert.equal(sink.messages, 1);
  }
  const unfinished = Buffer.concat(
    Array.from({ length: 5 }, (_, i) => dataFrame(i === 0 ? opcode.text : 0, Buffer.alloc(0), false, true)),
  );
  assert.equal(read([unfinished], { ...most, maxFragments: 5 }).sink.violation, null);
  assert.equal(read([unfinished], most).sink.violation?.code, 1008, 'it need not be finished');
});
