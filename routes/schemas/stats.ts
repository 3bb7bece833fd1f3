import { type TSchema, Type } from 'typebox';
import type { StatsView } from '../../src/observe/stats.ts';
import { completeness, gatewayId } from './fleet.ts';

const count = (description: string) => Type.Integer({ minimum: 0, description });
const ms = (description: string) => Type.Number({ minimum: 0, description });
const nullable = <T extends TSchema>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });

type PipeStates = StatsView['pipes']['byState'];
type BackendStates = StatsView['backends']['byState'];

const pipeStates = Type.Object({
  connecting: count('They have not had a backend yet.'),
  open: count('Both links are there.'),
  interrupted: count('They have no backend now.'),
  migrating: count('They move to another backend.'),
  detached: count('The client is away and may come back.'),
  moving: count('They are on their way to another gateway.'),
  closing: count('They are being closed.'),
} satisfies Record<keyof PipeStates, TSchema>);

const backendStates = Type.Object({
  disabled: count('They keep their pipes and get no new ones.'),
  draining: count('Their pipes move away.'),
  unhealthy: count('Their health checks leave them out.'),
  ejected: count('They failed and are left out for a while.'),
  full: count('They hold as many connections as they may.'),
  usable: count('A new pipe could go there.'),
} satisfies Record<keyof BackendStates, TSchema>);

const hop = (description: string) =>
  Type.Object(
    {
      sent: count('Pings sent.'),
      answered: count('Pongs that answered one.'),
      missed: count('Intervals in which nothing came.'),
      timeouts: count('Links given up.'),
    },
    { description },
  );

const counts = {
  heartbeats: Type.Object({ client: hop('Between client and gateway.'), backend: hop('Between gateway and backend.') }),
  opened: count('Pipes opened.'),
  closed: count('Pipes closed.'),
  interruptions: count('Times a pipe lost its backend.'),
  failures: count('Those of them that nobody ordered by drain, removal or rehearsal.'),
  restored: count('Times an interrupted pipe got a backend again.'),
};

const window = (description: string) =>
  Type.Object(
    {
      ...counts,
      gaps: Type.Object(
        {
          count: count('Interruptions that ended.'),
          p50Ms: nullable(ms('Milliseconds.'), 'Median length, within 13 %; null = there was none.'),
          p99Ms: nullable(ms('Milliseconds.'), '99th percentile, within 13 %.'),
          maxMs: nullable(ms('Milliseconds.'), 'The longest.'),
        },
        { description: 'How long pipes had no backend.' },
      ),
    },
    { description },
  );

const figures = {
  at: Type.String({ format: 'date-time', description: 'ISO 8601.' }),
  uptimeMs: ms('Milliseconds since the gateway was made.'),
  unstable: Type.Boolean({ description: 'The last minute is far worse than those before.' }),
  reason: nullable(Type.String(), 'What is; null while stable.'),
  pipes: Type.Object({ total: count('Live pipes.'), byState: pipeStates }),
  backends: Type.Object({ total: count('Registered backends.'), byState: backendStates }),
  buffer: Type.Object({
    usedBytes: count('Bytes kept for clients, all together.'),
    maxBytes: count('Their bound, buffer.maxTotalBytes.'),
  }),
  eventLoop: Type.Object({
    lagMs: ms('Longest delay in the last 15 to 30 s.'),
    stalls: count('Times it stood still for over 50 ms.'),
    stalledMs: ms('How long in all.'),
  }),
  totals: Type.Object(
    {
      ...counts,
      traffic: Type.Object({
        messagesToBackend: count('Messages of clients.'),
        messagesToClient: count('Messages of backends.'),
        bytesToBackend: count('Bytes of clients.'),
        bytesToClient: count('Bytes of backends.'),
      }),
      replayed: count('Messages sent again after a failover.'),
      undelivered: count('Messages given up when their pipe closed.'),
    },
    { description: 'Since the gateway was made.' },
  ),
  windows: Type.Object(
    {
      lastMinute: window('The last minute.'),
      last5Minutes: window('The last 5 minutes.'),
      last15Minutes: window('The last 15 minutes.'),
    },
    { description: 'Up to 5 s more than they say.' },
  ),
};

export const GatewayStatsSchema = Type.Object(
  { gateway: gatewayId, ...figures },
  { $id: 'GatewayStats', description: 'The figures of one of several gateways.' },
);

export const StatsSchema = Type.Object(
  {
    ...figures,
    ...completeness,
    gateways: Type.Optional(
      Type.Array(GatewayStatsSchema, { description: 'The same of each that was heard; only with several gateways.' }),
    ),
  },
  { $id: 'Stats', description: 'What happened, in total and lately.' },
);

const lastMinute = {
  heartbeats: {
    client: { sent: 4416, answered: 4409, missed: 7, timeouts: 1 },
    backend: { sent: 4416, answered: 4416, missed: 0, timeouts: 0 },
  },
  opened: 12,
  closed: 9,
  interruptions: 610,
  failures: 610,
  restored: 610,
  gaps: { count: 610, p50Ms: 12.6, p99Ms: 97.1, maxMs: 120.4 },
};
const { gaps: _gaps, ...counted } = lastMinute;

export const exampleStats: StatsView = {
  at: '2026-11-02T08:15:31.000Z',
  uptimeMs: 931_000,
  unstable: true,
  reason: '610 failures of backend links in the last minute, 0.1 a minute before',
  pipes: {
    total: 1842,
    byState: { connecting: 0, open: 1840, interrupted: 2, migrating: 0, detached: 0, moving: 0, closing: 0 },
  },
  backends: { total: 3, byState: { disabled: 0, draining: 0, unhealthy: 0, ejected: 1, full: 0, usable: 2 } },
  buffer: { usedBytes: 268, maxBytes: 1_073_741_824 },
  eventLoop: { lagMs: 3.1, stalls: 0, stalledMs: 0 },
  totals: {
    ...counted,
    traffic: {
      messagesToBackend: 5_210_400,
      messagesToClient: 5_209_100,
      bytesToBackend: 698_140_000,
      bytesToClient: 698_006_000,
    },
    replayed: 702,
    undelivered: 0,
  },
  windows: { lastMinute, last5Minutes: lastMinute, last15Minutes: lastMinute },
};
