/** Frames of RFC 6455 section 5.2: opcodes and writing. Reading is in frame-reader.ts. */
import { randomFillSync } from 'node:crypto';

export const opcode = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;
export type Opcode = (typeof opcode)[keyof typeof opcode];

/** Longest payload of a control frame. */
export const maxControlBytes = 125;
/** Longest header: 2 + 8 bytes of length + 4 of mask. */
export const maxHeaderBytes = 14;

const maskPool = Buffer.allocUnsafe(4096);
let maskAt = maskPool.length;

function copyFreshMask(target: Buffer, at: number): void {
  if (maskAt === maskPool.length) {
    randomFillSync(maskPool);
    maskAt = 0;
  }
  maskPool.copy(target, at, maskAt, maskAt + 4);
  maskAt += 4;
}

/** One final frame with `payload`. `masked` = as a client must send it, with a fresh mask. */
export function encodeFrame(code: Opcode, payload: Uint8Array, masked: boolean): Buffer {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const headerBytes = 2 + lengthBytes + (masked ? 4 : 0);
  const frame = Buffer.allocUnsafe(headerBytes + length);
  frame[0] = 0x80 | code;
  const maskBit = masked ? 0x80 : 0;
  if (lengthBytes === 0) {
    frame[1] = maskBit | length;
  } else if (lengthBytes === 2) {
    frame[1] = maskBit | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = maskBit | 127;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length >>> 0, 6);
  }
  frame.set(payload, headerBytes);
  if (masked) {
    const maskStart = headerBytes - 4;
    copyFreshMask(frame, maskStart);
    for (let i = 0; i < length; i += 1) frame[headerBytes + i]! ^= frame[maskStart + (i & 3)]!;
  }
  return frame;
}

/** Bytes of the header of the frame that begins at `at`; both of its first bytes must be there. */
export function headerBytesAt(bytes: Buffer, at: number): number {
  const second = bytes[at + 1]!;
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) !== 0 ? 4 : 0);
}

/** Payload of the whole frame `frame`, unmasked; a copy. */
export function framePayload(frame: Buffer): Buffer {
  const start = headerBytesAt(frame, 0);
  const payload = Buffer.from(frame.subarray(start));
  if ((frame[1]! & 0x80) !== 0) {
    for (let i = 0; i < payload.length; i += 1) payload[i]! ^= frame[start - 4 + (i & 3)]!;
  }
  return payload;
}
