import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, framePayload, headerBytesAt, opcode } from '../../src/wire/frame.ts';
import { FrameDecoder } from '../support/frame-codec.ts';

test('a frame of any length and masking is read by another decoder as it was meant', () => {
  const length = fc.oneof(
    fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 70_000),
    fc.integer({ min: 0, max: 300 }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(opcode)),
      length,
      fc.boolean(),
      fc.nat(255),
      (code, bytes, masked, fill) => {
        const payload = Buffer.alloc(bytes, fill);
        const encoded = encodeFrame(code, payload, masked);
        const [frame, ...more] = new FrameDecoder().push(encoded);
        assert.ok(frame !== undefined && more.length === 0);
        assert.equal(frame.fin, true);
        assert.equal(frame.rsv, 0);
        assert.equal(frame.opcode, code);
        assert.equal(frame.masked, masked);
        assert.ok(frame.payload.equals(payload));
        assert.equal(headerBytesAt(encoded, 0), encoded.length - bytes);
        assert.ok(framePayload(encoded).equals(payload));
      },
    ),
    { numRuns: 300 },
  );
});

test('each masked frame has a mask of its own, not zero, also when the pool of them is used up', () => {
  const masks = new Set<number>();
  for (let n = 0; n < 5000; n += 1) masks.add(encodeFrame(opcode.ping, Buffer.alloc(0), true).readUInt32BE(2));
  assert.ok(masks.size > 4990, `${masks.size}`);
});

test('neither the payload given nor the frame read is changed', () => {
  const payload = Buffer.from('keep me');
  const frame = encodeFrame(opcode.text, payload, true);
  const copy = Buffer.from(frame);
  framePayload(frame).fill(0);
  assert.equal(payload.toString(), 'keep me');
  assert.ok(frame.equals(copy));
});
