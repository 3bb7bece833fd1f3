/** /backends: the pool. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { BackendDraining, BackendExists, BackendNotFound, BackendUrlInvalid, GatewayClosing } from '../src/errors.ts';
import type { AdminTarget, RemovalMode } from './admin-target.ts';
import { badBody, failures, guarded, NoQuery, noQueryExample, nothing, result } from './schemas/answers.ts';
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
    async () => ({ backends: target.backends() }),
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
            ...guarded(noQueryExample),
            ...badBody('weight must be an integer from 1 to 1000.'),
            new BackendUrlInvalid('http://chat-2', 'the scheme is http'),
            new BackendExists('url', 'ws://10.0.0.7:9000/chat', 'chat-1'),
            new GatewayClosing(),
          ),
        },
      },
    },
    async (request, reply) => {
      const backend = target.registerBackend(request.body);
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
          ...failures(...guarded('url is missing; it must be a string from 1 to 2048 characters.'), notFound, draining),
        },
      },
    },
    async ({ query }, reply) => remove(target.backendByUrl(query.url).id, query, reply),
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
            ...guarded(noQueryExample),
            ...badBody('adminState must be one of enabled, draining, disabled.'),
            notFound,
            draining,
          ),
        },
      },
    },
    async ({ params, body }) => target.updateBackend(params.id, body),
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
        response: { ...removalAnswers, ...failures(...guarded(badMode), notFound, draining) },
      },
    },
    async ({ params, query }, reply) => remove(params.id, query, reply),
  );

  app.post(
    '/backends/:id/rebalance',
    {
      schema: {
        operationId: 'rebalanceBackend',
        summary: 'Move pipes to a backend until it has its fair share',
        description:
          'For a backend that joined late. Pipes that are quiet move, without loss; those in use wait until they are quiet or the time is up.',
        tags,
        params: BackendParams,
        querystring: RebalanceQuery,
        response: {
          202: result('Pipes are being moved.', RebalanceSchema, { backendId: 'chat-3', planned: 412 }),
          ...failures(...guarded('pipesPerSecond must be an integer from 1 to 100000.'), notFound, draining),
        },
      },
    },
    async ({ params, query }, reply) => reply.code(202).send(target.rebalance(params.id, query)),
  );

  function remove(id: string, query: { mode?: RemovalMode; timeoutMs?: number }, reply: FastifyReply): FastifyReply {
    const { mode = 'migrate', timeoutMs } = query;
    const left = target.removeBackend(id, { mode, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    return left === null ? reply.code(204).send() : reply.code(202).send(left);
  }
};
