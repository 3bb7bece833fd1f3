/** What can be set of one backend, and of the choice and health of all. */
import { type Static, Type } from 'typebox';
import { count, ms, oneOf } from '../settings.ts';
import { HealthOption } from './health-settings.ts';

/** enabled = gets new pipes; draining = gets none, and its pipes move away; disabled = gets none. */
export const adminStates = ['enabled', 'draining', 'disabled'] as const;
export type AdminState = (typeof adminStates)[number];

/** migrate = its pipes move first, without loss; force = they fail over now. */
export const removalModes = ['migrate', 'force'] as const;
export type RemovalMode = (typeof removalModes)[number];

export const BackendInput = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'ws:// or wss:// address of the backend, without credentials and without #fragment.',
    }),
    id: Type.Optional(
      Type.String({
        // Of . and .. as a part of a path nothing is left: no client could name them.
        pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$',
        description:
          'Name in routes, logs and metrics: 1 to 64 of A-Z a-z 0-9 . _ -, the first no dot; made up when left out.',
      }),
    ),
    weight: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 1,
        description: 'Share of new pipes, against the other weights.',
      }),
    ),
    maxConnections: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()], {
        default: null,
        description: 'Most pipes at one time; null = no limit.',
      }),
    ),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9._/-]{1,64}$' }), Type.String({ maxLength: 256 }), {
        // Not additionalProperties: false, on which Value.Default of typebox 1.4 throws.
        propertyNames: { pattern: '^[A-Za-z0-9._/-]{1,64}$' },
        maxProperties: 32,
        description: 'Notes of your own, shown in GET /backends; keys are 1 to 64 of A-Z a-z 0-9 . _ / -.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type BackendInput = Static<typeof BackendInput>;

export const poolProperties = {
  balancing: oneOf(
    ['least-connections', 'round-robin', 'random-two', 'hash'],
    'How the next backend is chosen; hash = by client id.',
  ),
  maxConcurrentDials: count(64, 'Handshakes under way at one time, per backend.', 1),
  dialTimeoutMs: ms(5000, 'Longest time for connection and handshake with a backend.', 1),
  maxErrors: count(0, 'Failures without a success between them that remove a backend for good; 0 = never.'),
  ejectAfter: count(5, 'Consecutive failures that leave a backend out for a while; 0 = never.'),
  ejectBaseMs: ms(1000, 'First time left out; doubled each further time.', 1),
  ejectMaxMs: ms(60_000, 'Longest time left out.', 1),
  maxEjectionPercent: Type.Integer({
    default: 50,
    minimum: 0,
    maximum: 100,
    description:
      'Most of the pool that may be left out at one time. Backends that are unhealthy by their checks count, without being limited by it.',
  }),
  slowStartMs: ms(
    0,
    'A backend that joins or returns gets its full share of new pipes only after this time; 0 = at once.',
  ),
  health: HealthOption,
};
