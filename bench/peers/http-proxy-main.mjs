// http-proxy as its README shows it for WebSockets.
import { createServer } from 'node:http';
import httpProxy from 'http-proxy';

const { backendPort } = JSON.parse(process.argv[2] ?? '{}');
const proxy = httpProxy.createProxyServer({ target: { host: '127.0.0.1', port: backendPort }, ws: true });
proxy.on('error', () => {});
const server = createServer((request, response) => proxy.web(request, response));
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head));
process.on('disconnect', () => process.exit(0));
server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, () =>
  process.send?.({
    event: 'ready',
    data: { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port },
  }),
);
