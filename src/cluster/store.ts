/**
 * ClusterStore: all that several gateways share, behind nine verbs. What lies in it is never on the way of a message: it is asked when a
 * client comes, when an operator changes something, and once a second for the heartbeat of the gateway.
 *
 * What every implementation promises (test/support/store-contract.ts):
 * - A call is answered, or fails with a StoreFailure, within the bound of the store. What a failed call has done is not known.
 * - `put`, `remove` and `touch` are atomic for each key, and compare the revision in the same step.
 * - Messages come at most once, in order for one publisher and one channel; a subscriber is told where some may be missing.
 * - What was read is bytes and a number: who reads them checks what they mean.
 */
import { StoreUnavailable, StoreValueTooBig } from '../errors.ts';

export interface StoredRecord {
  /** A whole number from 1, chosen by who wrote it; a change has a higher one. */
  readonly revision: number;
  /** Shared: not to be written to. */
  readonly value: Buffer;
}

export interface PutCondition {
  /** Revision that must be there; 0 = there must be none. */
  readonly ifRevision: number;
  /** When the record is forgotten, milliseconds from now. */
  readonly ttlMs: number;
}

export type PutAnswer =
  | { readonly stored: true }
  /** Another revision is there; null = none. */
  | { readonly stored: false; readonly present: StoredRecord | null };

export interface Claim {
  readonly key: string;
  readonly revision: number;
}

/** A gateway that has beaten within its time. */
export interface Member {
  readonly id: string;
  /** What it said of itself. */
  readonly value: Buffer;
  /** Milliseconds since its last beat, by the clock of the store. */
  readonly ageMs: number;
}

export interface Beat {
  /** False at the first beat, and where the store had forgotten this member: too long silent, or the store has lost all it had. */
  readonly known: boolean;
  /** All that are there now, this one too, by id. */
  readonly members: readonly Member[];
}

export interface StoreSubscriber {
  message(payload: Buffer): void;
  /** The subscription holds from here on, at first or again: what was published before may be missing. */
  gap(): void;
}

export interface ClusterStore {
  readonly kind: 'memory' | 'ipc' | 'redis';
  get(key: string): Promise<StoredRecord | null>;
  /** Writes a record if the revision that is there is the one expected. @throws HOLDFAST_ERR_STORE_VALUE_TOO_BIG */
  put(key: string, record: StoredRecord, condition: PutCondition): Promise<PutAnswer>;
  /** Takes a record out. @param ifRevision default: whatever is there. @returns what was taken out: exactly one of several callers gets it. */
  remove(key: string, ifRevision?: number): Promise<StoredRecord | null>;
  /** Lets records that still have this revision live on for `ttlMs` from now. @returns for each whether it had. */
  touch(claims: readonly Claim[], ttlMs: number): Promise<boolean[]>;
  /** The gateway `id` is there for another `ttlMs`. */
  beat(id: string, value: Buffer, ttlMs: number): Promise<Beat>;
  /** The gateway `id` goes. */
  leave(id: string): Promise<void>;
  /** To all who have subscribed, the publisher too. */
  publish(channel: string, payload: Buffer): Promise<void>;
  /** Holds through every loss of the connection, until the answer is called. */
  subscribe(channel: string, subscriber: StoreSubscriber): () => void;
  /** Lets the members leave that have beaten here, where that can be done in time, and ends. Idempotent. */
  close(): Promise<void>;
}

/** Most that one store takes, bytes unless said otherwise. What a single kind of record may have is in keys.ts. */
export const storeBounds = {
  keyBytes: 200,
  valueBytes: 8_388_608,
  memberBytes: 4096,
  messageBytes: 1_048_576,
  /** Gateways. */
  members: 1000,
  /** Records in one touch. On Redis each is a call, and a beat waits behind them. */
  claims: 1000,
  /** Milliseconds: 30 days. */
  ttlMs: 2_592_000_000,
} as const;

export type StoreFailureReason =
  /** No answer in time. */
  | 'timeout'
  /** There is no connection. */
  | 'disconnected'
  /** It has no room for more. */
  | 'full'
  /** Wrong password, or a user that may not do this. */
  | 'denied'
  /** It does not take writes now: it has been demoted, or is loading. */
  | 'unwritable'
  /** close() was called. */
  | 'closed'
  /** Anything else. */
  | 'failed';

const reasonTexts: Readonly<Record<StoreFailureReason, string>> = {
  timeout: 'it did not answer in time',
  disconnected: 'there is no connection to it',
  full: 'it is full',
  denied: 'it refused this user or command',
  unwritable: 'it takes no writes now',
  closed: 'it was closed',
  failed: 'it answered with an error',
};

/** HOLDFAST_ERR_STORE_UNAVAILABLE, with a reason for code and metrics. */
export class StoreFailure extends StoreUnavailable {
  readonly reason: StoreFailureReason;

  constructor(reason: StoreFailureReason, cause?: unknown) {
    super(reasonTexts[reason]);
    this.reason = reason;
    if (cause !== undefined) this.cause = cause;
  }
}

/** @throws RangeError: a key or channel that no store takes is a defect of the caller. */
export function checkKey(key: string): void {
  if (!/^[\x21-\x7e]+$/.test(key) || key.length > storeBounds.keyBytes)
    throw new RangeError(`a key must be 1 to ${storeBounds.keyBytes} printable ASCII characters`);
}

/** @throws RangeError */
export function checkTtl(ttlMs: number): void {
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > storeBounds.ttlMs)
    throw new RangeError(`ttlMs (${ttlMs}) must be a whole number from 1 to ${storeBounds.ttlMs}`);
}

/** @throws HOLDFAST_ERR_STORE_VALUE_TOO_BIG */
export function checkBytes(what: string, value: Buffer, maxBytes: number): void {
  if (value.length > maxBytes) throw new StoreValueTooBig(what, value.length, maxBytes);
}

/** @throws RangeError, HOLDFAST_ERR_STORE_VALUE_TOO_BIG */
export function checkPut(key: string, { revision, value }: StoredRecord, { ifRevision, ttlMs }: PutCondition): void {
  checkKey(key);
  checkTtl(ttlMs);
  if (!Number.isSafeInteger(revision) || !Number.isSafeInteger(ifRevision) || ifRevision < 0 || revision <= ifRevision)
    throw new RangeError(`revision (${revision}) must be a whole number above ifRevision (${ifRevision})`);
  checkBytes(key, value, storeBounds.valueBytes);
}

/** @throws RangeError */
export function checkTouch(claims: readonly Claim[], ttlMs: number): void {
  checkTtl(ttlMs);
  if (claims.length > storeBounds.claims) throw new RangeError(`at most ${storeBounds.claims} claims at a time`);
  for (const { key } of claims) checkKey(key);
}

/** @throws RangeError, HOLDFAST_ERR_STORE_VALUE_TOO_BIG */
export function checkBeat(id: string, value: Buffer, ttlMs: number): void {
  checkKey(id);
  checkTtl(ttlMs);
  checkBytes(`the beat of ${id}`, value, storeBounds.memberBytes);
}

/** @throws RangeError, HOLDFAST_ERR_STORE_VALUE_TOO_BIG */
export function checkPublish(channel: string, payload: Buffer): void {
  checkKey(channel);
  checkBytes(`a message to ${channel}`, payload, storeBounds.messageBytes);
}
