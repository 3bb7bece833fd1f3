/** Whole messages out of the frames they came in; for code that looks at messages, not for what is only passed on. */
import { framePayload, headerBytesAt, opcode } from './frame.ts';

export interface WholeMessage {
  /** The frames as they came. */
  readonly frames: Buffer;
  readonly text: boolean;
  /** Unmasked, its fragments joined; a copy. */
  readonly payload: Buffer;
}

/** Splits a run of whole messages (data frames only, as a FrameReader hands on). */
export function splitMessages(run: Buffer): WholeMessage[] {
  const messages: WholeMessage[] = [];
  let start = 0;
  for (const end of messageEnds(run)) {
    const parts: Buffer[] = [];
    for (let at = start; at < end; ) {
      const next = frameEnd(run, at);
      parts.push(framePayload(run.subarray(at, next)));
      at = next;
    }
    const text = (run[start]! & 0x0f) === opcode.text;
    messages.push({ frames: run.subarray(start, end), text, payload: Buffer.concat(parts) });
    start = end;
  }
  return messages;
}

/** Where each whole message of a run ends; the run begins with a frame. */
export function messageEnds(run: Buffer): number[] {
  const ends: number[] = [];
  for (let at = 0; at + 2 <= run.length; ) {
    const final = run[at]! >= 0x80;
    at = frameEnd(run, at);
    if (final && at <= run.length) ends.push(at);
  }
  return ends;
}

/** Where the `count`th whole message of a run ends, from 1; the run begins with a frame. */
export function nthMessageEnd(run: Buffer, count: number): number {
  let at = 0;
  for (let left = count; left > 0; ) {
    if (run[at]! >= 0x80) left -= 1;
    at = frameEnd(run, at);
  }
  return at;
}

function frameEnd(run: Buffer, at: number): number {
  return at + headerBytesAt(run, at) + payloadBytesAt(run, at);
}

function payloadBytesAt(run: Buffer, at: number): number {
  const length = run[at + 1]! & 0x7f;
  if (length === 126) return run.readUInt16BE(at + 2);
  if (length === 127) return run.readUInt32BE(at + 2) * 2 ** 32 + run.readUInt32BE(at + 6);
  return length;
}

/** Whole messages in a run of unmasked data frames that anybody may have made up; null = it is no such run. */
export function countMessages(run: Buffer): number | null {
  let messages = 0;
  let inside = false;
  let at = 0;
  while (at < run.length) {
    const first = run[at]!;
    const code = first & 0x0f;
    const fits =
      (first & 0x70) === 0 && (inside ? code === opcode.continuation : code === opcode.text || code === opcode.binary);
    // The longest header of an unmasked frame has 10 bytes, and masked ones are longer than they may be.
    if (!fits || at + 2 > run.length || run[at + 1]! >= 0x80 || at + headerBytesAt(run, at) > run.length) return null;
    at = frameEnd(run, at);
    inside = first < 0x80;
    if (!inside) messages += 1;
  }
  return at === run.length && !inside ? messages : null;
}
