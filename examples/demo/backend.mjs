// A WebSocket server as your team might run it behind the gateway: it answers each message with its own name in front.
//   node examples/demo/backend.mjs --name c --port 9003
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: { name: { type: 'string', default: 'c' }, port: { type: 'string', default: '9003' } },
});
const { name } = values;

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(values.port) });
server.on('connection', (ws) => {
  ws.on('message', (data, isBinary) => ws.send(isBinary ? data : `${name}: ${data}`));
  ws.on('error', () => {});
});
server.on('listening', () => {
  const { port } = server.address();
  console.log(`backend ${name} listens on ws://127.0.0.1:${port} (pid ${process.pid})`);
});
server.on('error', (error) => {
  console.error(`backend ${name} cannot listen on port ${values.port}: ${error.code ?? error.message}`);
  process.exit(1);
});

// How a backend should stop: 1001 or 1012 tells the gateway to take the next backend.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    for (const ws of server.clients) ws.close(1012);
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(0), 2000).unref();
  });
}
