import Fastify from 'fastify';
import holdfast from '../src/index.ts';

const app = Fastify({ logger: true });
await app.register(holdfast, {
  path: '/ws',
  backends: ['ws://127.0.0.1:9001', 'ws://127.0.0.1:9002'],
  admin: { prefix: '/admin', auth: { tokens: [process.env.ADMIN_TOKEN!] } },
});
app.pipeManager.events.on('pipe.restored', ({ clientId, gapMs }) => app.log.info({ clientId, gapMs }, 'held fast'));
await app.listen({ port: Number(process.env.PORT ?? 8080) });
