/** Sequences of frames as a peer might send them, and what can be wrong with them: drawn from a seed alone. */
import { closePayload, encodeFrame, type FrameInit } from '../support/frame-codec.ts';

type Random = () => number;

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
export const between = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1));

function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = Math.floor(random() * 256);
  return bytes;
}

/** Mostly short, now and then at the borders of the length encodings, or above the limit of a message. */
function payloadOf(random: Random): Buffer | string {
  const kind = random();
  if (kind < 0.15) return '';
  if (kind < 0.25)
    return pick(random, ['{"type":"ping"}', '{"type":"pong"}', '\u001e{"type":"start","resume":null}', '\u001e']);
  if (kind < 0.6) return 'text '.repeat(between(random, 1, 24));
  if (kind < 0.8) return randomBytes(random, between(random, 1, 300));
  if (kind < 0.93) return Buffer.alloc(pick(random, [125, 126, 127, 65_535, 65_536]), 'b');
  return Buffer.alloc(between(random, 1, 140_000), 'm');
}

/** One message or control frame as RFC 6455 has it. */
function wholeMessage(random: Random): FrameInit[] {
  const kind = random();
  if (kind < 0.15) return [{ opcode: 'ping', payload: randomBytes(random, between(random, 0, 125)) }];
  if (kind < 0.25) return [{ opcode: 'pong', payload: randomBytes(random, between(random, 0, 125)) }];
  const opcode = random() < 0.5 ? 'text' : 'binary';
  if (kind < 0.7) return [{ opcode, payload: payloadOf(random) }];
  const parts = between(random, 2, 6);
  return Array.from({ length: parts }, (_, part): FrameInit[] => {
    const frame: FrameInit = {
      opcode: part === 0 ? opcode : 'continuation',
      fin: part === parts - 1,
      payload: payloadOf(random),
    };
    return random() < 0.2 ? [{ opcode: 'ping', payload: 'inside' }, frame] : [frame];
  }).flat();
}

/** Fields of one frame made wrong, or right in an odd way. */
function wrongFrame(random: Random, frame: FrameInit, masks: boolean): FrameInit {
  const changes: readonly (() => FrameInit)[] = [
    () => ({ rsv: between(random, 1, 7) }),
    () => ({ opcode: between(random, 0, 15) }),
    () => ({ fin: !(frame.fin ?? true) }),
    () => ({ mask: masks ? random() < 0.3 : random() < 0.7 }),
    () => ({ lengthEncoding: pick(random, [7, 16, 64] as const) }),
    () => ({
      declaredLength: pick(random, [
        0,
        1,
        125,
        126,
        65_535,
        65_536,
        2 ** 20,
        2 ** 31,
        2 ** 40,
        2n ** 63n,
        2n ** 64n - 1n,
      ]),
    }),
    () => ({ opcode: 'close', payload: closePayload(between(random, 0, 5200), 'x'.repeat(between(random, 0, 140))) }),
    () => ({ opcode: 'close', payload: randomBytes(random, between(random, 0, 130)) }),
    () => ({ opcode: 'close', payload: Buffer.concat([closePayload(1000), Buffer.from([0xff, 0xfe])]) }),
    () => ({ opcode: 'ping', payload: randomBytes(random, between(random, 120, 200)) }),
  ];
  return { ...frame, ...pick(random, changes)() };
}

/** The bytes made wrong, wherever the frames are. */
function wrongBytes(random: Random, bytes: Buffer): Buffer {
  const at = Math.floor(random() * bytes.length);
  const length = between(random, 1, Math.min(40, bytes.length));
  switch (between(random, 0, 4)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      flipped[at] = flipped[at]! ^ (1 << between(random, 0, 7));
      return flipped;
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), randomBytes(random, length), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    default:
      return bytes.subarray(0, at);
  }
}

export interface FuzzedStream {
  /** To be written one after the other. */
  readonly chunks: readonly Buffer[];
  /** Between two chunks. */
  readonly pauseMs: number;
  readonly end: 'fin' | 'reset' | 'close' | 'wait';
}

/** @param masks true = as a client sends. */
export function fuzzedStream(random: Random, masks: boolean): FuzzedStream {
  const key = (): Buffer => randomBytes(random, 4);
  let frames = Array.from({ length: between(random, 1, 8) }, () => wholeMessage(random)).flat();
  if (random() < 0.5) {
    const at = Math.floor(random() * frames.length);
    frames = frames.map((frame, index) => (index === at ? wrongFrame(random, frame, masks) : frame));
  }
  if (frames.length > 1 && random() < 0.15) frames.splice(Math.floor(random() * frames.length), 1);
  if (random() < 0.15) frames.push(pick(random, frames));
  let bytes: Buffer = Buffer.concat(
    frames.map((frame) => {
      const { mask = masks, ...rest } = frame;
      return encodeFrame({ ...rest, mask: mask === false ? false : key() });
    }),
  );
  if (random() < 0.3 && bytes.length > 0) bytes = wrongBytes(random, bytes);
  return {
    chunks: split(random, bytes),
    pauseMs: random() < 0.7 ? 0 : between(random, 1, 3),
    end: pick(random, ['fin', 'reset', 'close', 'wait'] as const),
  };
}

/** At random places; now and then byte by byte where that is not much. */
function split(random: Random, bytes: Buffer): Buffer[] {
  if (bytes.length <= 200 && random() < 0.15) return [...bytes].map((byte) => Buffer.of(byte));
  const borders = Array.from({ length: between(random, 0, 6) }, () => Math.floor(random() * bytes.length));
  const sorted = [0, ...borders, bytes.length].sort((one, other) => one - other);
  return sorted.slice(1).map((border, index) => bytes.subarray(sorted[index]!, border));
}
