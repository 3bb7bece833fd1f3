/** RFC 6455 frames for tests, written apart from src/wire so that a bug there cannot hide. Judges nothing. */
import { createHash, randomBytes } from 'node:crypto';

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
export type OpcodeName = keyof typeof opcodes;

export interface FrameInit {
  /** Default true. */
  readonly fin?: boolean | undefined;
  /** Default 'text' for a string, else 'binary'; a number may be a reserved one. */
  readonly opcode?: OpcodeName | number | undefined;
  readonly payload?: string | Uint8Array | undefined;
  /** True = random key, bytes = that key, false = none. The default is the right one for the role of the link. */
  readonly mask?: boolean | Uint8Array | undefined;
  /** The three reserved bits as a number 0 to 7 (RSV1 = 4). */
  readonly rsv?: number | undefined;
  /** Default the shortest. */
  readonly lengthEncoding?: 7 | 16 | 64 | undefined;
  /** Says another length in the header than the payload has: half a frame, a monster that never comes. */
  readonly declaredLength?: number | bigint | undefined;
}

export interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** Unmasked. */
  readonly payload: Buffer;
  readonly text: string;
  /** The header as it came, mask key included. */
  readonly header: Buffer;
}

export interface CloseInfo {
  /** 1005 = a Close without a code, 1006 = no Close at all. */
  readonly code: number;
  readonly reason: string;
}

export function encodeFrame(init: FrameInit): Buffer {
  const payload = typeof init.payload === 'string' ? Buffer.from(init.payload) : Buffer.from(init.payload ?? []);
  const opcode = init.opcode ?? (typeof init.payload === 'string' ? 'text' : 'binary');
  const length = BigInt(init.declaredLength ?? payload.length);
  const encoding = init.lengthEncoding ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const maskKey = init.mask === true ? randomBytes(4) : init.mask instanceof Uint8Array ? Buffer.from(init.mask) : null;
  const header = Buffer.alloc(2 + (encoding === 7 ? 0 : encoding / 8));
  header[0] =
    ((init.fin ?? true) ? 0x80 : 0) |
    (((init.rsv ?? 0) & 7) << 4) |
    ((typeof opcode === 'number' ? opcode : opcodes[opcode]) & 15);
  header[1] = (maskKey ? 0x80 : 0) | (encoding === 7 ? Number(length & 127n) : encoding === 16 ? 126 : 127);
  if (encoding === 16) header.writeUInt16BE(Number(length & 0xffffn), 2);
  if (encoding === 64) header.writeBigUInt64BE(length, 2);
  if (!maskKey) return Buffer.concat([header, payload]);
  const masked = Buffer.from(payload);
  for (let i = 0; i < masked.length; i++) masked[i] = masked[i]! ^ maskKey[i & 3]!;
  return Buffer.concat([header, maskKey, masked]);
}

export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #needed = 2;

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const frames: Frame[] = [];
    if (this.#bytes < this.#needed) return frames;
    let data = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    for (;;) {
      const step = readFrame(data);
      if (typeof step === 'number') {
        this.#needed = step;
        break;
      }
      frames.push(step.frame);
      data = data.subarray(step.size);
    }
    this.#chunks = data.length > 0 ? [data] : [];
    this.#bytes = data.length;
    return frames;
  }
}

/** One frame and its size, or the number of bytes needed to know more. */
function readFrame(data: Buffer): { readonly frame: Frame; readonly size: number } | number {
  if (data.length < 2) return 2;
  const first = data[0]!;
  const second = data[1]!;
  const masked = (second & 0x80) !== 0;
  const short = second & 127;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const headerSize = 2 + lengthBytes + (masked ? 4 : 0);
  if (data.length < headerSize) return headerSize;
  const length =
    short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : /* in the byte */ short;
  const size = headerSize + length;
  if (data.length < size) return size;
  const payload = Buffer.from(data.subarray(headerSize, size));
  if (masked) {
    const key = data.subarray(headerSize - 4, headerSize);
    for (let i = 0; i < payload.length; i++) payload[i] = payload[i]! ^ key[i & 3]!;
  }
  const frame: Frame = {
    fin: (first & 0x80) !== 0,
    rsv: (first >> 4) & 7,
    opcode: first & 15,
    masked,
    payload,
    get text() {
      return payload.toString();
    },
    header: Buffer.from(data.subarray(0, headerSize)),
  };
  return { frame, size };
}

export function closePayload(code?: number, reason = ''): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}

export function parseClose(payload: Buffer): CloseInfo {
  if (payload.length < 2) return { code: 1005, reason: '' };
  return { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
}

export function acceptKeyFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
