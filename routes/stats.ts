/** /stats: totals and the last 1, 5 and 15 minutes, for a person or a script without a Prometheus. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { AdminTarget } from './admin-target.ts';
import { failures, guarded, result } from './schemas/answers.ts';
import { GatewayQuerySchema, gatewayQueryExample, namedGateway } from './schemas/fleet.ts';
import { exampleStats, StatsSchema } from './schemas/stats.ts';

export const statsRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/stats',
    {
      schema: {
        operationId: 'getStats',
        summary: 'Read totals and the last 1, 5 and 15 minutes',
        description:
          'Heartbeats, interruptions and how long they lasted. unstable is true while the last minute is far worse than the 14 before: at least 5 missed heartbeats (and 0.5 % of those sent) or 3 failures of backend links (and 0.5 % of the live pipes), and more than 3 times the average minute. With several gateways counts and traffic are added up, percentiles are those of all gaps, lagMs is the longest, unstable is that of any; backends, at and uptimeMs are those of the asked gateway.',
        tags: ['observe'],
        querystring: GatewayQuerySchema,
        response: {
          200: result('The figures at this moment.', StatsSchema, exampleStats),
          ...failures(...guarded(gatewayQueryExample), ...namedGateway()),
        },
      },
    },
    async ({ query }) => target.stats(query),
  );
};
