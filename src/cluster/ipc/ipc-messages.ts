/**
 * What a worker process and the primary say to each other about the store. Bytes travel as base64, so that it does not matter which
 * serialization the host has chosen for its processes. What comes is checked: other code may use the same channel.
 */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { storeBounds } from '../store.ts';

/** All messages have it: what lacks it is somebody else's. */
const mark = Type.Literal('holdfast-store-1');
const markText = 'holdfast-store-1';

const key = Type.String({ minLength: 1, maxLength: storeBounds.keyBytes });
const bytes = (most: number) => Type.String({ maxLength: 4 * Math.ceil(most / 3) });
const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const ttlMs = Type.Integer({ minimum: 1, maximum: storeBounds.ttlMs });
const storedRecord = Type.Object({ revision: whole, value: bytes(storeBounds.valueBytes) });
const claims = Type.Array(Type.Tuple([key, whole]), { maxItems: storeBounds.claims });

const calls = {
  get: Type.Object({ call: Type.Literal('get'), key }),
  put: Type.Object({ call: Type.Literal('put'), key, record: storedRecord, ifRevision: whole, ttlMs }),
  remove: Type.Object({ call: Type.Literal('remove'), key, ifRevision: Type.Optional(whole) }),
  touch: Type.Object({ call: Type.Literal('touch'), claims, ttlMs }),
  beat: Type.Object({ call: Type.Literal('beat'), key, value: bytes(storeBounds.memberBytes), ttlMs }),
  leave: Type.Object({ call: Type.Literal('leave'), key }),
  publish: Type.Object({ call: Type.Literal('publish'), key, value: bytes(storeBounds.messageBytes) }),
  subscribe: Type.Object({ call: Type.Literal('subscribe'), key }),
  unsubscribe: Type.Object({ call: Type.Literal('unsubscribe'), key }),
  close: Type.Object({ call: Type.Literal('close') }),
};
export type IpcCall = { [K in keyof typeof calls]: Static<(typeof calls)[K]> }[keyof typeof calls];

/** `store`: a process may have several. */
const CallMessage = Type.Object({ holdfast: mark, store: whole, id: whole, body: Type.Union(Object.values(calls)) });
const Address = Type.Object({ holdfast: mark, store: whole, id: whole });

/** To the worker: the answer to a call, or what was published. */
const to = { holdfast: mark, store: whole };
const AnswerMessage = Type.Union([
  Type.Object({ ...to, id: whole, result: Type.Unknown() }),
  Type.Object({ ...to, id: whole, failure: Type.String() }),
  Type.Object({ ...to, channel: key, value: bytes(storeBounds.messageBytes) }),
  Type.Object({ ...to, gap: key }),
]);
type AnswerMessage = Static<typeof AnswerMessage>;
/** As AnswerMessage without its mark. */
export type IpcAnswer = { readonly store: number } & (
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: string }
  | { readonly channel: string; readonly value: string }
  | { readonly gap: string }
);
export interface IpcRequest {
  readonly store: number;
  readonly id: number;
  /** Null where it makes no sense. */
  readonly body: IpcCall | null;
}

export const encodeCall = (call: { store: number; id: number; body: IpcCall }): object => ({
  holdfast: markText,
  ...call,
});
export const encodeAnswer = (answer: IpcAnswer): object => ({ holdfast: markText, ...answer });

/** @returns null for what is not a call of ours. */
export function parseCall(message: unknown): IpcRequest | null {
  if (Value.Check(CallMessage, message)) return { store: message.store, id: message.id, body: message.body };
  return Value.Check(Address, message) ? { store: message.store, id: message.id, body: null } : null;
}

/** @returns null for what is not meant for us. */
export function parseAnswer(message: unknown): AnswerMessage | null {
  return Value.Check(AnswerMessage, message) ? message : null;
}

export const answerSchemas = {
  get: Type.Union([Type.Null(), storedRecord]),
  put: Type.Union([
    Type.Object({ stored: Type.Literal(true) }),
    Type.Object({ stored: Type.Literal(false), present: Type.Union([Type.Null(), storedRecord]) }),
  ]),
  remove: Type.Union([Type.Null(), storedRecord]),
  touch: Type.Array(Type.Boolean(), { maxItems: storeBounds.claims }),
  beat: Type.Object({
    known: Type.Boolean(),
    members: Type.Array(
      Type.Object({ id: key, value: bytes(storeBounds.memberBytes), ageMs: Type.Number({ minimum: 0 }) }),
      { maxItems: storeBounds.members },
    ),
  }),
} as const;

export type WireRecord = Static<typeof storedRecord>;
export const packRecord = (record: { revision: number; value: Buffer } | null): WireRecord | null =>
  record === null ? null : { revision: record.revision, value: record.value.toString('base64') };
export const unpackRecord = (record: WireRecord | null): { revision: number; value: Buffer } | null =>
  record === null ? null : { revision: record.revision, value: Buffer.from(record.value, 'base64') };
