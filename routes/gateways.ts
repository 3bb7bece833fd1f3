/** /gateways: who shares the pool. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { GatewayPage } from '../src/gateways/views.ts';
import type { AdminTarget } from './admin-target.ts';
import { failures, guarded, NoQuery, noQueryExample, result } from './schemas/answers.ts';
import { exampleGateways, GatewayPageSchema } from './schemas/gateway.ts';

const alone: GatewayPage = { gateways: [], up: true, failure: null };

export const gatewayRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/gateways',
    {
      schema: {
        operationId: 'listGateways',
        summary: 'List the gateways',
        description:
          'All that share the store of this one, as of its last beat. Empty where the option cluster.store is not set.',
        tags: ['gateways'],
        querystring: NoQuery,
        response: {
          200: result('The gateways.', GatewayPageSchema, exampleGateways),
          ...failures(...guarded(noQueryExample)),
        },
      },
    },
    async () => target.gateways?.() ?? alone,
  );
};
