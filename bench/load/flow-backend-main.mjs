// A backend of bench/failover.ts: echoes every message, as cheaply as Node can. Its kernel buffers aside it holds nothing, so that what a
// kill loses was on its way. SIGTERM: Close 1001 to all, then the end.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

const { port = 0 } = JSON.parse(process.argv[2] ?? '{}');
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const empty = Buffer.alloc(0);
/** @type {Set<import('node:net').Socket>} */
const open = new Set();

/** @param {import('node:net').Socket} socket */
function serve(socket) {
  let left = empty;
  let upgraded = false;
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('close', () => open.delete(socket));
  socket.on('data', (chunk) => {
    let bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
    if (!upgraded) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        left = bytes;
        return;
      }
      const key = /^sec-websocket-key: *(\S+)/im.exec(bytes.toString('latin1', 0, end))?.[1] ?? '';
      const accept = createHash('sha1')
        .update(key + guid)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      upgraded = true;
      open.add(socket);
      bytes = bytes.subarray(end + 4);
    }
    left = readFrames(socket, bytes);
  });
}

/** Answers what is whole, in one write. @param {import('node:net').Socket} socket @param {Buffer} bytes */
function readFrames(socket, bytes) {
  const out = Buffer.allocUnsafe(bytes.length);
  let used = 0;
  let at = 0;
  while (bytes.length - at >= 6) {
    const code = bytes[at] & 0x0f;
    let length = bytes[at + 1] & 0x7f;
    let header = 2;
    if (length === 126) {
      if (bytes.length - at < 8) break;
      length = bytes.readUInt16BE(at + 2);
      header = 4;
    }
    if (bytes.length - at < header + 4 + length) break;
    bytes.copy(out, used, at, at + header);
    out[used] = code === 9 ? 0x8a : bytes[at];
    out[used + 1] &= 0x7f;
    const mask = at + header;
    const from = mask + 4;
    used += header;
    bytes.copy(out, used, from, from + length);
    if (bytes.readUInt32BE(mask) !== 0) for (let i = 0; i < length; i += 1) out[used + i] ^= bytes[mask + (i & 3)];
    at = from + length;
    // A pong is for nobody here.
    if (code === 10) used -= header;
    else used += length;
    if (code === 8) {
      socket.end(out.subarray(0, used));
      return empty;
    }
  }
  if (used > 0 && socket.writable) socket.write(out.subarray(0, used));
  return at === bytes.length ? empty : Buffer.from(bytes.subarray(at));
}

const server = createServer(serve);
process.on('message', (/** @type {{ id: number }} */ { id }) => process.send?.({ id, result: open.size }));
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => {
  server.close();
  for (const socket of open) socket.write(Buffer.from([0x88, 2, 0x03, 0xe9]));
  setInterval(() => open.size === 0 && process.exit(0), 5);
  setTimeout(() => process.exit(0), 2000);
});
server.on('error', () => setTimeout(() => server.listen({ port, host: '127.0.0.1', backlog: 8192 }), 20));
server.listen({ port, host: '127.0.0.1', backlog: 8192 }, () =>
  process.send?.({
    event: 'ready',
    data: { port: /** @type {import('node:net').AddressInfo} */ (server.address()).port },
  }),
);
