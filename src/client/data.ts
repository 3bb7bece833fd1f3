import type { Kept } from './session.ts';
import type { SocketData } from './types.ts';

/** What is kept of it, and its bytes. Whoever called may change a buffer later, so that is copied. Anything else becomes a text, as in `WebSocket`. */
export function copyOf(data: SocketData): [Kept, number] {
  if (data instanceof Blob) return [data, data.size];
  if (ArrayBuffer.isView(data)) {
    return [new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer, data.byteLength];
  }
  if (data instanceof ArrayBuffer) return [data.slice(0), data.byteLength];
  const text = String(data);
  return [text, new TextEncoder().encode(text).length];
}

/** For texts roughly. */
export function sizeOf(data: unknown): number {
  const { length, byteLength, size } = data as { length?: number; byteLength?: number; size?: number };
  return length ?? byteLength ?? size ?? 0;
}
