/** /backends: the pool. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  BackendDiscovered,
  BackendDraining,
  BackendExists,
  BackendNotAllowed,
  BackendNotFound,
  BackendUrlInvalid,
  GatewayClosing,
  StoreValueTooBig,
} from '../src/errors.ts';
import type { RemovalMode } from '../src/pool/settings.ts';
import type { BackendView } from '../src/pool/views.ts';
import type { AdminTarget } from './admin-target.ts';
import { noteChange } from './change-note.ts';
import {
  failures,
  guarded,
  guardedChange,
  NoQuery,
  noQueryExample,
  nothing,
  result,
  sharedChange,
} from './schemas/answers.ts';
import {
  BackendInputSchema,
  BackendListSchema,
  BackendParams,
  BackendPatchSchema,
  BackendSchema,
  drainingBackend,
  exampleBackend,
  newBackend,
  RebalanceQuery,
  RebalanceSchema,
  RemovalByUrlQuery,
  RemovalQuery,
} from './schemas/backend.ts';

const tags = ['backends'];
const notFound = new BackendNotFound('chat-9');
const draining = new BackendDraining('chat-2', 'draining');
const discovered = new BackendDiscovered('10.0.0.7-9000');
const shared = [...sharedChange('backend chat-2'), new StoreValueTooBig('the pool', 1_048_660, 1_048_576)];
const badMode = 'mode must be one of migrate, force.';
const removalAnswers = {
  202: result('It drains: no new pipes, its pipes move away, then it is removed.', BackendSchema, drainingBackend),
  204: nothing('It is gone.'),
};

export const backendRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/backends',
    {
      schema: {
        operationId: 'listBackends',
        summary: 'List the backends',
        description: 'Every registered backend with its state, its connections and its last error.',
        tags,
        querystring: NoQuery,
        response: {
          200: result('The pool.', BackendListSchema, { backends: [exampleBackend] }),
          ...failures(...guarded(noQueryExample)),
        },
      },
    },
    async () => target.backendPage(),
  );

  app.post(
    '/backends',
    {
      schema: {
        operationId: 'registerBackend',
        summary: 'Register a backend',
        description:
          'It gets pipes at once: those that wait for a backend first. One that cannot be reached yet is kept and tried.',
        tags,
        querystring: NoQuery,
        body: BackendInputSchema,
        response: {
          201: result('It is registered.', BackendSchema, newBackend, { Location: 'Where to read it.' }),
          ...failures(
            ...guardedChange(noQueryExample, 'weight must be an integer from 1 to 1000.'),
            new BackendUrlInvalid('http://chat-2', 'the scheme is http'),
            new BackendNotAllowed('ws://169.254.169.254/', '169.254.169.254 is link-local'),
            new BackendExists('url', 'ws://10.0.0.7:9000/chat', 'chat-1'),
            new GatewayClosing(),
            ...shared,
          ),
        },
      },
    },
    async (request, reply) => {
      const backend = await target.registerBackend(request.body);
      noteChange(request, { target: backend.id, before: null, after: settingsOf(backend) });
      reply.code(201).header('location', `${request.routeOptions.url}/${encodeURIComponent(backend.id)}`);
      return backend;
    },
  );

  app.delete(
    '/backends',
    {
      schema: {
        operationId: 'removeBackendByUrl',
        summary: 'Remove a backend by its url',
        description: 'As DELETE /backends/{id}, for callers that know the url only.',
        tags,
        querystring: RemovalByUrlQuery,
        response: {
          ...removalAnswers,
          ...failures(
            ...guardedChange('url is missing; it must be a string from 1 to 2048 characters.'),
            notFound,
            draining,
            discovered,
            ...shared,
          ),
        },
      },
    },
    async (request, reply) => remove((await target.backendByUrl(request.query.url)).id, request, reply),
  );

  app.get(
    '/backends/:id',
    {
      schema: {
        operationId: 'getBackend',
        summary: 'Read one backend',
        tags,
        params: BackendParams,
        querystring: NoQuery,
        response: {
          200: result('The backend.', BackendSchema, exampleBackend),
          ...failures(...guarded(noQueryExample), notFound),
        },
      },
    },
    async ({ params }) => target.backend(params.id),
  );

  app.patch(
    '/backends/:id',
    {
      schema: {
        operationId: 'updateBackend',
        summary: 'Change weight, connection limit or state of a backend',
        description: 'Pipes that are attached stay where they are unless the state says otherwise.',
        tags,
        params: BackendParams,
        querystring: NoQuery,
        body: BackendPatchSchema,
        response: {
          200: result('The backend as it is now.', BackendSchema, exampleBackend),
          ...failures(
            ...guardedChange(noQueryExample, 'adminState must be one of enabled, draining, disabled.'),
            notFound,
            ...shared,
          ),
        },
      },
    },
    async (request) => {
      const before = settingsOf(await target.backend(request.params.id));
      const backend = await target.updateBackend(request.params.id, request.body);
      noteChange(request, { target: backend.id, before, after: settingsOf(backend) });
      return backend;
    },
  );

  app.delete(
    '/backends/:id',
    {
      schema: {
        operationId: 'removeBackend',
        summary: 'Remove a backend',
        description:
          'mode=migrate (default) moves its pipes first, without loss, and answers 202 while that goes on; read the backend for the progress. mode=force fails them over now and answers 204.',
        tags,
        params: BackendParams,
        querystring: RemovalQuery,
        response: {
          ...removalAnswers,
          ...failures(...guardedChange(badMode), notFound, draining, discovered, ...shared),
        },
      },
    },
    async (request, reply) => remove(request.params.id, request, reply),
  );

  app.post(
    '/backends/:id/rebalance',
    {
      schema: {
        operationId: 'rebalanceBackend',
        summary: 'Move pipes to a backend until it has its fair share',
        description:
          'For a backend that joined late. Pipes that are quiet move, without loss; those in use wait until they are quiet or the time is up. With several gateways each moves pipes of its own, until the backend has its share there.',
        tags,
        params: BackendParams,
        querystring: RebalanceQuery,
        response: {
          202: result('Pipes are being moved.', RebalanceSchema, { backendId: 'chat-3', planned: 412 }),
          ...failures(...guardedChange('pipesPerSecond must be an integer from 1 to 100000.'), notFound, draining),
        },
      },
    },
    async (request, reply) => {
      const rebalance = await target.rebalance(request.params.id, request.query);
      noteChange(request, { target: rebalance.backendId, after: { planned: rebalance.planned } });
      return reply.code(202).send(rebalance);
    },
  );

  async function remove(
    id: string,
    request: FastifyRequest & { readonly query: { mode?: RemovalMode; timeoutMs?: number } },
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { mode = 'migrate', timeoutMs } = request.query;
    const before = settingsOf(await target.backend(id));
    const left = await target.removeBackend(id, { mode, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    noteChange(request, { target: id, before, after: left === null ? null : settingsOf(left) });
    return left === null ? reply.code(204).send() : reply.code(202).send(left);
  }
};

/** What an operator can set of a backend. Its url is shown without the query string, as everywhere. */
function settingsOf({ url, weight, maxConnections, adminState, labels }: BackendView): object {
  return { url, weight, maxConnections, adminState, labels };
}
