// The hostile side of bench/floods.ts: floods of one kind at a time, and a backend of its own that swallows what comes through.
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const batchBytes = 262_144;

/**
 * @typedef {{ kind: string, frames?: 'pings' | 'pongs' | 'empty' | 'small' | 'json-pings' | 'fragments' | 'large' | 'acks', connections: number, addresses?: number }} Flood
 * @typedef {{ do: 'start', port: number, path: string, flood: Flood } | { do: 'compute' } | { do: 'stop' }} Command
 */

/** @type {Set<import('node:net').Socket>} */
const sockets = new Set();
let running = false;
const counts = { bytes: 0, connections: 0, refused: 0, closed: 0 };

// ---- the backend ----

const server = createServer((socket) => {
  let head = '';
  let left = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (head === 'done') {
      // Only pings (barriers) are looked for; they stand between whole frames.
      left = answerPings(left.length === 0 ? chunk : Buffer.concat([left, chunk]), socket);
      return;
    }
    head += chunk.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
    const accept = createHash('sha1')
      .update(key + guid)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    head = 'done';
  });
});

/** @param {Buffer} bytes @param {import('node:net').Socket} socket @returns {Buffer} */
function answerPings(bytes, socket) {
  let at = 0;
  while (bytes.length - at >= 2) {
    let length = bytes[at + 1] & 0x7f;
    let header = 6;
    if (length === 126) {
      if (bytes.length - at < 4) break;
      length = bytes.readUInt16BE(at + 2);
      header = 8;
    } else if (length === 127) {
      if (bytes.length - at < 10) break;
      length = Number(bytes.readBigUInt64BE(at + 2));
      header = 14;
    }
    if (bytes.length - at < header + length) break;
    const code = bytes[at] & 0x0f;
    if (code === 9) {
      const payload = Buffer.from(bytes.subarray(at + header, at + header + length));
      for (let i = 0; i < length; i++) payload[i] ^= bytes[at + header - 4 + (i & 3)];
      socket.write(Buffer.concat([Buffer.from([0x8a, length]), payload]));
    } else if (code === 8) {
      socket.end(Buffer.from([0x88, 0]));
    }
    at += header + length;
  }
  return bytes.subarray(at);
}

// ---- floods ----

/** Masked with the key 0. @param {number} first @param {Buffer | string} content */
function frame(first, content) {
  const payload = Buffer.from(content);
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const bytes = Buffer.alloc(6 + extended + length);
  bytes[0] = first;
  bytes[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) bytes.writeUInt16BE(length, 2);
  else if (extended === 8) bytes.writeBigUInt64BE(BigInt(length), 2);
  payload.copy(bytes, 6 + extended);
  return bytes;
}

/** @param {Buffer} one */
const repeated = (one) => Buffer.concat(Array.from({ length: Math.ceil(batchBytes / one.length) }, () => one));

const batches = {
  pings: () => repeated(frame(0x89, '')),
  pongs: () => repeated(frame(0x8a, '')),
  empty: () => repeated(frame(0x82, '')),
  small: () => repeated(frame(0x82, 'ten bytes.')),
  'json-pings': () => repeated(frame(0x81, '{"type":"ping"}')),
  // Whole messages of 10,000 fragments of one byte.
  fragments: () =>
    Buffer.concat([frame(0x02, 'x'), ...Array.from({ length: 9998 }, () => frame(0x00, 'x')), frame(0x80, 'x')]),
  large: () => frame(0x82, Buffer.alloc(1_048_576)),
  acks: () => repeated(frame(0x81, '\u001e{"type":"ack","received":0}')),
};

/** @type {{ [what in keyof typeof batches]?: Buffer }} */
const made = {};

/** @param {number} port @param {string} path @param {readonly string[]} headers */
function handshake(port, path, headers = []) {
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    ...headers,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

let addresses = 1;
let dialled = 0;

/** From 127.1.x.y, in turns: all of 127.0.0.0/8 is this machine. @param {number} port */
function dial(port) {
  dialled += 1;
  const n = dialled % addresses;
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.1.${n >> 8}.${(n & 255) + 1}` });
  sockets.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  return socket;
}

/** One connection that writes as fast as it is read. @param {number} port @param {string} path @param {Flood} flood */
function pour(port, path, flood) {
  if (!running) return;
  const what = flood.frames ?? 'pings';
  // Made once: the machine is to be busy with the flood, not with the making of it.
  made[what] ??= batches[what]();
  const batch = made[what];
  const socket = dial(port);
  socket.write(handshake(port, path, what === 'acks' ? ['Sec-WebSocket-Protocol: holdfast.v1'] : []));
  let begun = false;
  const more = () => {
    while (running && !socket.destroyed) {
      counts.bytes += batch.length;
      if (!socket.write(batch)) return;
    }
  };
  socket.on('drain', more);
  socket.on('data', (chunk) => {
    if (begun) return;
    begun = true;
    if (!chunk.toString('latin1').startsWith('HTTP/1.1 101')) {
      counts.refused += 1;
      socket.destroy();
      return;
    }
    counts.connections += 1;
    if (what === 'acks') socket.write(frame(0x81, '\u001e{"type":"start","resume":null}'));
    more();
  });
  socket.on('close', () => {
    counts.closed += 1;
    setTimeout(() => pour(port, path, flood), 20);
  });
}

/** A handshake, closed when it is answered, and the next. @param {number} port @param {string} path @param {readonly string[]} headers */
function knock(port, path, headers) {
  if (!running) return;
  const socket = dial(port);
  socket.write(handshake(port, path, headers));
  socket.once('data', (chunk) => {
    if (chunk.toString('latin1').startsWith('HTTP/1.1 101')) counts.connections += 1;
    else counts.refused += 1;
    socket.destroy();
  });
  socket.on('close', () => setImmediate(() => knock(port, path, headers)));
}

/** When it has ended, after half a second at the latest. @param {import('node:net').Socket} socket @param {() => void} next */
function comeBack(socket, next) {
  const end = setTimeout(() => socket.destroy(), 500);
  socket.on('close', () => {
    clearTimeout(end);
    setImmediate(next);
  });
}

/** As many requests as one read brings, and the next when the connection has ended. @param {number} port */
function pipelined(port) {
  if (!running) return;
  const socket = dial(port);
  const batch = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1900);
  counts.bytes += batch.length;
  socket.write(batch);
  socket.once('data', () => {
    counts.connections += 1;
  });
  comeBack(socket, () => pipelined(port));
}

/** TCP connections that say nothing, and are closed after a while. @param {number} port */
function idle(port) {
  if (!running) return;
  const socket = dial(port);
  socket.on('connect', () => {
    counts.connections += 1;
  });
  comeBack(socket, () => idle(port));
}

/** Requests everything and reads nothing. @param {number} port @param {string} path */
function deaf(port, path) {
  const socket = dial(port);
  socket.write(handshake(port, path));
  socket.once('data', () => {
    counts.connections += 1;
    socket.pause();
    const batch = repeated(frame(0x82, Buffer.alloc(1000)));
    const timer = setInterval(() => {
      if (socket.destroyed || !running) clearInterval(timer);
      else if (socket.writableLength === 0) socket.write(batch);
    }, 10);
  });
}

/** A message of which one byte comes each second. @param {number} port @param {string} path */
function drip(port, path) {
  const socket = dial(port);
  socket.write(handshake(port, path));
  socket.once('data', () => {
    counts.connections += 1;
    socket.write(frame(0x82, Buffer.alloc(60_000)).subarray(0, 8));
    const timer = setInterval(() => {
      if (socket.destroyed || !running) clearInterval(timer);
      else socket.write('x');
    }, 1000);
  });
}

/** Busy without a flood: the core is shared with the good clients in any case. */
function compute() {
  if (!running) return;
  const until = performance.now() + 5;
  while (performance.now() < until);
  setImmediate(compute);
}

/** @param {Command} command */
async function run(command) {
  if (command.do === 'compute') {
    running = true;
    compute();
    return null;
  }
  if (command.do === 'start') {
    running = true;
    Object.assign(counts, { bytes: 0, connections: 0, refused: 0, closed: 0 });
    const { port, path, flood } = command;
    addresses = flood.addresses ?? 1;
    for (let n = 0; n < flood.connections; n += 1) {
      if (flood.kind === 'pour') pour(port, path, flood);
      else if (flood.kind === 'knock') knock(port, path, []);
      else if (flood.kind === 'refused') knock(port, path, ['Origin: http://elsewhere.example']);
      else if (flood.kind === 'malformed') knock(port, path, ['Sec-WebSocket-Version: 12']);
      else if (flood.kind === 'pipelined') pipelined(port);
      else if (flood.kind === 'idle') idle(port);
      else if (flood.kind === 'deaf') deaf(port, path);
      else if (flood.kind === 'drip') drip(port, path);
    }
    return null;
  }
  running = false;
  for (const socket of sockets) socket.destroy();
  return { ...counts };
}

process.on('message', async (/** @type {{ id: number, command: Command }} */ { id, command }) => {
  try {
    process.send?.({ id, result: await run(command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
server.listen(0, '127.0.0.1', () => {
  process.send?.({
    event: 'ready',
    data: { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port },
  });
});
