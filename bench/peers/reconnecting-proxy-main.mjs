// @fastify/http-proxy as a rival, on a server of its own (it clashes with @fastify/websocket). One route for each upstream, since its
// WebSocket proxy reconnects to the address it had and to no other.
import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

const { upstreams } = JSON.parse(process.argv[2] ?? '{}');
const app = Fastify({ logger: false });
for (const [index, upstream] of upstreams.entries()) {
  await app.register(httpProxy, {
    upstream,
    prefix: `/${index}`,
    websocket: true,
    wsReconnect: {
      pingInterval: 25_000,
      maxReconnectionRetries: 100,
      reconnectInterval: 100,
      reconnectDecay: 1,
      connectionTimeout: 5000,
      reconnectOnClose: true,
    },
  });
}
process.on('message', (/** @type {{ id: number }} */ { id }) => process.send?.({ id, result: null }));
process.on('disconnect', () => process.exit(0));
process.on('uncaughtException', (error) => {
  console.error(error);
  process.exit(1);
});
await app.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
process.send?.({
  event: 'ready',
  data: { port: /** @type {import('node:net').AddressInfo} */ (app.server.address()).port },
});
