/** /config: what can be changed while the gateway runs. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { BufferInvalid, HeartbeatInvalid, RevisionStale } from '../src/errors.ts';
import type { AdminTarget } from './admin-target.ts';
import { noteChange } from './change-note.ts';
import { IfMatchInvalid } from './error-answer.ts';
import { failures, guarded, guardedChange, NoQuery, noQueryExample, result, sharedChange } from './schemas/answers.ts';
import { BufferChangedSchema, BufferConfigSchema, BufferPatchSchema, exampleBuffer } from './schemas/buffer.ts';
import {
  exampleHeartbeat,
  HeartbeatChangedSchema,
  HeartbeatConfigSchema,
  HeartbeatPatchSchema,
} from './schemas/heartbeat.ts';

const tags = ['config'];
const IfMatch = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'The ETag that was read, or *.', examples: ['"6"'] })),
});
const etag = { ETag: 'The revision in quotes; send it back as If-Match.' };

export const configRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/config/heartbeat',
    {
      schema: {
        operationId: 'getHeartbeat',
        summary: 'Read the heartbeat settings',
        tags,
        querystring: NoQuery,
        response: {
          200: result('The settings in effect.', HeartbeatConfigSchema, exampleHeartbeat, etag),
          ...failures(...guarded(noQueryExample)),
        },
      },
    },
    async (_request, reply) => {
      const { revision, settings } = target.heartbeat();
      reply.header('etag', `"${revision}"`);
      return { revision, ...settings };
    },
  );

  app.patch(
    '/config/heartbeat',
    {
      schema: {
        operationId: 'updateHeartbeat',
        summary: 'Change the heartbeat of every live pipe',
        description:
          'Only what is sent changes, on live pipes within one second; a request that is refused changes nothing. With If-Match it succeeds only if nobody else changed the settings meanwhile.',
        tags,
        querystring: NoQuery,
        headers: IfMatch,
        body: HeartbeatPatchSchema,
        response: {
          200: result(
            'The settings in effect from now on.',
            HeartbeatChangedSchema,
            { ...exampleHeartbeat, pipes: 1840 },
            etag,
          ),
          ...failures(
            ...guardedChange(noQueryExample, 'client.intervalMs must be 0 or an integer from 100 to 3600000.'),
            new IfMatchInvalid(),
            new HeartbeatInvalid(
              'heartbeat.client.timeoutMs (1000) is below heartbeat.client.intervalMs (5000). Raise timeoutMs, lower intervalMs, or set timeoutMs to null for 3 x intervalMs.',
            ),
            new RevisionStale('6', 7),
            ...sharedChange('the heartbeat'),
          ),
        },
      },
    },
    async (request, reply) => {
      const before = target.heartbeat().settings;
      const changed = await target.setHeartbeat(request.body, readIfMatch(request.headers['if-match']));
      noteChange(request, { target: 'heartbeat', before, after: changed.settings });
      reply.header('etag', `"${changed.revision}"`);
      return { revision: changed.revision, ...changed.settings, pipes: changed.pipes };
    },
  );

  app.get(
    '/config/buffer',
    {
      schema: {
        operationId: 'getBuffer',
        summary: 'Read the memory bounds',
        tags,
        querystring: NoQuery,
        response: {
          200: result('The bounds in effect.', BufferConfigSchema, exampleBuffer, etag),
          ...failures(...guarded(noQueryExample)),
        },
      },
    },
    async (_request, reply) => {
      const { revision, settings } = target.buffer();
      reply.header('etag', `"${revision}"`);
      return { revision, ...settings };
    },
  );

  app.patch(
    '/config/buffer',
    {
      schema: {
        operationId: 'updateBuffer',
        summary: 'Change the memory bounds',
        description:
          'Holds for every live pipe at once. A lowered bound throws nothing away: clients above it are not read until they are below. A request that is refused changes nothing.',
        tags,
        querystring: NoQuery,
        headers: IfMatch,
        body: BufferPatchSchema,
        response: {
          200: result(
            'The bounds in effect from now on.',
            BufferChangedSchema,
            { ...exampleBuffer, pipes: 1840 },
            etag,
          ),
          ...failures(
            ...guardedChange(noQueryExample, 'maxBytesPerPipe must be an integer from 1024 to 1099511627776.'),
            new IfMatchInvalid(),
            new BufferInvalid(
              'buffer.maxTotalBytes (1048576) is below buffer.maxBytesPerPipe (5242880). Raise the first or lower the second.',
            ),
            new RevisionStale('1', 2),
            ...sharedChange('the memory bounds'),
          ),
        },
      },
    },
    async (request, reply) => {
      const before = target.buffer().settings;
      const changed = await target.setBuffer(request.body, readIfMatch(request.headers['if-match']));
      noteChange(request, { target: 'buffer', before, after: changed.settings });
      reply.header('etag', `"${changed.revision}"`);
      return { revision: changed.revision, ...changed.settings, pipes: changed.pipes };
    },
  );
};

/**
 * The revision that If-Match asks for; undefined = any. Takes `"7"`, `W/"7"`, `7` and `*`.
 * @throws HOLDFAST_ERR_IF_MATCH
 */
export function readIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const found = /^(?:W\/)?"(\d{1,16})"$|^(\d{1,16})$/.exec(header.trim());
  if (found === null) throw new IfMatchInvalid();
  return Number(found[1] ?? found[2]);
}
