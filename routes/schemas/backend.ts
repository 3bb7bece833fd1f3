import { Type } from 'typebox';
import { healthStates } from '../../src/observe/vocabulary.ts';
import { adminStates, BackendInput, removalModes } from '../../src/pool/settings.ts';
import type { BackendView } from '../../src/pool/views.ts';
import { idInPath } from './answers.ts';
import { completeness, gatewayId } from './fleet.ts';

const closed = { additionalProperties: false } as const;
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });
const time = () => Type.String({ format: 'date-time', description: 'ISO 8601.' });
const revision = () =>
  Type.Integer({ minimum: 1, description: 'Revision of the shared pool; only with several gateways.' });
const count = (description: string) => Type.Integer({ minimum: 0, description });

const AdminStateSchema = Type.Enum(adminStates, {
  description: 'enabled = gets new pipes; draining = gets none and its pipes move away; disabled = gets none.',
});

export const BackendSchema = Type.Object(
  {
    id: Type.String({ description: 'Name in routes, logs and metrics.' }),
    url: Type.String({ description: 'Without query string.' }),
    weight: Type.Integer({ minimum: 1, description: 'Share of new pipes, against the other weights.' }),
    maxConnections: nullable(Type.Integer({ minimum: 1 }), 'Most pipes at one time; null = no limit.'),
    labels: Type.Record(Type.String(), Type.String(), { description: 'Notes of the operator.' }),
    adminState: AdminStateSchema,
    health: Type.Enum(healthStates, {
      description:
        'With health checks their verdict: an unhealthy backend gets no new pipes. Without: unknown = not tried yet, or not since it was disabled or enabled; unhealthy = the last try while it was enabled failed.',
    }),
    usable: Type.Boolean({ description: 'True while a new pipe could go there.' }),
    lastCheck: nullable(
      Type.Object({
        at: time(),
        passed: Type.Boolean(),
        detail: Type.String({ description: 'What was answered, or why nothing was.' }),
        checkMs: Type.Number({ minimum: 0, description: 'How long it took.' }),
      }),
      'What the latest health check found; null = none yet, or it is not checked.',
    ),
    ejectedUntil: nullable(time(), 'Left out until then because it failed; null = not ejected.'),
    connections: count('Pipes attached now.'),
    dialing: count('Handshakes under way.'),
    consecutiveFailures: count('Failures since the last success.'),
    totals: Type.Object({
      attached: count('Pipes ever attached.'),
      failed: count('Failures ever.'),
      ejections: count('Times left out.'),
    }),
    lastError: nullable(Type.Object({ at: time(), detail: Type.String() }), 'What last failed; null = nothing yet.'),
    registeredAt: time(),
    drain: nullable(
      Type.Object({
        startedAt: time(),
        remaining: count('Pipes still attached.'),
        migrated: count('Pipes moved without loss.'),
        failedOver: count('Pipes that failed over instead.'),
      }),
      'Progress of a drain under way; null = none.',
    ),
    revision: Type.Optional(revision()),
    fleet: Type.Optional(
      Type.Object(
        {
          gateways: count('Gateways that have it and were heard.'),
          usable: count('Of those, where a new pipe could go there.'),
          connections: count('Pipes attached now.'),
          dialing: count('Handshakes under way.'),
          totals: Type.Object({
            attached: count('Pipes ever attached.'),
            failed: count('Failures ever.'),
            ejections: count('Times left out.'),
          }),
        },
        { description: 'The same over all gateways that answered; only with several.' },
      ),
    ),
  },
  { $id: 'Backend', description: 'One registered WebSocket server, with its figures of this moment.' },
);

export const BackendListSchema = Type.Object(
  {
    backends: Type.Array(BackendSchema),
    revision: Type.Optional(revision()),
    ...completeness,
  },
  { $id: 'BackendList', description: 'Every registered backend.' },
);

/** BackendInput with the name and the examples it has in the API. */
export const BackendInputSchema = Type.Object(BackendInput.properties, {
  ...closed,
  $id: 'BackendInput',
  description: 'A backend to register. Only url is required.',
  examples: [
    { url: 'wss://chat-2.internal:9443/chat', id: 'chat-2' },
    { url: 'ws://10.0.0.7:9000/chat' },
    {
      url: 'wss://chat-2.internal:9443/chat',
      id: 'chat-2',
      weight: 2,
      maxConnections: 5000,
      labels: { zone: 'eu-1a', version: '4.2.0' },
    },
  ],
});

export const BackendPatchSchema = Type.Object(
  {
    weight: Type.Optional(BackendInput.properties.weight),
    maxConnections: Type.Optional(BackendInput.properties.maxConnections),
    adminState: Type.Optional(AdminStateSchema),
  },
  {
    ...closed,
    minProperties: 1,
    $id: 'BackendPatch',
    description: 'What to change; what is left out stays.',
    examples: [{ weight: 3 }, { adminState: 'disabled' }, { maxConnections: null }],
  },
);

export const BackendParams = Type.Object({
  id: idInPath('Id of the backend.', 'chat-2'),
});

const removal = {
  mode: Type.Optional(
    Type.Enum(removalModes, {
      default: 'migrate',
      description: 'migrate = its pipes move first, without loss; force = they fail over now.',
    }),
  ),
  timeoutMs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 86_400_000,
      description: 'Pipes that have not moved by then fail over; default: option drain.timeoutMs.',
    }),
  ),
};
export const RemovalQuery = Type.Object(removal, closed);
export const RemovalByUrlQuery = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'The url the backend was registered with.',
      examples: ['wss://chat-2.internal:9443/chat'],
    }),
    ...removal,
  },
  closed,
);

export const exampleBackend: BackendView = {
  id: 'chat-2',
  url: 'wss://chat-2.internal:9443/chat',
  weight: 2,
  maxConnections: 5000,
  labels: { zone: 'eu-1a', version: '4.2.0' },
  adminState: 'enabled',
  health: 'healthy',
  usable: true,
  lastCheck: { at: '2026-11-02T08:59:58.004Z', passed: true, detail: '101 Switching Protocols', checkMs: 2.4 },
  ejectedUntil: null,
  connections: 1840,
  dialing: 3,
  consecutiveFailures: 0,
  totals: { attached: 20_417, failed: 12, ejections: 1 },
  lastError: { at: '2026-11-02T08:15:30.120Z', detail: 'connect ECONNREFUSED 10.0.0.8:9443' },
  registeredAt: '2026-11-01T06:00:00.000Z',
  drain: null,
};

export const newBackend: BackendView = {
  ...exampleBackend,
  health: 'unknown',
  lastCheck: null,
  connections: 0,
  dialing: 0,
  totals: { attached: 0, failed: 0, ejections: 0 },
  lastError: null,
};

export const drainingBackend: BackendView = {
  ...exampleBackend,
  adminState: 'draining',
  usable: false,
  drain: { startedAt: '2026-11-02T09:00:00.000Z', remaining: 1840, migrated: 0, failedOver: 0 },
};

export const RebalanceQuery = Type.Object(
  {
    pipesPerSecond: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        description: 'Pipes moved per second, by all gateways together. Default drain.pipesPerSecond of each.',
      }),
    ),
    timeoutMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 86_400_000, description: 'How long it goes on. Default drain.timeoutMs.' }),
    ),
  },
  { additionalProperties: false },
);

export const RebalanceSchema = Type.Object(
  {
    backendId: Type.String(),
    planned: count('Pipes to move.'),
    gateways: Type.Optional(
      Type.Array(Type.Object({ gateway: gatewayId, planned: count('Pipes to move.') }), {
        description: 'Those that take part; only with several gateways.',
      }),
    ),
    ...completeness,
  },
  { $id: 'Rebalance', description: 'A rebalance that has begun.' },
);
