/** The heartbeat's settings: what can be set, in which range, and how a change is merged. Pure. */
import { type Static, Type } from 'typebox';
import { HeartbeatInvalid } from '../errors.ts';

export type Hop = 'client' | 'backend';
export const hops: readonly Hop[] = ['client', 'backend'];

const minIntervalMs = 100;
const maxIntervalMs = 3_600_000;

const intervalMs = Type.Union([Type.Literal(0), Type.Integer({ minimum: minIntervalMs, maximum: maxIntervalMs })], {
  description: 'Milliseconds between two pings; 0 switches the heartbeat of this hop off. 100 to 3,600,000.',
  default: 25_000,
});
const timeoutMs = Type.Union([Type.Integer({ minimum: minIntervalMs, maximum: 3 * maxIntervalMs }), Type.Null()], {
  description:
    'Milliseconds without one byte after which the link is given up; null = 3 x intervalMs. At least intervalMs.',
  default: null,
});
export const jsonHeartbeats = ['auto', 'on', 'off'] as const;
export type JsonHeartbeat = (typeof jsonHeartbeats)[number];
const json = Type.Enum(jsonHeartbeats, {
  description:
    'The messages {"type":"ping"} and {"type":"pong"}: auto = answered while no application subprotocol was negotiated; on = always, and the gateway sends them too; off = never looked at.',
  default: 'auto',
});

const closed = { additionalProperties: false } as const;

/** What an option, a config file or a PATCH may say of the heartbeat; what is left out keeps its value. */
export const HeartbeatPatch = Type.Object(
  {
    client: Type.Optional(
      Type.Object(
        { intervalMs: Type.Optional(intervalMs), timeoutMs: Type.Optional(timeoutMs), json: Type.Optional(json) },
        { ...closed, minProperties: 1, description: 'The hop between client and gateway.' },
      ),
    ),
    backend: Type.Optional(
      Type.Object(
        { intervalMs: Type.Optional(intervalMs), timeoutMs: Type.Optional(timeoutMs) },
        { ...closed, minProperties: 1, description: 'The hop between gateway and backend.' },
      ),
    ),
  },
  { ...closed, minProperties: 1 },
);
export type HeartbeatPatch = Static<typeof HeartbeatPatch>;

/** Effective values of one hop. `timeoutMs` is 3 x `intervalMs` unless it was set; `timeoutSet` tells which. */
export interface HopSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly timeoutSet: boolean;
  readonly json: JsonHeartbeat;
}

export interface HeartbeatSettings {
  readonly client: HopSettings;
  readonly backend: HopSettings;
}

const start: HopSettings = { intervalMs: 25_000, timeoutMs: 75_000, timeoutSet: false, json: 'auto' };

/** The values before anybody set one: a ping every 25 s on both hops, given up after 75 s. */
export const defaultHeartbeat: HeartbeatSettings = Object.freeze({
  client: Object.freeze(start),
  backend: Object.freeze({ ...start, json: 'off' as const }),
});

/**
 * The settings after `patch` is laid over `before`. The patch must fit the schema HeartbeatPatch already.
 * @throws HOLDFAST_ERR_HEARTBEAT if interval and timeout contradict each other; the message names both keys.
 */
export function mergeHeartbeat(before: HeartbeatSettings, patch: HeartbeatPatch): HeartbeatSettings {
  return Object.freeze({
    client: mergeHop('client', before.client, patch.client ?? {}),
    backend: mergeHop('backend', before.backend, patch.backend ?? {}),
  });
}

function mergeHop(
  hop: Hop,
  before: HopSettings,
  patch: { intervalMs?: number; timeoutMs?: number | null; json?: JsonHeartbeat },
): HopSettings {
  const interval = patch.intervalMs ?? before.intervalMs;
  const given = patch.timeoutMs === undefined ? (before.timeoutSet ? before.timeoutMs : null) : patch.timeoutMs;
  if (given !== null && interval > 0 && given < interval) {
    throw new HeartbeatInvalid(
      `heartbeat.${hop}.timeoutMs (${given}) is below heartbeat.${hop}.intervalMs (${interval}). Raise timeoutMs, lower intervalMs, or set timeoutMs to null for 3 x intervalMs.`,
    );
  }
  return Object.freeze({
    intervalMs: interval,
    timeoutMs: given ?? interval * 3,
    timeoutSet: given !== null,
    json: patch.json ?? before.json,
  });
}
