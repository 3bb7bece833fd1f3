/** /livez and /readyz: open, for probes. They ignore query strings, since some probes add their own. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { AdminTarget } from './admin-target.ts';
import { result } from './schemas/answers.ts';
import { exampleNotReady, exampleReady, LivenessSchema, ReadinessSchema } from './schemas/health.ts';

const open = { tags: ['health'], security: [] };

export const healthRoutes: FastifyPluginAsyncTypebox<{ target: AdminTarget }> = async (app, { target }) => {
  app.get(
    '/livez',
    {
      schema: {
        ...open,
        operationId: 'isAlive',
        summary: 'Tell whether the process answers',
        response: { 200: result('It does.', LivenessSchema, { status: 'ok' }) },
      },
    },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        ...open,
        operationId: 'isReady',
        summary: 'Tell whether new clients should be sent here',
        response: {
          200: result('New clients are welcome.', ReadinessSchema, exampleReady),
          503: result('The gateway is closing or has no usable backend.', ReadinessSchema, exampleNotReady),
        },
      },
    },
    async (_request, reply) => {
      const readiness = target.readiness();
      return reply.code(readiness.ready ? 200 : 503).send(readiness);
    },
  );
};
