// @fastify/http-proxy with its WebSocket proxy, with or without wsReconnect.
import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

const { backendPort, reconnect } = JSON.parse(process.argv[2] ?? '{}');
const app = Fastify({ logger: false });
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${backendPort}`,
  websocket: true,
  ...(reconnect ? { wsReconnect: { pingInterval: 25_000 } } : {}),
});
process.on('disconnect', () => process.exit(0));
await app.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
process.send?.({
  event: 'ready',
  data: { port: /** @type {import('node:net').AddressInfo} */ (app.server.address()).port },
});
