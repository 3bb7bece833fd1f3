/** The frame reader ends with the right code where a peer breaks RFC 6455 or a limit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { dataFrame, Recorder, read, split } from '../support/frame-recorder.ts';

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

test('a message that has begun keeps the bound there was then, be it lowered or raised meanwhile; the next one has the new one', () => {
  const part = (code: number, final: boolean) => dataFrame(code, Buffer.alloc(200), final, true);
  const whole = [part(opcode.binary, false), part(0, false), part(0, true)];
  const frame = whole[0]!.length;
  // Behind the first frame, in the middle of the second, in the header of the third, and in that of the first when its length is known.
  for (const cut of [frame, frame + 100, 2 * frame + 3, 5]) {
    for (const after of [100, 1000]) {
      const sink = new Recorder();
      const bounds = { maxMessageBytes: 600 };
      const reader = new FrameReader(sink, { masked: true, bounds, maxFragments: 10 });
      const bytes = Buffer.concat(whole);
      reader.push(bytes.subarray(0, cut));
      bounds.maxMessageBytes = after;
      reader.push(bytes.subarray(cut));
      assert.deepEqual([sink.violation, sink.messages], [null, 1], `to ${after} at ${cut}`);
      reader.push(Buffer.concat([...whole.slice(0, 2), ...whole.slice(1)]));
      assert.equal(sink.violation?.code, after === 100 ? 1009 : undefined);
    }
  }
  const sink = new Recorder();
  const bounds = { maxMessageBytes: 500 };
  const reader = new FrameReader(sink, { masked: true, bounds, maxFragments: 10 });
  reader.push(Buffer.concat(whole.slice(0, 2)));
  bounds.maxMessageBytes = 1000;
  reader.push(whole[2]!);
  assert.match(sink.violation?.message ?? '', /over 500 bytes/);
});

test('a bound that an intercepted heartbeat or record has had while it was waited for is not that of the next message', () => {
  for (const text of ['{"type":"ping"}', '\u001e{"type":"start"}']) {
    const sink = new Recorder();
    const bounds = { maxMessageBytes: 600 };
    const reader = new FrameReader(sink, { masked: true, bounds, maxFragments: 10 });
    reader.interceptText = true;
    reader.interceptRecords = true;
    const frame = encodeFrame(opcode.text, Buffer.from(text), true);
    reader.push(frame.subarray(0, 6));
    bounds.maxMessageBytes = 100;
    reader.push(frame.subarray(6));
    assert.deepEqual([sink.texts.length + sink.records.length, sink.messages], [1, 0]);
    reader.push(dataFrame(opcode.binary, Buffer.alloc(101), true, true));
    assert.equal(sink.violation?.code, 1009);
  }
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
