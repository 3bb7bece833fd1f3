/** What lies at the keys, as JSON: schemas, and reading what may have been written by anybody. */
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { KeyKind } from './keys.ts';
import { keyKinds } from './keys.ts';
import { checkBytes, type StoredRecord, storeBounds } from './store.ts';

const closed = { additionalProperties: false } as const;
const whole = (most: number = Number.MAX_SAFE_INTEGER) => Type.Integer({ minimum: 0, maximum: most });
const hash = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });

/** `<name>.<6 characters>`: the characters are new with each start, so that what a dead process has claimed is void when it is back. */
export const GatewayId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,48}\\.[A-Za-z0-9_-]{6}$' });
const pipeId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' });
const backendId = Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' });

/** What a gateway says of itself with each beat; `GET /gateways`. */
export const GatewayFacts = Type.Object(
  {
    v: Type.Literal(1),
    name: Type.String({ maxLength: 64 }),
    /** Where its HTTP is, as the operator told it; '' = not told. */
    address: Type.String({ maxLength: 256 }),
    version: Type.String({ maxLength: 32 }),
    startedAt: whole(),
    pipes: whole(),
    /** It takes no more clients. */
    closing: Type.Boolean(),
  },
  closed,
);
export type GatewayFacts = Static<typeof GatewayFacts>;

/** Who serves the client with this id. Only of ids that a client brings along. */
export const ClientClaim = Type.Object(
  {
    v: Type.Literal(1),
    /** held: `gateway` serves it. parked: it is waited for, and `gateway` may be gone. */
    state: Type.Enum(['held', 'parked']),
    gateway: GatewayId,
    pipe: pipeId,
    /** Hash of who the client was shown to be; null = it was not said. */
    principal: Type.Union([hash, Type.Null()]),
    /** When it came with this id, milliseconds since 1970. */
    since: whole(),
  },
  closed,
);
export type ClientClaim = Static<typeof ClientClaim>;

/** Who holds a resumable pipe. */
export const PipeRecord = Type.Object(
  {
    v: Type.Literal(1),
    /**
     * held: `gateway` serves it. moving: `gateway` has fenced it and is writing it down. parked: whoever takes the blob has it.
     * over: its gateway was given up, and `gateway` has begun a new session in its place.
     */
    state: Type.Enum(['held', 'moving', 'parked', 'over']),
    gateway: GatewayId,
    /** Of moving and parked: the revision at which it was fenced, a part of the blob's name. */
    fence: whole(),
    /** Of parked. */
    blobBytes: whole(keyKinds.blob.maxBytes),
    /** To begin again at the same one when the gateway is gone. */
    backend: Type.Union([backendId, Type.Null()]),
    /** Hashes of the tokens that may resume it: the present one, and the one before while that is valid. May lag behind. */
    tokens: Type.Array(hash, { maxItems: 2 }),
  },
  closed,
);
export type PipeRecord = Static<typeof PipeRecord>;

/** On a channel: a hint, a request to one gateway, or its answer. `body` has a schema of its own for each `kind`. */
export const Envelope = Type.Object(
  {
    v: Type.Literal(1),
    type: Type.Enum(['hint', 'request', 'answer']),
    from: GatewayId,
    /** Of a request and its answer; 0 = none. */
    id: whole(),
    kind: Type.String({ pattern: '^[a-z][a-z-]{0,31}$' }),
    body: Type.Unknown(),
  },
  closed,
);
export type Envelope = Static<typeof Envelope>;

/** The body of an answer: what was asked for, or why there is none. */
export const PeerAnswer = Type.Union([
  Type.Object({ answer: Type.Unknown() }, closed),
  Type.Object(
    {
      error: Type.Object(
        {
          code: Type.String({ pattern: '^HOLDFAST_ERR_[A-Z_]{1,64}$' }),
          statusCode: Type.Integer({ minimum: 400, maximum: 599 }),
          message: Type.String({ maxLength: 1024 }),
        },
        closed,
      ),
    },
    closed,
  ),
]);
export type PeerAnswer = Static<typeof PeerAnswer>;

/** @throws HOLDFAST_ERR_STORE_VALUE_TOO_BIG */
export function encodeJson(what: string, value: unknown, maxBytes: number): Buffer {
  const bytes = Buffer.from(JSON.stringify(value));
  checkBytes(what, bytes, maxBytes);
  return bytes;
}

/** @returns null for what is too long, no JSON, or does not fit. */
export function decodeJson<S extends TSchema>(schema: S, bytes: Buffer, maxBytes: number): Static<S> | null {
  if (bytes.length > maxBytes) return null;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return null;
  }
  return Value.Check(schema, value) ? (value as Static<S>) : null;
}

/** A record as it was read: what it says, null where it says nothing that makes sense, and always its revision, to write over it. */
export interface ReadRecord<T> {
  readonly revision: number;
  readonly value: T | null;
}

/** @param record null = there is none. */
export function readRecord<S extends TSchema>(
  schema: S,
  record: StoredRecord | null,
  { maxBytes }: KeyKind,
): ReadRecord<Static<S>> | null {
  return record && { revision: record.revision, value: decodeJson(schema, record.value, maxBytes) };
}

export const maxEnvelopeBytes = storeBounds.messageBytes;
