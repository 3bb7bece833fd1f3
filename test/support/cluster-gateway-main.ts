/** A gateway among others in a process of its own: says its port, ends on SIGTERM as the command does. Argument: options, url of Redis. */
import Fastify from 'fastify';
import { redisStore } from '../../src/cluster/redis/index.ts';
import holdfast from '../../src/index.ts';
import type { HoldfastOptions } from '../../src/options.ts';

const { options, redis } = JSON.parse(process.argv[2] ?? '{}') as { options: HoldfastOptions; redis: string };
const app = Fastify({ logger: false });
await app.register(holdfast, { ...options, cluster: { ...options.cluster, store: redisStore({ url: redis }) } });
await app.listen({ port: 0, host: '127.0.0.1' });
process.on('SIGTERM', async () => {
  await app.pipeManager.close();
  await app.close();
  process.exit(0);
});
process.send?.({ port: (app.server.address() as { port: number }).port });
