// The process behind many-ends.ts: thousands of cheap WebSocket ends, clients and backends, in one event loop. They parse no more than
// they must: a ping is answered, a backend echoes what comes, a client counts it. Written apart from src/wire on purpose.
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const empty = Buffer.alloc(0);

/**
 * @typedef {import('node:net').Socket & { toGateway: boolean, phase: 'head' | 'frames', left: Buffer, opened?: () => void, sent?: number, echoed?: number }} End
 * @typedef {{ do: 'connect', port: number, path: string, count: number, concurrency?: number, protocol?: string }
 *   | { do: 'load', messagesPerSecond: number, bytes: number } | { do: 'stop-load' } | { do: 'counts' } | { do: 'forget-backends' }} Command
 */

/** @type {Set<End>} */
const clients = new Set();
/** @type {Set<End>} */
const backendEnds = new Set();
const counts = {
  clientPings: 0,
  backendPings: 0,
  sent: 0,
  echoed: 0,
  clientsClosed: 0,
  backendsClosed: 0,
  closeFrames: 0,
  misplaced: 0,
};

/** What a client writes is masked with the key 0: the payload stays as it is. @param {number} code @param {Buffer} payload @param {boolean} masked */
function frame(code, payload, masked) {
  const { length } = payload;
  const extended = length < 126 ? 0 : 2;
  const bytes = Buffer.allocUnsafe(2 + extended + (masked ? 4 : 0) + length);
  bytes[0] = 0x80 | code;
  bytes[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : 126);
  if (extended > 0) bytes.writeUInt16BE(length, 2);
  if (masked) bytes.fill(0, 2 + extended, 6 + extended);
  payload.copy(bytes, bytes.length - length);
  return bytes;
}

/** @this {End} @param {Buffer} chunk */
function onData(chunk) {
  if (this.phase === 'head') readHead(this, chunk);
  else readFrames(this, chunk);
}

/** @param {End} end @param {Buffer} chunk */
function readHead(end, chunk) {
  const bytes = end.left.length === 0 ? chunk : Buffer.concat([end.left, chunk]);
  const at = bytes.indexOf('\r\n\r\n');
  if (at < 0) {
    end.left = bytes;
    return;
  }
  const head = bytes.toString('latin1', 0, at);
  end.left = empty;
  if (end.toGateway) {
    if (!head.startsWith('HTTP/1.1 101')) {
      end.destroy(new Error(head.split('\r\n', 1)[0]));
      return;
    }
    clients.add(end);
    end.opened?.();
  } else {
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
    const protocol = /^sec-websocket-protocol: *([^\s,]+)/im.exec(head)?.[1];
    const accept = createHash('sha1')
      .update(key + guid)
      .digest('base64');
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
    ];
    if (protocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
    end.write(`${lines.join('\r\n')}\r\n\r\n`);
    backendEnds.add(end);
  }
  end.phase = 'frames';
  if (bytes.length > at + 4) readFrames(end, bytes.subarray(at + 4));
}

/** @param {End} end @param {Buffer} chunk */
function readFrames(end, chunk) {
  const bytes = end.left.length === 0 ? chunk : Buffer.concat([end.left, chunk]);
  let at = 0;
  while (bytes.length - at >= 2) {
    const second = bytes[at + 1];
    let length = second & 0x7f;
    let header = second >= 0x80 ? 6 : 2;
    if (length === 126) {
      if (bytes.length - at < 4) break;
      length = bytes.readUInt16BE(at + 2);
      header += 2;
    } else if (length === 127) {
      end.destroy();
      return;
    }
    if (bytes.length - at < header + length) break;
    const payload = bytes.subarray(at + header, at + header + length);
    if (second >= 0x80) for (let i = 0; i < length; i++) payload[i] ^= bytes[at + header - 4 + (i & 3)];
    onFrame(end, bytes[at] & 0x0f, payload);
    at += header + length;
  }
  end.left = at === bytes.length ? empty : Buffer.from(bytes.subarray(at));
}

/** @param {End} end @param {number} code @param {Buffer} payload */
function onFrame(end, code, payload) {
  if (code === 9) {
    if (end.toGateway) counts.clientPings += 1;
    else counts.backendPings += 1;
    end.write(frame(10, payload, end.toGateway));
  } else if (code === 8) {
    counts.closeFrames += 1;
    end.end(frame(8, payload, end.toGateway));
  } else if (code < 3) {
    if (!end.toGateway) {
      end.write(frame(code, payload, false));
      return;
    }
    counts.echoed += 1;
    end.echoed = (end.echoed ?? 0) + 1;
    // Each client's messages carry its own count: lost, twice or out of order shows.
    if (payload.readUInt32BE(0) !== end.echoed) counts.misplaced += 1;
  }
}

/** @this {End} */
function onClose() {
  if (this.toGateway ? clients.delete(this) : backendEnds.delete(this)) {
    if (this.toGateway) counts.clientsClosed += 1;
    else counts.backendsClosed += 1;
  }
}

function ignore() {}

/** @param {import('node:net').Socket} socket @param {boolean} toGateway */
function adopt(socket, toGateway) {
  const end = /** @type {End} */ (socket);
  end.toGateway = toGateway;
  end.phase = 'head';
  end.left = empty;
  end.setNoDelay(true);
  return end.on('data', onData).on('error', ignore).on('close', onClose);
}

/** @param {Extract<Command, { do: 'connect' }>} command */
async function connectClients({ port, path, count, concurrency = 50, protocol }) {
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      await new Promise((resolve, reject) => {
        const end = adopt(connect({ port, host: '127.0.0.1' }), true);
        end.opened = () => resolve(undefined);
        end.once('close', () => reject(new Error('a client was refused')));
        const lines = [
          `GET ${path} HTTP/1.1`,
          `Host: 127.0.0.1:${port}`,
          'Upgrade: websocket',
          'Connection: Upgrade',
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
          'Sec-WebSocket-Version: 13',
        ];
        if (protocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
        end.write(`${lines.join('\r\n')}\r\n\r\n`);
      });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return clients.size;
}

/** @type {NodeJS.Timeout | undefined} */
let loadTimer;

/** @param {number} messagesPerSecond @param {number} bytes */
function startLoad(messagesPerSecond, bytes) {
  const tickMs = 10;
  const all = [...clients];
  let turn = 0;
  const startedAt = performance.now();
  let sent = 0;
  clearInterval(loadTimer);
  loadTimer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * messagesPerSecond);
    for (; sent < due; sent++) {
      const end = all[turn++ % all.length];
      if (end === undefined || end.destroyed) continue;
      end.sent = (end.sent ?? 0) + 1;
      const payload = Buffer.alloc(bytes);
      payload.writeUInt32BE(end.sent, 0);
      end.write(frame(2, payload, true));
      counts.sent += 1;
    }
  }, tickMs);
}

/** @param {Command} command */
async function run(command) {
  switch (command.do) {
    case 'connect':
      return connectClients(command);
    case 'load':
      return startLoad(command.messagesPerSecond, command.bytes);
    case 'stop-load':
      return clearInterval(loadTimer);
    case 'counts':
      return { ...counts, clients: clients.size, backendEnds: backendEnds.size };
  }
}

process.on('message', async (/** @type {{ id: number, command: Command }} */ { id, command }) => {
  try {
    process.send?.({ id, result: await run(command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

/** @type {{ backends: number }} */
const { backends } = JSON.parse(process.argv[2] ?? '{"backends":1}');
const ports = await Promise.all(
  Array.from({ length: backends }, async () => {
    const server = createServer({ noDelay: true }, (socket) => adopt(socket, false));
    await new Promise((resolve) =>
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => resolve(undefined)),
    );
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  }),
);
process.send?.({ event: 'ready', data: { ports } });
