import type { Kept } from './session.ts';
import type { SocketData } from './types.ts';

/** What is kept of it, and its bytes. Whoever called may change a buffer later, so that is copied. Anything else becomes a text, as in `WebSocket`. */
export function copyOf(data: SocketData): [Kept, number] {
  if (data instanceof Blob) return [data, data.size];
  // Not by class: a buffer may come from another realm, such as a frame of the page.
  const { buffer = data as ArrayBuffer, byteOffset, byteLength } = Object(data) as Partial<ArrayBufferView>;
  if (byteLength !== undefined)
    return [new Uint8Array(buffer, byteOffset, byteLength).slice().buffer as ArrayBuffer, byteLength];
  const text = String(data);
  return [text, utf8Length(text)];
}

export const utf8Length = (text?: string): number => new TextEncoder().encode(text).length;

/** For texts roughly. */
export function sizeOf(data: unknown): number {
  const { length, byteLength, size } = data as { length?: number; byteLength?: number; size?: number };
  return length ?? byteLength ?? size ?? 0;
}
