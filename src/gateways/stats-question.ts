/** What gateways tell each other of their statistics. */
import { type TSchema, Type } from 'typebox';
import type { Question } from '../cluster/courier.ts';
import { backendStates } from '../observe/readings.ts';
import { windowNames } from '../observe/stats.ts';
import { livePipeStates } from '../observe/vocabulary.ts';
import { gapBuckets } from '../observe/windows.ts';

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const ms = Type.Number({ minimum: 0 });

function each<const N extends string, S extends TSchema>(names: readonly N[], schema: S) {
  return Type.Object(Object.fromEntries(names.map((name) => [name, schema])) as Record<N, S>, closed);
}

const hop = each(['sent', 'answered', 'missed', 'timeouts'], count);
const counts = {
  heartbeats: each(['client', 'backend'], hop),
  opened: count,
  closed: count,
  interruptions: count,
  failures: count,
  restored: count,
};
const traffic = each(['messagesToBackend', 'messagesToClient', 'bytesToBackend', 'bytesToClient'], count);
const gaps = Type.Object(
  { counts: Type.Array(count, { minItems: gapBuckets, maxItems: gapBuckets }), longestMs: ms },
  closed,
);

export const statsQuestion = {
  kind: 'stats',
  asks: Type.Object({}, closed),
  answers: Type.Object(
    {
      at: Type.String({ maxLength: 32 }),
      uptimeMs: ms,
      unstable: Type.Boolean(),
      reason: Type.Union([Type.String({ maxLength: 1024 }), Type.Null()]),
      pipes: Type.Object({ total: count, byState: each(livePipeStates, count) }, closed),
      backends: Type.Object({ total: count, byState: each(backendStates, count) }, closed),
      buffer: each(['usedBytes', 'maxBytes'], count),
      eventLoop: Type.Object({ lagMs: ms, stalls: count, stalledMs: ms }, closed),
      totals: Type.Object({ ...counts, traffic, replayed: count, undelivered: count }, closed),
      windows: each(windowNames, Type.Object({ ...counts, gaps }, closed)),
    },
    closed,
  ),
} satisfies Question;
