// A server that does as little for a flood of bench/floods.ts as can be done: it answers a handshake with fixed bytes, and reads what comes.
import { createServer } from 'node:net';

const accepted = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const refused = 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (head) => {
    if (head.includes('\r\nOrigin:')) socket.end(refused);
    else socket.write(accepted);
    socket.resume();
  });
});

process.on('disconnect', () => process.exit(0));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({
    event: 'ready',
    data: { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port },
  });
});
