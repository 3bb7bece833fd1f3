// Frames made once and sent again and again: only the sequence number in the first four bytes of each payload is written anew.

/** The clients' mask. Relays that unmask have the same work with any key but 0. */
export const maskKey = 0x11223344;
/** Most bytes written at once, unless one frame has more. */
const mostBytes = 64 * 1024;

/** What a payload of so many bytes holds after its sequence number. @param {number} bytes */
export function fillerOf(bytes) {
  const filler = Buffer.alloc(bytes);
  for (let i = 4; i < bytes; i++) filler[i] = 33 + (i % 89);
  return filler;
}

/** @param {Buffer} bytes @param {number} key @param {number} offset where in its payload it begins */
export function unmask(bytes, key, offset = 0) {
  const copy = Buffer.from(bytes);
  for (let i = 0; i < copy.length; i++) copy[i] ^= key >>> (24 - 8 * ((offset + i) & 3));
  return copy;
}

/** @param {number} opcode @param {Buffer} payload @param {boolean} masked */
export function frameOf(opcode, payload, masked) {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = 2 + extended + (masked ? 4 : 0);
  const frame = Buffer.alloc(header + length);
  frame[0] = 0x80 | opcode;
  frame[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  else if (extended === 8) frame.writeUInt32BE(length, 6);
  if (masked) frame.writeUInt32BE(maskKey, header - 4);
  (masked ? unmask(payload, maskKey) : payload).copy(frame, header);
  return frame;
}

/** Equal frames in a row, to be numbered and written together. */
export class FrameRow {
  /** Most frames in one write. */
  most;
  #frame;
  #firstNumber;
  #key;
  #row;
  /** Its beginnings, of 0, 1, 2 ... frames: made once. @type {Buffer[]} */
  #parts = [];

  /** @param {number} payloadBytes at least 4 @param {boolean} masked */
  constructor(payloadBytes, masked) {
    this.#frame = frameOf(2, fillerOf(payloadBytes), masked);
    this.#firstNumber = this.#frame.length - payloadBytes;
    this.#key = masked ? maskKey : 0;
    this.most = Math.max(1, Math.floor(mostBytes / this.#frame.length));
    this.#row = this.#build();
  }

  /** @param {number} index @param {number} sequence */
  number(index, sequence) {
    const value = sequence ^ this.#key;
    let at = index * this.#frame.length + this.#firstNumber;
    const row = this.#row;
    row[at++] = value >>> 24;
    row[at++] = value >>> 16;
    row[at++] = value >>> 8;
    row[at] = value;
  }

  /** Writes its first frames. @param {import('node:net').Socket} socket @param {number} count */
  write(socket, count) {
    let part = this.#parts[count];
    if (part === undefined) {
      part = this.#row.subarray(0, count * this.#frame.length);
      this.#parts[count] = part;
    }
    socket.write(part);
    // Not all of it went out: the socket still reads from these bytes.
    if (socket.writableLength > 0) this.#row = this.#build();
  }

  #build() {
    this.#parts = [];
    const row = Buffer.allocUnsafeSlow(this.most * this.#frame.length);
    for (let index = 0; index < this.most; index++) this.#frame.copy(row, index * this.#frame.length);
    return row;
  }
}
