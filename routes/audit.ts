/** /audit: who changed what, and who was refused. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { AdminTarget } from './admin-target.ts';
import { failures, guarded, result } from './schemas/answers.ts';
import { AuditSchema, exampleAudit } from './schemas/audit.ts';
import { GatewayQuerySchema, gatewayQueryExample, namedGateway } from './schemas/fleet.ts';

export const auditRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/audit',
    {
      schema: {
        operationId: 'getAudit',
        summary: 'Read who changed what',
        description:
          'The last 500 changes made through this API, and the last 100 requests and changes that were refused, newest first; since the start of the gateway. With several gateways those of all, by their clocks. All of them are in the log too.',
        tags: ['observe'],
        querystring: GatewayQuerySchema,
        response: {
          200: result('What happened.', AuditSchema, exampleAudit),
          ...failures(...guarded(gatewayQueryExample), ...namedGateway()),
        },
      },
    },
    async ({ query }) => target.audit(query),
  );
};
