/** What the ends of fake connections say, and how they read it. */
import { encodeFrame, type Frame, FrameDecoder } from './frame-codec.ts';

/** Messages carry a number and a length, so that loss, doubling, disorder and damage can be seen. */
export function payloadOf(source: number, n: number, bytes: number): Buffer {
  const payload = Buffer.alloc(Math.max(12, bytes), n & 0xff);
  payload.writeUInt32BE(source, 0);
  payload.writeUInt32BE(n, 4);
  payload.writeUInt32BE(payload.length, 8);
  return payload;
}

export interface Marked {
  readonly source: number;
  readonly n: number;
}

/** @throws Error where it is not one of `payloadOf`, whole. */
export function readPayload(payload: Buffer): Marked {
  const source = payload.readUInt32BE(0);
  const n = payload.readUInt32BE(4);
  if (!payload.equals(payloadOf(source, n, payload.length))) throw new Error(`message ${source}/${n} is damaged`);
  return { source, n };
}

/** Frames of one message, in `parts` fragments. */
export function messageFrames(payload: Buffer, how: { masked: boolean; text: boolean; parts: number }): Buffer[] {
  const parts = Math.max(1, Math.min(how.parts, payload.length));
  const size = Math.ceil(payload.length / parts);
  return Array.from({ length: parts }, (_, at) =>
    encodeFrame({
      opcode: at > 0 ? 'continuation' : how.text ? 'text' : 'binary',
      fin: at === parts - 1,
      payload: payload.subarray(at * size, (at + 1) * size),
      mask: how.masked ? Buffer.from([1, 2, 3, 4 + at]) : false,
    }),
  );
}

/** Whole messages out of frames; control frames go to `control`. */
export class Assembler {
  readonly #decoder = new FrameDecoder();
  readonly #masked: boolean;
  readonly #message: (payload: Buffer) => void;
  readonly #control: (frame: Frame) => void;
  #parts: Buffer[] = [];
  #inside = false;

  constructor(masked: boolean, message: (payload: Buffer) => void, control: (frame: Frame) => void) {
    this.#masked = masked;
    this.#message = message;
    this.#control = control;
  }

  push(chunk: Buffer): void {
    for (const frame of this.#decoder.push(chunk)) {
      if (frame.masked !== this.#masked || frame.rsv !== 0)
        throw new Error('a frame with the wrong mask or reserved bits');
      if (frame.opcode >= 8) {
        this.#control(frame);
        continue;
      }
      if ((frame.opcode === 0) !== this.#inside) throw new Error('a fragment out of place');
      this.#inside = !frame.fin;
      this.#parts.push(frame.payload);
      if (!frame.fin) continue;
      const payload = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
      this.#parts = [];
      this.#message(payload);
    }
  }

  /** Bytes of a frame or message that is not whole. */
  get unfinished(): boolean {
    return this.#inside || this.#decoder.pendingBytes > 0;
  }
}
