/** The JSON heartbeat messages a page can see. Exactly {"type":"ping"} or {"type":"pong"}, white space aside. */
export const jsonPing = '{"type":"ping"}';
export const jsonPong = '{"type":"pong"}';

const pattern = /^[ \t\r\n]*\{[ \t\r\n]*"type"[ \t\r\n]*:[ \t\r\n]*"(ping|pong)"[ \t\r\n]*\}[ \t\r\n]*$/;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;

/** Looks at the first bytes only, without a copy: false for nearly all messages of an application. */
export function mayBeJsonHeartbeat(bytes: Buffer, payloadAt: number, masked: boolean): boolean {
  const byteAt = (i: number): number => bytes[payloadAt + i]! ^ (masked ? bytes[payloadAt - 4 + i]! : 0);
  const first = byteAt(0);
  if (first !== 0x7b) return isSpace(first);
  const second = byteAt(1);
  if (second !== 0x22) return isSpace(second);
  return byteAt(2) === 0x74;
}

/** What the payload of a text message is, or null where it is the application's. */
export function parseJsonHeartbeat(payload: Buffer): 'ping' | 'pong' | null {
  const match = pattern.exec(payload.toString('latin1'));
  return match === null ? null : (match[1] as 'ping' | 'pong');
}
