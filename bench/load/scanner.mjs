// Finds the frames in what one end of the load receives, in any split, without a copy or an object per frame. Written apart from src/wire on
// purpose: what is measured is not measured with itself.

/** What a scanner may be in the middle of. */
const inHeader = 0;
const inPayload = 1;

/**
 * What a scanner tells. `onData` gets the sequence number at the head of the payload (its first 4 bytes, unmasked) and the payload's length;
 * `onPiece` gets each piece of a sampled payload, still masked.
 * @typedef {{ onData(sequence: number, length: number): void, onControl(opcode: number, payload: Buffer): void,
 *   onPiece(bytes: Buffer, from: number, to: number, offset: number, key: number): void }} Receiver
 */

export class Scanner {
  #phase = inHeader;
  #head = Buffer.alloc(14);
  #have = 0;
  #left = 0;
  #length = 0;
  #opcode = 0;
  #key = 0;
  #sequence = 0;
  #sampled = false;
  #messages = 0;
  #control = Buffer.alloc(125);
  #receiver;
  #sampleEvery;

  /** @param {Receiver} receiver @param {number} sampleEvery each so-manieth payload is shown by onPiece */
  constructor(receiver, sampleEvery) {
    this.#receiver = receiver;
    this.#sampleEvery = sampleEvery;
  }

  /** @param {Buffer} chunk @param {number} to how much of it there is @param {number} [at] */
  scan(chunk, to, at = 0) {
    while (at < to) {
      if (this.#phase === inHeader) {
        at = this.#readHeader(chunk, at, to);
      } else {
        const end = Math.min(to, at + this.#left);
        this.#readPayload(chunk, at, end);
        at = end;
      }
      if (this.#phase === inPayload && this.#left === 0) this.#end();
    }
  }

  /** @param {Buffer} chunk @param {number} at @param {number} to */
  #readHeader(chunk, at, to) {
    if (this.#have === 0 && to - at >= 14) {
      this.#begin(chunk, at);
      return at + headerLength(chunk[at + 1]);
    }
    const head = this.#head;
    while (at < to) {
      head[this.#have++] = chunk[at++];
      if (this.#have >= 2 && this.#have === headerLength(head[1])) {
        this.#have = 0;
        this.#begin(head, 0);
        break;
      }
    }
    return at;
  }

  /** @param {Buffer} bytes @param {number} at where a whole header begins */
  #begin(bytes, at) {
    const second = bytes[at + 1];
    const short = second & 0x7f;
    let body = at + 2;
    let length = short;
    if (short === 126) {
      length = (bytes[body] << 8) | bytes[body + 1];
      body += 2;
    } else if (short === 127) {
      length = bytes.readUInt32BE(body + 4);
      body += 8;
    }
    this.#opcode = bytes[at] & 0x0f;
    this.#key = second >= 0x80 ? bytes.readInt32BE(body) : 0;
    this.#length = length;
    this.#left = length;
    this.#sequence = 0;
    this.#phase = inPayload;
    if (this.#opcode < 3) this.#sampled = this.#messages++ % this.#sampleEvery === 0;
  }

  /** @param {Buffer} chunk @param {number} from @param {number} to */
  #readPayload(chunk, from, to) {
    let offset = this.#length - this.#left;
    this.#left -= to - from;
    if (this.#opcode >= 3) {
      chunk.copy(this.#control, offset, from, to);
      return;
    }
    const start = offset;
    for (let at = from; offset < 4 && at < to; at++, offset++) this.#sequence = (this.#sequence << 8) | chunk[at];
    if (this.#sampled) this.#receiver.onPiece(chunk, from, to, start, this.#key);
  }

  #end() {
    this.#phase = inHeader;
    if (this.#opcode < 3) {
      this.#receiver.onData((this.#sequence ^ this.#key) >>> 0, this.#length);
      return;
    }
    const payload = Buffer.from(this.#control.subarray(0, this.#length));
    for (let i = 0; i < payload.length; i++) payload[i] ^= this.#key >>> (24 - 8 * (i & 3));
    this.#receiver.onControl(this.#opcode, payload);
  }
}

/** @param {number} second the second byte of a frame */
function headerLength(second) {
  const short = second & 0x7f;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second >= 0x80 ? 4 : 0);
}
