// The well-behaved side of bench/floods.ts: an echo backend and a few clients that send at a steady rate and time each answer.
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const payloadBytes = 128;
const maskedBytes = 2 + 4 + 2 + payloadBytes;

/** @typedef {{ do: 'connect', port: number, path: string, count: number, intervalMs: number } | { do: 'measure', ms: number }} Command */

let measuring = false;
/** @type {number[]} */
let times = [];
let closed = 0;

// ---- the backend: echoes data, answers pings ----

const server = createServer((socket) => {
  let head = '';
  let left = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (head !== 'done') {
      head += chunk.toString('latin1');
      const at = head.indexOf('\r\n\r\n');
      if (at < 0) return;
      const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
      const accept = createHash('sha1')
        .update(key + guid)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      head = 'done';
      return;
    }
    left = readFrames(Buffer.concat([left, chunk]), (code, payload) => {
      if (code === 9) socket.write(frame(10, payload, false));
      else if (code === 8) socket.end(frame(8, payload, false));
      else if (code < 3) socket.write(frame(code, payload, false));
    });
  });
});

// ---- the clients ----

/** @param {number} port @param {string} path @param {number} intervalMs @returns {Promise<void>} */
function open(port, path, intervalMs) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('close', () => {
      closed += 1;
    });
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    let opened = false;
    let left = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      if (!opened) {
        const head = chunk.toString('latin1');
        if (!head.startsWith('HTTP/1.1 101')) return reject(new Error(head.split('\r\n', 1)[0]));
        opened = true;
        const payload = Buffer.alloc(payloadBytes);
        sendEach(intervalMs, () => {
          payload.writeDoubleBE(performance.now(), 0);
          socket.write(frame(2, payload, true));
        });
        resolve();
        return;
      }
      left = readFrames(Buffer.concat([left, chunk]), (code, payload) => {
        if (code === 9) socket.write(frame(10, payload, true));
        else if (code === 2 && measuring) times.push(performance.now() - payload.readDoubleBE(0));
      });
    });
  });
}

/**
 * Once in each interval, at a moment of its own: timers of the same interval run together after a while, and messages that are sent together
 * all meet the same moment of the gateway. @param {number} intervalMs @param {() => void} send
 */
function sendEach(intervalMs, send) {
  let begins = performance.now();
  const next = () => {
    begins += intervalMs;
    const due = begins + Math.random() * intervalMs;
    setTimeout(() => {
      send();
      next();
    }, due - performance.now());
  };
  next();
}

/** Masked with the key 0: the payload stays as it is. @param {number} code @param {Buffer} payload @param {boolean} masked */
function frame(code, payload, masked) {
  const { length } = payload;
  const extended = length < 126 ? 0 : 2;
  const bytes = Buffer.alloc(2 + extended + (masked ? 4 : 0) + length);
  bytes[0] = 0x80 | code;
  bytes[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : 126);
  if (extended > 0) bytes.writeUInt16BE(length, 2);
  payload.copy(bytes, bytes.length - length);
  return bytes;
}

/** @param {Buffer} bytes @param {(code: number, payload: Buffer) => void} told @returns {Buffer} what is left */
function readFrames(bytes, told) {
  let at = 0;
  while (bytes.length - at >= 2) {
    const masked = bytes[at + 1] >= 0x80;
    let length = bytes[at + 1] & 0x7f;
    let header = masked ? 6 : 2;
    if (length === 126) {
      if (bytes.length - at < 4) break;
      length = bytes.readUInt16BE(at + 2);
      header += 2;
    }
    if (bytes.length - at < header + length) break;
    const payload = Buffer.from(bytes.subarray(at + header, at + header + length));
    if (masked) for (let i = 0; i < length; i++) payload[i] ^= bytes[at + header - 4 + (i & 3)];
    told(bytes[at] & 0x0f, payload);
    at += header + length;
  }
  return bytes.subarray(at);
}

/** @param {Command} command */
async function run(command) {
  if (command.do === 'connect') {
    for (let n = 0; n < command.count; n += 1) await open(command.port, command.path, command.intervalMs);
    return null;
  }
  times = [];
  closed = 0;
  measuring = true;
  await new Promise((resolve) => setTimeout(resolve, command.ms));
  measuring = false;
  return { times: new Float64Array(times), closed, bytes: maskedBytes };
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
