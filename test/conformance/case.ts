/**
 * What a case of the suite is made of. A case says what one end of a WebSocket connection sends, frame by frame, and what RFC 6455 says must
 * come of it. It does not say which end: the same script is played by a client (masked) and by a backend (unmasked).
 */
import { encodeFrame, type FrameInit, type OpcodeName } from '../support/frame-codec.ts';

/** Who plays the script. */
export type Role = 'client' | 'backend';

export interface FrameSpec extends Omit<FrameInit, 'mask'> {
  /** Default: as the role must. 'wrong' = the other way; bytes = that key, which is also wrong where there must be none. */
  readonly mask?: 'wrong' | Uint8Array;
}

/** Frames, or bytes as they are, in one write; or cut in several, or only the beginning of them. */
export interface Send {
  readonly send: readonly (FrameSpec | Uint8Array)[];
  /** Offsets where a new write begins. The other end reads each write by itself. */
  readonly cuts?: readonly number[] | 'every byte';
  /** Only so many of the bytes. */
  readonly first?: number;
}
export type Step =
  | Send
  /** Until the answer to every whole message and ping so far is here. */
  | { readonly wait: 'answers' }
  /** The other end's application closes; the script waits for its Close, and answers it unless told not to. */
  | { readonly peerCloses: { readonly code?: number; readonly reason?: string } }
  | { readonly end: 'fin' | 'reset' };

export type Message = string | Uint8Array;

/**
 * What must come of the script.
 * open: nothing ends. fails: the connection is failed with this code by whoever reads the frames. rejects: by the application at the other end,
 * for what is in a message. closes: the script's own Close. closed: the Close of the other end's application. lost: it ends without a Close.
 */
export type Outcome =
  | { readonly kind: 'open' }
  | { readonly kind: 'fails'; readonly code: 1002 | 1007 | 1009 }
  | { readonly kind: 'rejects'; readonly code: 1007 }
  | { readonly kind: 'closes'; readonly code: number; readonly reason: string }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  | { readonly kind: 'lost' };

export interface FrameCase {
  readonly name: string;
  /** Section of RFC 6455. */
  readonly rfc: string;
  readonly steps: readonly Step[];
  /** What the other end's application gets, in order. Default nothing. */
  readonly delivers?: readonly Message[];
  readonly outcome: Outcome;
  /** Default both. */
  readonly roles?: readonly Role[];
  /** The gateway may pass on other frames than came. */
  readonly rewritten?: true;
  /** 'as written' = not also played in one write and byte by byte. */
  readonly writes?: 'as written';
}

export interface Section {
  readonly title: string;
  readonly cases: readonly FrameCase[];
}

const frame =
  (opcode: OpcodeName) =>
  (payload: string | Uint8Array = '', changes: Partial<FrameSpec> = {}): FrameSpec => ({ opcode, payload, ...changes });
export const text = frame('text');
export const binary = frame('binary');
export const more = frame('continuation');
export const ping = frame('ping');
export const pong = frame('pong');
/** A Close with any code, also with a reason that is not UTF-8; without a code it is empty. */
export const close = (
  code?: number,
  reason: string | Uint8Array = '',
  changes: Partial<FrameSpec> = {},
): FrameSpec => ({ opcode: 'close', payload: closeBody(code, reason), ...changes });
/** First or middle fragment. */
export const unfinished = { fin: false } as const;

function closeBody(code: number | undefined, reason: string | Uint8Array): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

export const send = (...frames: (FrameSpec | Uint8Array)[]): Send => ({ send: frames });
export const answers: Step = { wait: 'answers' };
export const open: Outcome = { kind: 'open' };
export const lost: Outcome = { kind: 'lost' };
export const fails = (code: 1002 | 1007 | 1009 = 1002): Outcome => ({ kind: 'fails', code });

/** `steps` after a message that arrives whatever comes of them. */
export function violation(name: string, rfc: string, ...steps: Step[]): FrameCase {
  return { name, rfc, steps: [send(text('before')), answers, ...steps], delivers: ['before'], outcome: fails() };
}

const zeroKey = Uint8Array.of(0, 0, 0, 0);
export const keys = { zero: zeroKey, ones: Uint8Array.of(255, 255, 255, 255) } as const;

/** The bytes of `frames` as `role` sends them. */
export function bytesOf(frames: readonly (FrameSpec | Uint8Array)[], role: Role): Buffer {
  const masks = role === 'client';
  return Buffer.concat(
    frames.map((one) => {
      if (one instanceof Uint8Array) return one;
      const { mask, ...rest } = one;
      return encodeFrame({ ...rest, mask: mask === 'wrong' ? !masks : (mask ?? masks) });
    }),
  );
}

/** How many bytes the frames take. */
export const sizeOf = (frames: readonly (FrameSpec | Uint8Array)[], role: Role): number => bytesOf(frames, role).length;

/** `bytes` as letters that tell where they are. */
export function letters(bytes: number): string {
  const pattern = 'abcdefghijklmnopqrstuvwxyz0123456789.';
  return pattern.repeat(Math.ceil(bytes / pattern.length)).slice(0, bytes);
}

/** The same numbers for the same seed, 0 to below 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
