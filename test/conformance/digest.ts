/** Messages and frames in a form that can be compared and read. */
import { createHash } from 'node:crypto';
import type { Frame } from '../support/frame-codec.ts';
import type { Message } from './case.ts';

const longestShown = 64;

const sha1 = (...parts: readonly Uint8Array[]): string => {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
};

export function digestMessage(data: Uint8Array, isText: boolean): string {
  const kind = isText ? 'text' : 'binary';
  if (data.length > longestShown) return `${kind} of ${data.length} bytes, ${sha1(data)}`;
  return `${kind} ${isText ? JSON.stringify(Buffer.from(data).toString()) : Buffer.from(data).toString('hex')}`;
}

export const digestOf = (message: Message): string =>
  digestMessage(Buffer.from(message as string), typeof message === 'string');

/** Of a message's frames as they are on the wire: opcodes, fragments, length encodings, mask keys, payloads. */
export function digestFrames(frames: readonly Frame[]): string {
  return `${frames.length} frames, ${sha1(...frames.flatMap(({ header, payload }) => [header, payload]))}`;
}
