/** /metrics: for Prometheus. Behind the token like all others, unless admin.publicMetrics. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Answer, failures, guarded, NoQuery, noQueryExample } from './schemas/answers.ts';
import { exampleMetrics, MetricsSchema } from './schemas/metrics.ts';

/** Where the text comes from; GatewayMetrics is one. */
export interface MetricsPage {
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface MetricsRouteOptions {
  readonly metrics: MetricsPage;
  /** True = no token is asked for. */
  readonly open: boolean;
}

const page: Answer = {
  description: 'All metrics.',
  content: { 'text/plain': { schema: MetricsSchema, examples: { example: { value: exampleMetrics } } } },
};

export const metricsRoutes: FastifyPluginAsyncTypebox<MetricsRouteOptions> = async (app, { metrics, open }) => {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        summary: 'Read the metrics for Prometheus',
        tags: ['observe'],
        ...(open ? { security: [] } : {}),
        querystring: NoQuery,
        response: { 200: page, ...failures(...guarded(noQueryExample)) },
      },
    },
    async (_request, reply) => {
      const { contentType, body } = await metrics.text();
      return reply.type(contentType).send(body);
    },
  );
};
