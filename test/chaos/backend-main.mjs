// A backend of a chaos run. It writes down what happens before it does anything else about it, synchronously, so that the record is
// right however the process ends:
//   o <connection> <json of the handshake>   c <connection> <code>   m <connection> <n>   s <connection> <n>   x <connection> <what is wrong>
import { openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';
import { drawBytes, makeMessage, readMessage, seeded } from './payload.mjs';

const { name, seed, logFile, port, pushMs, stopWaitMs = 1500 } = JSON.parse(process.argv[2] ?? '{}');
const log = openSync(logFile, 'a');
const random = seeded(seed);
/** @type {Map<number, { ws: WebSocket, sent: number, at: number }>} */
const connections = new Map();
let lastId = 0;
let pushing = true;
/** Told by whoever sends SIGTERM. */
let stopCode = 1001;

/** @param {string} line */
function write(line) {
  writeSync(log, `${line}\n`);
}

const server = createServer((_request, response) => response.end());
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
webSockets.on('connection', (ws, request) => {
  lastId += 1;
  const id = lastId;
  const header = (/** @type {string} */ key) => request.headers[`holdfast-${key}`];
  const client = new URL(request.url ?? '/', 'ws://x').searchParams.get('client');
  write(
    `o ${id} ${JSON.stringify({ client, at: Date.now(), pipe: header('pipe'), generation: Number(header('generation')), reason: header('reason'), replay: Number(header('replay')) })}`,
  );
  connections.set(id, { ws, sent: 0, at: performance.now() + random() * pushMs });
  ws.on('error', () => {});
  ws.on('close', (code) => {
    write(`c ${id} ${code}`);
    connections.delete(id);
  });
  ws.on('message', (data) => {
    const message = readMessage(/** @type {Buffer} */ (data));
    if (message === null || !message.whole) write(`x ${id} not whole: ${String(data).slice(0, 60)}`);
    else if (message.who !== client) write(`x ${id} of another client: ${message.who}`);
    else write(`m ${id} ${message.n}`);
  });
});

setInterval(() => {
  if (!pushing) return;
  const now = performance.now();
  for (const [id, connection] of connections) {
    const { ws } = connection;
    if (now < connection.at || ws.readyState !== WebSocket.OPEN || ws.bufferedAmount > 4_194_304) continue;
    connection.at = now + pushMs * (0.5 + random());
    // Now and then several at once.
    for (let left = random() < 0.1 ? 5 : 1; left > 0; left -= 1) {
      connection.sent += 1;
      write(`s ${id} ${connection.sent}`);
      const bytes = makeMessage(`${name}.${id}`, connection.sent, drawBytes(random));
      ws.send(bytes, { binary: random() < 0.5 });
    }
  }
}, 10);

const commands = {
  hush: () => {
    pushing = false;
  },
  connections: () => connections.size,
  'stop-with': (/** @type {{ code?: number }} */ command) => {
    stopCode = command.code ?? stopCode;
  },
};
process.on(
  'message',
  (/** @type {{ id: number, command: { do: keyof commands, code?: number } }} */ { id, command }) => {
    process.send?.({ id, result: commands[command.do](command) });
  },
);
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => {
  server.close();
  pushing = false;
  for (const { ws } of connections.values()) ws.close(stopCode, 'restarting');
  setInterval(() => connections.size === 0 && process.exit(0), 5);
  setTimeout(() => process.exit(0), stopWaitMs);
});

let tries = 0;
server.on('error', (error) => {
  tries += 1;
  if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EADDRINUSE' || tries > 50) {
    console.error(error.message);
    process.exit(1);
  }
  setTimeout(() => server.listen(port ?? 0, '127.0.0.1'), 50);
});
server.listen(port ?? 0, '127.0.0.1', () => {
  const { port: actual } = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.send?.({ event: 'ready', data: { port: actual } });
});
