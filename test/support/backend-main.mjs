// The process behind backend-process.ts: a `ws` server. Plain JavaScript, so that it starts in a fraction of the time tsx needs.
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import WebSocket, { WebSocketServer } from 'ws';
import { numberedText, sizeOf } from './numbered.mjs';

/** @typedef {import('./backend-process.ts').BackendOptions} BackendOptions */
/** @typedef {import('./backend-process.ts').BackendCommand} BackendCommand */
/** @typedef {import('ws').WebSocket & { id: number, sent: number, requestUrl: string, headers: object, pushTimer?: NodeJS.Timeout }} Connection */

/** @type {BackendOptions & { logFile: string | null }} */
const options = JSON.parse(process.argv[2] ?? '{}');
const textBytes = typeof options.record === 'object' ? (options.record.textBytes ?? 256) : 256;
const log = options.logFile === null ? null : openSync(options.logFile, 'a');
const maxQueuedBytes = 8 * 1024 * 1024;

/** @type {Map<number, Connection>} */
const connections = new Map();
let lastId = 0;
let refusals = 0;

/** Synchronous, so that what is written survives SIGKILL. @param {object} entry */
function write(entry) {
  if (log !== null) writeSync(log, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
}

/** @param {Buffer} data @param {boolean} isBinary */
function digest(data, isBinary) {
  const entry = { type: isBinary ? 'binary' : 'text', bytes: data.length };
  const hash = () => createHash('sha1').update(data).digest('hex');
  if (isBinary) return { ...entry, sha1: hash() };
  if (data.length <= textBytes) return { ...entry, text: data.toString() };
  return { ...entry, text: data.toString('utf8', 0, textBytes), sha1: hash() };
}

/** @param {number} ms */
function stall(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Obeys a text that is an order. @param {Connection} ws @param {string} text */
function obey(ws, text) {
  const [word, first = '', ...rest] = text.split(':');
  if (word === 'close' && /^\d{4}$/.test(first)) {
    ws.close(Number(first), rest.join(':'));
  } else if (text === 'close-empty') {
    ws.close();
  } else if (text === 'terminate') {
    ws.terminate();
  } else if (text === 'reset') {
    ws._socket.resetAndDestroy();
  } else if (text === 'crash') {
    process.exit(1);
  } else if (text === 'ping-me') {
    ws.ping('from backend');
  } else if (text === 'info') {
    ws.send(JSON.stringify(describe(ws)));
  } else if (word === 'stall' && first !== '') {
    stall(Number(first));
  } else if (word === 'burst' && first !== '') {
    for (let n = 1; n <= Number(first); n++) ws.send(numberedText(n, Number(rest[0] ?? 0), 'burst'));
  } else {
    return false;
  }
  return true;
}

/** An echo, or a push. @param {Connection} ws @param {Buffer} data @param {boolean} binary */
function give(ws, data, binary) {
  ws.sent += 1;
  ws.send(options.stamp ? Buffer.concat([Buffer.from(`${options.tag}/${ws.id}/${ws.sent}|`), data]) : data, { binary });
}

/** @param {Connection} ws */
function describe(ws) {
  return {
    connection: ws.id,
    url: ws.requestUrl,
    headers: ws.headers,
    protocol: ws.protocol,
    tag: options.tag ?? '',
    pid: process.pid,
    bufferedBytes: ws.bufferedAmount,
    sent: ws.sent,
  };
}

/** @param {Connection} ws */
function startPush(ws) {
  let n = 0;
  ws.pushTimer = setInterval(() => {
    const { count = Number.POSITIVE_INFINITY, bytes, prefix = 'push', binary = false } = options.push ?? {};
    if (ws.readyState !== WebSocket.OPEN || n >= count || !options.push) {
      clearInterval(ws.pushTimer);
    } else if (ws.bufferedAmount < maxQueuedBytes) {
      n += 1;
      give(ws, Buffer.from(numberedText(n, sizeOf(bytes, n), prefix)), binary);
    }
  }, options.push?.intervalMs);
}

/** @param {Connection} ws @param {import('node:http').IncomingMessage} request */
function onConnection(ws, request) {
  ws.id = ++lastId;
  ws.sent = 0;
  ws.requestUrl = request.url ?? '';
  ws.headers = request.headers;
  connections.set(ws.id, ws);
  write({
    kind: 'open',
    connection: ws.id,
    pid: process.pid,
    url: ws.requestUrl,
    headers: ws.headers,
    protocol: ws.protocol,
    clientCertificate: request.socket.getPeerCertificate?.()?.subject?.CN,
    clientSerial: request.socket.getPeerCertificate?.()?.serialNumber,
  });
  ws.on('ping', (data) => write({ kind: 'ping', connection: ws.id, payload: data.toString() }));
  ws.on('pong', (data) => write({ kind: 'pong', connection: ws.id, payload: data.toString() }));
  ws.on('error', (error) => write({ kind: 'error', connection: ws.id, message: error.message }));
  ws.on('close', (code, reason) => {
    clearInterval(ws.pushTimer);
    connections.delete(ws.id);
    write({ kind: 'close', connection: ws.id, code, reason: reason.toString(), sent: ws.sent });
  });
  ws.on('message', (data, isBinary) => {
    const bytes = /** @type {Buffer} */ (data);
    if (log !== null) write({ kind: 'message', connection: ws.id, ...digest(bytes, isBinary) });
    if (!isBinary) {
      const text = bytes.length <= 1024 ? bytes.toString() : '';
      if (options.crashOn !== undefined && text === options.crashOn) process.exit(1);
      if (options.orders !== false && obey(ws, text)) return;
    }
    if (options.echo === false || ws.readyState !== WebSocket.OPEN) return;
    const tagged = options.tag !== undefined && options.stamp !== true;
    give(ws, tagged ? Buffer.concat([Buffer.from(`${options.tag}:`), bytes]) : bytes, isBinary);
  });
  if (options.hello !== undefined) ws.send(options.hello);
  if (options.push) startPush(ws);
  if (options.dropAfterOpenMs !== undefined) setTimeout(() => ws.terminate(), options.dropAfterOpenMs);
}

const webSockets = new WebSocketServer({
  noServer: true,
  autoPong: options.noPong !== true,
  perMessageDeflate: options.compression === true,
  ...(options.subprotocols
    ? {
        handleProtocols: (/** @type {Set<string>} */ offered) =>
          [...offered].find((one) => options.subprotocols?.includes(one)) ?? false,
      }
    : {}),
});
webSockets.on('headers', (headers) => {
  if (options.ticket !== undefined) headers.push(`Holdfast-Ticket: ${options.ticket}`);
  for (const [name, value] of Object.entries(options.responseHeaders ?? {})) headers.push(`${name}: ${value}`);
});

/** @param {import('node:http').IncomingMessage} _request @param {import('node:http').ServerResponse} response */
function onRequest(_request, response) {
  response.writeHead(options.healthStatus ?? 200, { 'content-type': 'text/plain' }).end('backend\n');
}
const server = options.tls
  ? createHttpsServer(
      {
        cert: options.tls.cert,
        key: options.tls.key,
        ...(options.tls.clientCa ? { ca: options.tls.clientCa, requestCert: true, rejectUnauthorized: true } : {}),
      },
      onRequest,
    )
  : createHttpServer(onRequest);

server.on('upgrade', (request, socket, head) => {
  socket.on('error', () => {});
  write({ kind: 'upgrade', url: request.url, headers: request.headers });
  if (options.neverAnswer) return;
  const { refuse } = options;
  const refused = refuse !== undefined && refuse !== null && refusals < (refuse.times ?? Number.POSITIVE_INFINITY);
  if (refused) refusals += 1;
  const answer = () => {
    if (socket.destroyed) return;
    if (refused) {
      const { status, headers = {}, body = '' } = refuse;
      const lines = Object.entries({ 'Content-Length': Buffer.byteLength(body), Connection: 'close', ...headers });
      const head = [`HTTP/1.1 ${status} Refused`, ...lines.map(([name, value]) => `${name}: ${value}`)].join('\r\n');
      socket.end(`${head}\r\n\r\n${body}`);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (ws) => onConnection(/** @type {Connection} */ (ws), request));
  };
  const delayMs = refused ? (refuse.delayMs ?? 0) : (options.handshakeDelayMs ?? 0);
  if (delayMs > 0) setTimeout(answer, delayMs);
  else answer();
});

/** @param {{ id?: number }} command */
function chosen(command) {
  if (command.id === undefined) return [...connections.values()];
  const one = connections.get(command.id);
  if (!one) throw new Error(`no connection ${command.id}`);
  return [one];
}

/** @param {BackendCommand} command */
function run(command) {
  switch (command.do) {
    case 'connections':
      return connections.size;
    case 'describe':
      return chosen(command).map(describe);
    case 'send':
      for (const ws of chosen(command)) ws.send(command.data);
      return;
    case 'ping':
      for (const ws of chosen(command)) ws.ping(command.payload ?? '');
      return;
    case 'close':
      for (const ws of chosen(command)) ws.close(command.code, command.reason);
      return;
    case 'terminate':
      for (const ws of chosen(command)) ws.terminate();
      return;
    case 'reset':
      for (const ws of chosen(command)) ws._socket.resetAndDestroy();
      return;
    case 'pause':
      for (const ws of chosen(command)) ws.pause();
      return;
    case 'resume':
      for (const ws of chosen(command)) ws.resume();
      return;
    case 'stall':
      stall(command.ms);
      return;
    case 'set':
      refusals = 0;
      Object.assign(options, command.options);
      return;
    case 'crash':
      process.exit(1);
  }
}

process.on('message', (/** @type {{ id: number, command: BackendCommand }} */ { id, command }) => {
  try {
    process.send?.({ id, result: run(command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

if (options.graceful) {
  const { code = 1001, reason = 'going away', waitMs = 2_000 } = options.graceful === true ? {} : options.graceful;
  process.on('SIGTERM', () => {
    server.close();
    for (const ws of connections.values()) ws.close(code, reason);
    setInterval(() => connections.size === 0 && process.exit(0), 5);
    setTimeout(() => process.exit(0), waitMs);
  });
}

server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () =>
  process.send?.({ event: 'ready', data: { port: server.address().port } }),
);
