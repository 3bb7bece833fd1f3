import { Type } from 'typebox';
import { HeartbeatPatch, jsonHeartbeats } from '../../src/heartbeat/settings.ts';

const hop = (description: string) =>
  Type.Object(
    {
      intervalMs: Type.Integer({ minimum: 0, description: 'Milliseconds between two pings; 0 = off.' }),
      timeoutMs: Type.Integer({
        minimum: 0,
        description: 'Milliseconds without one byte after which the link is given up.',
      }),
      timeoutSet: Type.Boolean({ description: 'False = timeoutMs follows intervalMs, 3 times as long.' }),
      json: Type.Enum(jsonHeartbeats, {
        description: 'Whether JSON pings are answered and sent; always off towards backends.',
      }),
    },
    { description },
  );

const config = {
  revision: Type.Integer({ minimum: 0, description: 'Higher with each change; the same as the ETag.' }),
  client: hop('The hop between client and gateway.'),
  backend: hop('The hop between gateway and backend.'),
};

export const HeartbeatConfigSchema = Type.Object(config, {
  $id: 'HeartbeatConfig',
  description: 'The heartbeat in effect.',
});

export const HeartbeatChangedSchema = Type.Object(
  { ...config, pipes: Type.Integer({ minimum: 0, description: 'Live pipes that were retuned.' }) },
  { $id: 'HeartbeatChanged', description: 'The heartbeat in effect from now on.' },
);

/** HeartbeatPatch with the name and the examples it has in the API. */
export const HeartbeatPatchSchema = Type.Object(HeartbeatPatch.properties, {
  additionalProperties: false,
  minProperties: 1,
  $id: 'HeartbeatPatch',
  description: 'What to change; what is left out stays. timeoutMs: null returns to 3 x intervalMs.',
  examples: [
    { client: { intervalMs: 5000 } },
    { client: { intervalMs: 10_000, timeoutMs: 25_000, json: 'on' }, backend: { intervalMs: 1000, timeoutMs: null } },
  ],
});

export const exampleHeartbeat = {
  revision: 7,
  client: { intervalMs: 5000, timeoutMs: 15_000, timeoutSet: false, json: 'auto' },
  backend: { intervalMs: 25_000, timeoutMs: 75_000, timeoutSet: false, json: 'off' },
} as const;
