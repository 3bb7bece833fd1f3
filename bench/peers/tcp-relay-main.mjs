// The least that Node can do: bytes from one socket to the other, nothing looked at.
import { connect, createServer } from 'node:net';

const { backendPort } = JSON.parse(process.argv[2] ?? '{}');
const server = createServer({ noDelay: true }, (client) => {
  const backend = connect({ port: backendPort, host: '127.0.0.1', noDelay: true });
  client.pipe(backend);
  backend.pipe(client);
  client.on('error', () => backend.destroy()).on('close', () => backend.destroy());
  backend.on('error', () => client.destroy()).on('close', () => client.destroy());
});
process.on('disconnect', () => process.exit(0));
server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, () =>
  process.send?.({
    event: 'ready',
    data: { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port },
  }),
);
