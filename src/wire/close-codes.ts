/** Close codes of RFC 6455 section 7.4 and our own, and which may stand in a Close frame. */
export const closeCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  /** Never on the wire: a Close without a code. */
  noStatus: 1005,
  /** Never on the wire: the connection ended without a Close. */
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
  /** Ours: a newer connection with the same client id took this one's place. */
  replaced: 4409,
} as const;

/** True for a code that an endpoint may send in a Close frame. */
export function isSendableCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}

export interface ClosePayload {
  /** 1005 for an empty Close. */
  readonly code: number;
  readonly reason: string;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the payload of a Close frame.
 * @returns what it says, or the violation: 1002 for a wrong length or code, 1007 for a reason that is not UTF-8.
 */
export function parseClosePayload(
  payload: Buffer,
): ClosePayload | { readonly violation: 1002 | 1007; readonly message: string } {
  if (payload.length === 0) return { code: closeCode.noStatus, reason: '' };
  if (payload.length === 1) return { violation: 1002, message: 'a Close with a payload of one byte' };
  const code = payload.readUInt16BE(0);
  if (!isSendableCloseCode(code)) return { violation: 1002, message: `a Close with the code ${code}` };
  try {
    return { code, reason: strictUtf8.decode(payload.subarray(2)) };
  } catch {
    return { violation: 1007, message: 'a Close whose reason is not UTF-8' };
  }
}

/** Longest reason that fits a control frame, in bytes. */
const maxReasonBytes = 123;

/** Payload of a Close frame. Codes that may not be sent become an empty Close; a long reason is cut at a character. */
export function encodeClosePayload(code: number, reason = ''): Buffer {
  if (!isSendableCloseCode(code)) return Buffer.alloc(0);
  let text = Buffer.from(reason);
  if (text.length > maxReasonBytes) {
    let end = maxReasonBytes;
    while (end > 0 && (text[end]! & 0xc0) === 0x80) end -= 1;
    text = text.subarray(0, end);
  }
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  return payload;
}
