/** /audit: who changed what, and who was refused. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { AuditView } from '../src/observe/audit-trail.ts';
import { failures, guarded, NoQuery, noQueryExample, result } from './schemas/answers.ts';
import { AuditSchema, exampleAudit } from './schemas/audit.ts';

/** AuditTrail is one. */
export interface AuditSource {
  view(): AuditView;
}

export const auditRoutes: FastifyPluginAsyncTypebox<{ trail: AuditSource }> = async (app, { trail }) => {
  app.get(
    '/audit',
    {
      schema: {
        operationId: 'getAudit',
        summary: 'Read who changed what',
        description:
          'The last 500 changes made through this API, and the last 100 requests and changes that were refused, newest first; since the start of the gateway. All of them are in the log too.',
        tags: ['observe'],
        querystring: NoQuery,
        response: {
          200: result('What happened.', AuditSchema, exampleAudit),
          ...failures(...guarded(noQueryExample)),
        },
      },
    },
    async () => trail.view(),
  );
};
