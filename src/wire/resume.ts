/** The control messages of the subprotocol `holdfast.v1` (docs/PROTOCOL.md). Pure. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';

export const resumeProtocol = 'holdfast.v1';
export const resumeVersion = 1;
/** U+001E: first byte of control messages, and of application texts that were given one more. */
export const recordMark = 0x1e;
/** Longest control message, bytes. */
export const maxRecordBytes = 8192;

/** Close codes of the protocol; 4409 is in close-codes.ts. */
export const resumeCloseCode = { badStart: 4400, resumedElsewhere: 4408 } as const;

/** Why the session of a `welcome` is a new one, where another was asked for. */
export type ResetReason =
  /** No such session: its window was over, the gateway was restarted, or the token is not that of the client. */
  | 'unknown'
  /** It is there, and what the client is short of is not. */
  | 'counts'
  /** The gateway that had it has ended without a word. */
  | 'gateway-gone'
  /** Another gateway has it, or had, and could not hand it over. */
  | 'hand-over-failed';

export interface RecordHeartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export type GatewayRecord =
  | { readonly type: 'hello'; readonly version: number; readonly deadlineMs: number }
  | {
      readonly type: 'welcome';
      readonly pipe: string;
      readonly token: string;
      readonly resumed: boolean;
      readonly received: number;
      readonly protocol: string;
      readonly heartbeat: RecordHeartbeat;
      readonly resumeWindowMs: number;
      readonly maxBufferBytes: number;
      /** Only of a session that was asked to be another. */
      readonly reason?: ResetReason;
    }
  | { readonly type: 'pong'; readonly id?: number | string }
  | { readonly type: 'ack'; readonly received: number }
  | { readonly type: 'interrupted'; readonly reason: string }
  | { readonly type: 'restored'; readonly gapMs: number; readonly replayed: number }
  | { readonly type: 'config'; readonly heartbeat: RecordHeartbeat }
  | { readonly type: 'goaway'; readonly reconnectAfterMs: number };

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const id = Type.Optional(Type.Union([Type.Number(), Type.String()]));
const Resume = Type.Object({
  pipe: Type.String({ maxLength: 64 }),
  token: Type.String({ maxLength: 64 }),
  received: count,
  /** Counts the client's connections to this session, where the client does. */
  attempt: Type.Optional(count),
});
const clientRecords = {
  start: Type.Object({ type: Type.Literal('start'), resume: Type.Union([Type.Null(), Resume]) }),
  ping: Type.Object({ type: Type.Literal('ping'), id }),
  pong: Type.Object({ type: Type.Literal('pong'), id }),
  ack: Type.Object({ type: Type.Literal('ack'), received: count }),
};
export type ResumeRequest = Static<typeof Resume>;
export type ClientRecord = {
  [K in keyof typeof clientRecords]: Static<(typeof clientRecords)[K]>;
}[keyof typeof clientRecords];

export function encodeRecord(record: GatewayRecord): string {
  return `\u001e${JSON.stringify(record)}`;
}

/**
 * Reads a control message of a client.
 * @param payload with its mark.
 * @returns null for a type this version does not know, which is to be ignored; a string says what is wrong.
 */
export function parseRecord(payload: Buffer): ClientRecord | null | string {
  if (payload.length > maxRecordBytes) return `a control message over ${maxRecordBytes} bytes`;
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8', 1));
  } catch {
    return 'a control message that is not JSON';
  }
  if (typeof value !== 'object' || value === null || !('type' in value)) return 'a control message without a type';
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(clientRecords, type)) return null;
  const schema = clientRecords[type as keyof typeof clientRecords];
  return Value.Check(schema, value) ? (value as ClientRecord) : `a ${type} that does not fit the protocol`;
}
