/** What gateways ask each other about their pipes, and what they may answer. */
import { type Static, type TSchema, Type } from 'typebox';
import type { Question } from '../cluster/courier.ts';
import { interruptionReasons, pipeStates } from '../observe/vocabulary.ts';

const closed = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ maxLength });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const ms = Type.Number({ minimum: 0 });
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

const pipeId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' });
const backendId = text(64);
const state = Type.Enum(pipeStates);
const link = { rttMs: nullable(ms), silentMs: ms, bufferedBytes: count, paused: Type.Boolean() };

const view = {
  id: pipeId,
  clientId: text(256),
  clientIp: text(256),
  state,
  path: text(65_536),
  protocol: text(256),
  openedAt: text(32),
  backendId: nullable(backendId),
  generation: count,
  interruptions: count,
  interruptedMs: nullable(ms),
  lastInterruption: nullable(Type.Enum(interruptionReasons)),
  client: nullable(Type.Object(link, closed)),
  backend: nullable(Type.Object({ ...link, backendId, acknowledging: Type.Boolean() }, closed)),
  journal: Type.Object({ messages: count, bytes: count, maxBytes: count }, closed),
  traffic: Type.Object(
    { messagesToBackend: count, messagesToClient: count, bytesToBackend: count, bytesToClient: count },
    closed,
  ),
};
const PipeRow = Type.Object(view, closed);

const entry = Type.Object(
  {
    at: text(32),
    event: text(64),
    fields: Type.Record(Type.String(), Type.Union([text(65_536), Type.Number(), Type.Boolean(), Type.Null()])),
  },
  closed,
);

const filter = Type.Object(
  {
    state: Type.Optional(state),
    backendId: Type.Optional(backendId),
    clientId: Type.Optional(text(256)),
  },
  closed,
);

export const maxRows = 1000;

/** How many pipes fit, and how many of these are behind a place in the list of all, which is sorted by gateway. */
export const countQuestion = {
  kind: 'pipe-count',
  asks: Type.Object({ filter, from: nullable(Type.Object({ gateway: text(64), position: count }, closed)) }, closed),
  answers: Type.Object({ total: count, left: count }, closed),
} satisfies Question;

/** Pipes that fit, from behind a position; fewer than wanted where they have too many bytes. */
export const rowsQuestion = {
  kind: 'pipe-rows',
  asks: Type.Object({ filter, after: count, limit: Type.Integer({ minimum: 1, maximum: maxRows }) }, closed),
  answers: Type.Object(
    { pipes: Type.Array(PipeRow, { maxItems: maxRows }), total: count, last: count, more: Type.Boolean() },
    closed,
  ),
} satisfies Question;

/** One pipe with its history, also one of the last that closed. */
export const pipeQuestion = {
  kind: 'pipe',
  asks: Type.Object({ id: pipeId }, closed),
  answers: nullable(Type.Object({ ...view, history: Type.Array(entry, { maxItems: 1000 }) }, closed)),
} satisfies Question;

const order = { code: Type.Optional(Type.Integer({ minimum: 1000, maximum: 4999 })), reason: Type.Optional(text(256)) };

export const closeQuestion = {
  kind: 'pipe-close',
  asks: Type.Object({ id: pipeId, ...order }, closed),
  answers: Type.Null(),
} satisfies Question;

/** All clients that are this principal. */
export const principalQuestion = {
  kind: 'principal-close',
  asks: Type.Object({ id: text(256), ...order }, closed),
  answers: Type.Object({ closed: count }, closed),
} satisfies Question;

export const interruptQuestion = {
  kind: 'pipe-interrupt',
  asks: Type.Object({ id: pipeId }, closed),
  answers: PipeRow,
} satisfies Question;

export type WireFilter = Static<typeof filter>;
export type FleetPosition = NonNullable<Static<typeof countQuestion.asks>['from']>;
