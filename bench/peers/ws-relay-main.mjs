// What one writes first: a server of `ws` and, for each client, a client of `ws`; whole messages from one to the other.
import { WebSocket, WebSocketServer } from 'ws';

const { backendPort } = JSON.parse(process.argv[2] ?? '{}');
const options = { port: 0, host: '127.0.0.1', backlog: 8192, perMessageDeflate: false };
const server = new WebSocketServer(options, () =>
  process.send?.({
    event: 'ready',
    data: { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port },
  }),
);
server.on('connection', (client) => {
  const backend = new WebSocket(`ws://127.0.0.1:${backendPort}/`, { perMessageDeflate: false });
  /** What came before the backend was there. @type {[import('ws').RawData, boolean][] | undefined} */
  let early = [];
  client.on('message', (data, isBinary) => {
    if (early !== undefined) early.push([data, isBinary]);
    else backend.send(data, { binary: isBinary });
  });
  backend.on('open', () => {
    for (const [data, binary] of early ?? []) backend.send(data, { binary });
    early = undefined;
  });
  backend.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
  client.on('close', () => backend.close()).on('error', () => backend.terminate());
  backend.on('close', () => client.close()).on('error', () => client.terminate());
});
process.on('disconnect', () => process.exit(0));
