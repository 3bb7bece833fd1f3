// The clients of bench/failover.ts, thousands in one process on raw sockets: numbered messages out, their echoes counted.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const empty = Buffer.alloc(0);
const digits = 10;
const connectsAtOnce = 100;

/** @type {Client[]} */
const clients = [];
let bytes = 32;
let inFlight = 0;
/** @type {NodeJS.Timeout | undefined} */
let timer;
let markedAt = 0;
let firstError = '';

class Client {
  constructor() {
    this.left = empty;
    this.sent = 0;
    this.last = 0;
    this.received = 0;
    this.twice = 0;
    this.missing = 0;
    this.closeCode = 0;
    /** When the oldest message without an echo went out. */
    this.waitingSince = 0;
    this.worstMs = 0;
    this.flowsAgainMs = -1;
    this.marked = 0;
    this.open = false;
  }

  /** @param {number} port @param {string} path */
  connect(port, path) {
    return new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      this.socket = socket;
      let head = '';
      socket.on('error', (error) => {
        firstError ||= error.message;
      });
      socket.on('close', () => {
        if (this.open && this.closeCode === 0) this.closeCode = 1006;
        this.open = false;
        resolve(undefined);
      });
      socket.on('data', (chunk) => {
        if (this.open) {
          this.read(chunk);
          return;
        }
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        if (!head.startsWith('HTTP/1.1 101')) {
          firstError ||= head.split('\r\n', 1)[0] ?? '';
          socket.destroy();
          return;
        }
        this.open = true;
        resolve(undefined);
        if (head.length > end + 4) this.read(Buffer.from(head.slice(end + 4), 'latin1'));
      });
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
      );
    });
  }

  send() {
    if (!this.open) return;
    this.sent += 1;
    if (this.waitingSince === 0) this.waitingSince = performance.now();
    const extended = bytes > 125 ? 2 : 0;
    const frame = Buffer.alloc(6 + extended + bytes, 46);
    frame[0] = 0x81;
    frame[1] = 0x80 | (extended > 0 ? 126 : bytes);
    if (extended > 0) frame.writeUInt16BE(bytes, 2);
    // Masked with the key 0: the payload stays as it is.
    frame.fill(0, 2 + extended, 6 + extended);
    frame.write(String(this.sent).padStart(digits, '0'), 6 + extended, 'latin1');
    this.socket.write(frame);
  }

  /** @param {Buffer} chunk */
  read(chunk) {
    const data = this.left.length === 0 ? chunk : Buffer.concat([this.left, chunk]);
    let at = 0;
    while (data.length - at >= 2) {
      let length = data[at + 1] & 0x7f;
      let header = 2;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        header = 4;
      }
      if (data.length - at < header + length) break;
      const code = data[at] & 0x0f;
      if (code === 9)
        this.socket.write(
          Buffer.concat([
            Buffer.from([0x8a, 0x80 | length, 0, 0, 0, 0]),
            data.subarray(at + header, at + header + length),
          ]),
        );
      else if (code === 8) this.closeCode = length >= 2 ? data.readUInt16BE(at + header) : 1005;
      else if (code < 3) this.take(Number(data.toString('latin1', at + header, at + header + digits)));
      at += header + length;
    }
    this.left = at === data.length ? empty : Buffer.from(data.subarray(at));
    if (this.closeCode > 0) this.socket.destroy();
  }

  /** @param {number} n */
  take(n) {
    this.received += 1;
    if (n <= this.last) {
      this.twice += 1;
    } else {
      this.missing += n - this.last - 1;
      this.last = n;
    }
    const now = performance.now();
    if (this.waitingSince > 0) {
      this.worstMs = Math.max(this.worstMs, now - this.waitingSince);
      this.waitingSince = this.last < this.sent ? now : 0;
    }
    if (this.marked > 0 && this.flowsAgainMs < 0 && this.last >= this.marked) this.flowsAgainMs = now - markedAt;
    if (inFlight > 0) this.send();
  }
}

/** @typedef {{ do: string, port: number, path: string, count: number, intervalMs: number, bytes: number, inFlight: number }} Command */
/** @type {Record<string, (command: Command) => unknown>} */
const commands = {
  async connect({ port, path, count }) {
    for (let left = count; left > 0; left -= connectsAtOnce) {
      const batch = Array.from({ length: Math.min(left, connectsAtOnce) }, () => new Client());
      clients.push(...batch);
      await Promise.all(batch.map((client) => client.connect(port, path)));
    }
    return { open: clients.filter((client) => client.open).length, firstError };
  },
  /** Each client one message every `intervalMs`, spread evenly. */
  load({ intervalMs }) {
    let at = 0;
    let last = performance.now();
    timer = setInterval(() => {
      const now = performance.now();
      const due = Math.min(clients.length, Math.floor(((now - last) / intervalMs) * clients.length));
      if (due === 0) return;
      last += (due * intervalMs) / clients.length;
      if (now - last > intervalMs) last = now;
      for (let left = due; left > 0; left -= 1) {
        clients[at % clients.length].send();
        at += 1;
      }
    }, 10);
  },
  /** Each client so many messages in flight: an echo sends the next. */
  pump(command) {
    ({ bytes, inFlight } = command);
    for (const client of clients) for (let left = inFlight; left > 0; left -= 1) client.send();
  },
  stop() {
    clearInterval(timer);
    inFlight = 0;
  },
  /** From now on: when does each client get the echo of a message sent now? */
  mark() {
    markedAt = performance.now();
    for (const client of clients) {
      client.flowsAgainMs = -1;
      client.worstMs = 0;
      client.send();
      client.marked = client.sent;
    }
  },
  received: () => clients.reduce((sum, client) => sum + client.received, 0),
  report: () => ({
    clients: clients.length,
    sent: clients.reduce((sum, client) => sum + client.sent, 0),
    lost: clients.reduce((sum, client) => sum + client.missing + client.sent - client.last, 0),
    twice: clients.reduce((sum, client) => sum + client.twice, 0),
    closed: clients.filter((client) => !client.open).length,
    flowsAgainMs: clients.map((client) => client.flowsAgainMs),
    worstMs: clients.map((client) => client.worstMs),
  }),
};
process.on('message', async (/** @type {{ id: number, command: Command }} */ { id, command }) => {
  try {
    process.send?.({ id, result: await commands[command.do](command) });
  } catch (error) {
    process.send?.({ id, error: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ event: 'ready', data: {} });
