/** A FrameReader without a socket: what it makes of chunks. */
import assert from 'node:assert/strict';
import type { Block } from '../../src/wire/byte-blocks.ts';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { FrameReader, type FrameSink } from '../../src/wire/frame-reader.ts';

/** What a FrameReader gave, in order; fails where something comes inside a message. */
export class Recorder implements FrameSink {
  runs: Buffer[] = [];
  messages = 0;
  open = false;
  log: string[] = [];
  violation: { code: number; message: string } | null = null;
  texts: string[] = [];
  takesHeartbeats = true;
  data = 0;
  readerMessages(frames: Buffer, messages: number, _block: Block | null): boolean {
    assert.ok(frames.length > 0, 'no empty runs');
    this.runs.push(Buffer.from(frames));
    this.messages += messages;
    this.open = messages === 0;
    this.data += frames.length;
    return true;
  }
  readerControl(code: number, payload: Buffer): void {
    assert.equal(this.open, false, 'control frames come between whole messages');
    this.log.push(`${code}:${payload.toString('hex')}@${this.messages}`);
  }
  readerHeartbeat(kind: 'ping' | 'pong'): boolean {
    assert.equal(this.open, false, 'heartbeats come between whole messages');
    this.texts.push(kind);
    return this.takesHeartbeats;
  }
  records: string[] = [];
  readerRecord(payload: Buffer): void {
    this.records.push(`${payload.toString()}@${this.messages}`);
  }
  readerViolation(code: number, message: string): void {
    this.violation = { code, message };
  }
  get bytes(): Buffer {
    return Buffer.concat(this.runs);
  }
}

/** A new reader gets the chunks one after the other, as far as it takes them; memory that it has let go is overwritten. */
export function read(
  chunks: Buffer[],
  options: {
    masked?: boolean;
    maxMessageBytes?: number;
    maxFragments?: number;
    interceptText?: boolean;
    interceptRecords?: boolean;
    /** Worked through in one go. */
    frames?: number;
    /** What is missing of a large frame is put where the reader would keep it. */
    room?: boolean;
  } = {},
): { sink: Recorder; reader: FrameReader } {
  const sink = new Recorder();
  const reader = new FrameReader(sink, {
    masked: options.masked ?? false,
    bounds: { maxMessageBytes: options.maxMessageBytes ?? 1 << 20 },
    maxFragments: options.maxFragments ?? 100_000,
  });
  reader.interceptText = options.interceptText ?? false;
  reader.interceptRecords = options.interceptRecords ?? false;
  for (const chunk of chunks.map((bytes) => Buffer.from(bytes))) {
    for (let rest = chunk; rest.length > 0; ) {
      const room = options.room === true ? reader.room() : null;
      if (room !== null) {
        const bytes = rest.copy(room);
        assert.equal(reader.push(room.subarray(0, bytes), options.frames), bytes);
        rest = rest.subarray(bytes);
        continue;
      }
      const taken = reader.push(rest, options.frames);
      assert.ok(taken > 0, 'a push takes something');
      // Nobody refers to what is free: it may be overwritten.
      if (reader.free) rest.fill(0xee, 0, taken);
      rest = rest.subarray(taken);
    }
  }
  return { sink, reader };
}

/** Cut at these places, each taken modulo the length. */
export function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const chunks: Buffer[] = [];
  let from = 0;
  for (const place of [...places, bytes.length]) {
    if (place > from) chunks.push(Buffer.from(bytes.subarray(from, place)));
    from = Math.max(from, place);
  }
  return chunks;
}

/** A data frame that need not be final. */
export function dataFrame(code: number, payload: Buffer, final: boolean, masked: boolean): Buffer {
  const frame = encodeFrame(opcode.binary, payload, masked);
  frame[0] = (final ? 0x80 : 0) | code;
  return frame;
}

/** No two places in it look the same. */
export function patterned(length: number): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: length / 4 }, (_, n) => n * 0x9e3779b1).buffer);
}
