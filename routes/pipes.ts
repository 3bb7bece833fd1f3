/** /pipes: the clients that are connected. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CursorInvalid, PipeMoving, PipeNotAttached, PipeNotFound } from '../src/errors.ts';
import type { PipeView } from '../src/pipe/views.ts';
import type { AdminTarget } from './admin-target.ts';
import { type ChangeNote, noteChange } from './change-note.ts';
import { failures, guarded, guardedChange, NoQuery, noQueryExample, nothing, result } from './schemas/answers.ts';
import { namedGateway, otherGateway } from './schemas/fleet.ts';
import {
  examplePipe,
  examplePipeDetail,
  interruptedPipe,
  PipeDetailSchema,
  PipePageSchema,
  PipeParams,
  PipeQuerySchema,
  PipeSchema,
} from './schemas/pipe.ts';

const tags = ['pipes'];
const notFound = new PipeNotFound('p-000000');
const moving = new PipeMoving('p-7f3c21');

export const pipeRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/pipes',
    {
      schema: {
        operationId: 'listPipes',
        summary: 'List the pipes, page by page',
        description:
          'Filters add up. With several gateways those of all are listed, by gateway and then by age. Pipes that come or go between two pages are on neither or one; one that goes to another gateway meanwhile may be on both.',
        tags,
        querystring: PipeQuerySchema,
        response: {
          200: result('One page.', PipePageSchema, { pipes: [examplePipe], total: 1, next: null }),
          ...failures(
            ...guarded('limit must be an integer from 1 to 1000.'),
            new CursorInvalid('page-2'),
            ...namedGateway(),
          ),
        },
      },
    },
    async ({ query }) => target.pipes({ ...query, limit: query.limit ?? 100 }),
  );

  app.get(
    '/pipes/:id',
    {
      schema: {
        operationId: 'getPipe',
        summary: 'Read one pipe and its history',
        description:
          'Links, journal, traffic, and the last 50 events that led to where it is. Also answers for the last 200 pipes that were closed. With several gateways it may be at any of them. Heartbeats are in the history only from a missed one to the next answer.',
        tags,
        params: PipeParams,
        querystring: NoQuery,
        response: {
          200: result('The pipe.', PipeDetailSchema, examplePipeDetail),
          ...failures(...guarded(noQueryExample), notFound, ...otherGateway()),
        },
      },
    },
    async ({ params }) => target.pipe(params.id),
  );

  app.delete(
    '/pipes/:id',
    {
      schema: {
        operationId: 'closePipe',
        summary: 'Close one pipe',
        description: 'Its client and its backend are sent a Close. With several gateways it may be at any of them.',
        tags,
        params: PipeParams,
        querystring: NoQuery,
        response: {
          204: nothing('It is being closed.'),
          ...failures(...guardedChange(noQueryExample), notFound, moving, ...otherGateway()),
        },
      },
    },
    async (request, reply) => {
      const note = noteOf(await target.pipe(request.params.id));
      await target.closePipe(request.params.id);
      noteChange(request, note);
      return reply.code(204).send();
    },
  );

  app.post(
    '/pipes/:id/interrupt',
    {
      schema: {
        operationId: 'interruptPipe',
        summary: 'Rehearse a failover on one pipe',
        description:
          'Its backend link is dropped as if the backend had died; the client stays connected. With several gateways it may be at any of them.',
        tags,
        params: PipeParams,
        querystring: NoQuery,
        response: {
          202: result('The link is dropped, a failover is under way.', PipeSchema, interruptedPipe),
          ...failures(
            ...guardedChange(noQueryExample),
            notFound,
            new PipeNotAttached('p-7f3c21', 'interrupted'),
            moving,
            ...otherGateway(),
          ),
        },
      },
    },
    async (request, reply) => {
      const note = noteOf(await target.pipe(request.params.id));
      const pipe = await target.interruptPipe(request.params.id);
      noteChange(request, { ...note, after: { state: pipe.state, backendId: pipe.backendId } });
      return reply.code(202).send(pipe);
    },
  );
};

function noteOf({ id, clientId, state, backendId }: PipeView): ChangeNote {
  return { target: id, pipeId: id, before: { clientId, state, backendId } };
}
