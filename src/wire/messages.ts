/** Whole messages out of the frames they came in; for code that looks at messages, never on the relay's way. */
import { framePayload, headerBytesAt, opcode } from './frame.ts';

export interface WholeMessage {
  /** The frames as they came. */
  readonly frames: Buffer;
  /** Text as a string, binary as a Buffer. */
  readonly data: string | Buffer;
}

/** Splits a run of whole messages (data frames only, as a FrameReader hands on). */
export function splitMessages(run: Buffer): WholeMessage[] {
  const messages: WholeMessage[] = [];
  let start = 0;
  let text = false;
  let parts: Buffer[] = [];
  for (let at = 0; at < run.length; ) {
    const end = at + headerBytesAt(run, at) + payloadBytesAt(run, at);
    const first = run[at]!;
    if ((first & 0x0f) !== opcode.continuation) text = (first & 0x0f) === opcode.text;
    parts.push(framePayload(run.subarray(at, end)));
    at = end;
    if (first < 0x80) continue;
    const data = Buffer.concat(parts);
    messages.push({ frames: run.subarray(start, at), data: text ? data.toString() : data });
    parts = [];
    start = at;
  }
  return messages;
}

function payloadBytesAt(run: Buffer, at: number): number {
  const length = run[at + 1]! & 0x7f;
  if (length === 126) return run.readUInt16BE(at + 2);
  if (length === 127) return run.readUInt32BE(at + 2) * 2 ** 32 + run.readUInt32BE(at + 6);
  return length;
}
