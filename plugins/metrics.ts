/** Prometheus: what is counted on the events of one gateway, and a registry that is left as it was when the app closes. */
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { OptionsInvalid } from '../src/errors.ts';
import { GatewayMetrics } from '../src/observe/metrics.ts';
import type { MetricsSource } from '../src/observe/scrape.ts';
import type { MetricsOptions } from '../src/options.ts';

const { version } = createRequire(import.meta.url)('fastify-holdfast/package.json') as { version: string };

export interface MetricsPluginOptions {
  readonly metrics: GatewayMetrics;
  readonly source: MetricsSource;
}

/**
 * To be made before the PipeManager, so that it hears the first events.
 * @throws HOLDFAST_ERR_OPTIONS where the registry has another gateway's metrics already.
 */
export function createMetrics(options: MetricsOptions = {}): GatewayMetrics {
  const { registry } = options;
  if (registry?.getSingleMetric('holdfast_build_info') !== undefined) {
    throw new OptionsInvalid(
      'metrics.registry has the metrics of another gateway already. Give each gateway a registry of its own, or leave metrics.registry out.',
    );
  }
  return new GatewayMetrics({ registry, version });
}

async function metricsPlugin(app: FastifyInstance, { metrics, source }: MetricsPluginOptions): Promise<void> {
  metrics.watch(source);
  app.addHook('onClose', async () => metrics.dispose());
}

export default fp(metricsPlugin, { fastify: '5.x', name: 'holdfast-metrics' });
