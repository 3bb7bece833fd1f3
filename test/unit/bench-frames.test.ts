import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameRow, fillerOf, frameOf, maskKey, unmask } from '../../bench/load/frames.mjs';
import { Scanner } from '../../bench/load/scanner.mjs';
import { encodeFrame, FrameDecoder } from '../support/frame-codec.ts';

const numbered = (sequence: number, bytes: number): Buffer => {
  const payload = fillerOf(bytes);
  payload.writeUInt32BE(sequence, 0);
  return payload;
};

interface Seen {
  readonly data: [number, number][];
  readonly control: [number, string][];
  /** Of every payload that was sampled: its content. */
  readonly payloads: Buffer[];
}

/** What a scanner tells of these bytes, given to it in pieces. */
function scanned(bytes: Buffer, cuts: readonly number[], sampleEvery = 1): Seen {
  const seen: Seen = { data: [], control: [], payloads: [] };
  const scanner = new Scanner(
    {
      onData: (sequence, length) => seen.data.push([sequence, length]),
      onControl: (opcode, payload) => seen.control.push([opcode, payload.toString()]),
      onPiece(chunk, from, to, offset, key) {
        if (offset === 0) seen.payloads.push(Buffer.alloc(0));
        const plain = unmask(chunk.subarray(from, to), key, offset);
        seen.payloads.push(Buffer.concat([seen.payloads.pop()!, plain]));
      },
    },
    sampleEvery,
  );
  let at = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    // As from a read buffer that is used again: what lies behind is not looked at.
    const chunk = Buffer.concat([Buffer.from('xx'), bytes.subarray(at, cut), Buffer.alloc(20, 0xff)]);
    scanner.scan(chunk, 2 + cut - at, 2);
    at = cut;
  }
  return seen;
}

test('in any split of the bytes the same messages are found, with number, length and content, and the control frames between them', () => {
  const message = fc.record({
    bytes: fc.oneof(fc.integer({ min: 4, max: 140 }), fc.constantFrom(65_535, 65_536, 70_000)),
    sequence: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    masked: fc.boolean(),
    ping: fc.option(fc.stringMatching(/^[a-z]{0,125}$/)),
  });
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat({ max: 300_000 }), { maxLength: 30 }),
      (messages, cuts) => {
        const expected: Seen = { data: [], control: [], payloads: [] };
        const frames = messages.flatMap(({ bytes, sequence, masked, ping }) => {
          const payload = numbered(sequence, bytes);
          expected.data.push([sequence, bytes]);
          expected.payloads.push(payload);
          const frame = encodeFrame({ payload, mask: masked });
          if (ping === null) return [frame];
          expected.control.push([9, ping]);
          return [frame, encodeFrame({ opcode: 'ping', payload: ping, mask: masked })];
        });
        assert.deepEqual(scanned(Buffer.concat(frames), cuts), expected);
      },
    ),
  );
});

test('each so-manieth payload is shown', () => {
  const bytes = Buffer.concat(
    Array.from({ length: 10 }, (_, n) => encodeFrame({ payload: numbered(n, 8), mask: true })),
  );
  const { payloads, data } = scanned(bytes, [], 4);
  assert.deepEqual(
    payloads.map((payload) => payload.readUInt32BE(0)),
    [0, 4, 8],
  );
  assert.equal(data.length, 10);
});

test('a row of frames is what RFC 6455 says, numbered, and its bytes are not written over while a socket still has them', () => {
  for (const masked of [true, false]) {
    for (const bytes of [4, 125, 126, 65_535, 65_536]) {
      const written: Buffer[] = [];
      const row = new FrameRow(bytes, masked);
      const slow = { write: (part: Buffer) => written.push(part), writableLength: 1 };
      for (let at = 0; at < row.most + 2; at += row.most) {
        for (let n = 0; n < row.most; n += 1) row.number(n, at + n);
        row.write(slow, row.most);
      }
      const frames = new FrameDecoder().push(Buffer.concat(written));
      const expected = Array.from({ length: written.length * row.most }, (_, n) => numbered(n, bytes));
      assert.deepEqual(
        frames.map(({ payload }) => payload),
        expected,
      );
      assert.ok(frames.every((frame) => frame.masked === masked && frame.opcode === 2));
    }
  }
});

test('a single frame is masked with the key that is not 0', () => {
  const [frame] = new FrameDecoder().push(frameOf(10, Buffer.from('hello'), true));
  assert.deepEqual([frame?.text, frame?.opcode, frame?.masked], ['hello', 10, true]);
  assert.notEqual(maskKey, 0);
});
