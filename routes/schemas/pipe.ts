import { type TSchema, Type } from 'typebox';
import { interruptionReasons, pipeStates } from '../../src/observe/vocabulary.ts';
import type { PipeDetail, PipeView } from '../../src/pipe/views.ts';
import { idInPath } from './answers.ts';
import { completeness, gatewayId, oneGateway } from './fleet.ts';

const nullable = <T extends TSchema>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });
const time = (description: string) => Type.String({ format: 'date-time', description });
const count = (description: string) => Type.Integer({ minimum: 0, description });
const ms = (description: string) => Type.Number({ minimum: 0, description });

const PipeStateSchema = Type.Enum(pipeStates, {
  description:
    'interrupted = no backend link now; detached = the client is away and may come back; moving = on its way to another gateway.',
});

const link = {
  rttMs: nullable(ms('Milliseconds.'), 'Round trip of the last answered ping; null before the first.'),
  silentMs: ms('Milliseconds since the last byte came.'),
  bufferedBytes: count('Bytes written that the peer has not taken yet.'),
  paused: Type.Boolean({ description: 'True while it is not read, because the other end does not keep up.' }),
};

const view = {
  id: Type.String({ description: 'Id of the pipe, from 1 client to its last goodbye.' }),
  clientId: Type.String(),
  clientIp: Type.String(),
  state: PipeStateSchema,
  path: Type.String({ description: "Path of the client's request, without the query string." }),
  protocol: Type.String({
    description:
      'Negotiated subprotocol; empty = none. One of over 48 characters, in which some clients hide a token, is not shown.',
  }),
  openedAt: time('ISO 8601.'),
  backendId: nullable(Type.String(), 'The backend it is attached to; null while it has none.'),
  generation: count('How often it has been attached to a backend.'),
  interruptions: count('How often it lost its backend link.'),
  interruptedMs: nullable(ms('Milliseconds.'), 'Length of the interruption under way; null = none.'),
  lastInterruption: nullable(Type.Enum(interruptionReasons), 'Why the backend link was last lost; null = never.'),
  client: nullable(Type.Object(link), 'The link to the client; null while it is away.'),
  backend: nullable(
    Type.Object({
      ...link,
      backendId: Type.String(),
      acknowledging: Type.Boolean({
        description: 'False where the backend never answered a ping: this link is at-most-once.',
      }),
    }),
    'The link to the backend; null while there is none.',
  ),
  journal: Type.Object(
    { messages: count('Messages.'), bytes: count('Bytes.'), maxBytes: count('The bound.') },
    { description: 'What the client sent and no backend is known to have received.' },
  ),
  traffic: Type.Object({
    messagesToBackend: count('Messages of the client.'),
    messagesToClient: count('Messages of the backend.'),
    bytesToBackend: count('Bytes of the client.'),
    bytesToClient: count('Bytes of the backend.'),
  }),
  gateway: Type.Optional(gatewayId),
};

export const PipeSchema = Type.Object(view, {
  $id: 'Pipe',
  description: 'One client and the backend it is attached to, at this moment.',
});

export const PipeDetailSchema = Type.Object(
  {
    ...view,
    history: Type.Array(
      Type.Object({
        at: time('ISO 8601 with milliseconds.'),
        event: Type.String({ description: 'Name of the event, as in the log.' }),
        fields: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()])),
      }),
      { description: 'The last 50 events of this pipe, oldest first.' },
    ),
  },
  { $id: 'PipeDetail', description: 'A pipe with its own history.' },
);

export const PipePageSchema = Type.Object(
  {
    pipes: Type.Array(PipeSchema, { description: 'At most limit; fewer is not the end, next = null is.' }),
    total: count('Pipes that fit the filter.'),
    next: nullable(Type.String(), 'Give it as cursor for the next page; null on the last.'),
    ...completeness,
  },
  { $id: 'PipePage', description: 'One page of pipes.' },
);

export const PipeQuerySchema = Type.Object(
  {
    ...oneGateway,
    state: Type.Optional(PipeStateSchema),
    backendId: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'Only pipes attached to this backend.' }),
    ),
    clientId: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'Only the pipe of this client.' }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most rows of the page.' }),
    ),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'The value of next on the page before.' }),
    ),
  },
  { additionalProperties: false },
);

export const PipeParams = Type.Object({
  id: idInPath('Id of the pipe.', 'p-7f3c21'),
});

export const examplePipe: PipeView = {
  id: 'p-7f3c21',
  clientId: 'alice',
  clientIp: '203.0.113.7',
  state: 'open',
  path: '/ws/alice',
  protocol: '',
  openedAt: '2026-11-02T08:00:00.000Z',
  backendId: 'chat-2',
  generation: 2,
  interruptions: 1,
  interruptedMs: null,
  lastInterruption: 'lost',
  client: { rttMs: 21.4, silentMs: 310, bufferedBytes: 0, paused: false },
  backend: { rttMs: 0.8, silentMs: 305, bufferedBytes: 0, paused: false, backendId: 'chat-2', acknowledging: true },
  journal: { messages: 1, bytes: 134, maxBytes: 5_242_880 },
  traffic: { messagesToBackend: 5210, messagesToClient: 5209, bytesToBackend: 698_140, bytesToClient: 698_006 },
};

export const interruptedPipe: PipeView = {
  ...examplePipe,
  state: 'interrupted',
  backendId: null,
  interruptions: 2,
  interruptedMs: 0,
  lastInterruption: 'operator',
  backend: null,
};

export const examplePipeDetail: PipeDetail = {
  ...examplePipe,
  history: [
    {
      at: '2026-11-02T08:15:30.120Z',
      event: 'pipe.interrupted',
      fields: { backendId: 'chat-1', reason: 'lost', closeCode: 1006, journalMessages: 2, journalBytes: 268 },
    },
    {
      at: '2026-11-02T08:15:30.131Z',
      event: 'pipe.restored',
      fields: { backendId: 'chat-2', gapMs: 11, attempt: 1, generation: 2, replayed: 2 },
    },
  ],
};
