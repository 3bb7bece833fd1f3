// Clients of a chaos run, many in one process: they send numbered messages and check what comes: each backend connection's messages whole,
// in order without holes, and none of an older connection after those of a newer one.
import WebSocket from 'ws';
import { drawBytes, makeMessage, readMessage, seeded } from './payload.mjs';

const { url, first, count, seed, sendMs } = JSON.parse(process.argv[2] ?? '{}');
const random = seeded(seed);
const maxBufferedBytes = 4_194_304;
const busyMs = 25;
const smallOnly = () => random() * 0.6;
/** @type {string[]} */
const violations = [];
let sending = false;
let received = 0;

class Client {
  /** @param {number} number */
  constructor(number) {
    this.name = `c${number}`;
    /** Every twentieth never pauses: it has something on its way whenever anything happens. */
    this.busy = number % 20 === 0;
    this.sent = 0;
    this.next = 0;
    /** Messages of each backend connection, in the order in which the connections came. @type {Map<string, number>} */
    this.from = new Map();
    this.present = '';
    /** @type {{ code: number, reason: string, at: number } | null} */
    this.closed = null;
  }

  async connect() {
    const ws = new WebSocket(`${url}?client=${this.name}`, { perMessageDeflate: false });
    this.ws = ws;
    ws.on('message', (data) => this.#take(/** @type {Buffer} */ (data)));
    ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString(), at: Date.now() };
    });
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    ws.on('error', () => {});
  }

  send() {
    const { ws } = this;
    if (ws === undefined || ws.readyState !== WebSocket.OPEN || ws.bufferedAmount > maxBufferedBytes) return;
    this.sent += 1;
    const data = makeMessage(this.name, this.sent, drawBytes(this.busy ? smallOnly : random));
    const binary = random() < 0.5;
    if (data.length < 20 || random() > 0.25) {
      ws.send(data, { binary });
      return;
    }
    const parts = 2 + Math.floor(random() * 4);
    const size = Math.ceil(data.length / parts);
    for (let at = 0; at < data.length; at += size) {
      ws.send(data.subarray(at, at + size), { binary, fin: at + size >= data.length });
      if (random() < 0.3) ws.ping();
    }
  }

  /** @param {Buffer} data */
  #take(data) {
    received += 1;
    const message = readMessage(data);
    if (message === null || !message.whole) {
      this.#wrong(`a message that is not whole: ${data.toString('latin1', 0, 60)} (${data.length} bytes)`);
      return;
    }
    const { who, n } = message;
    if (who !== this.present) {
      if (this.from.has(who)) this.#wrong(`message ${n} of ${who} after those of ${this.present}`);
      this.present = who;
    }
    const last = this.from.get(who) ?? 0;
    if (n !== last + 1) this.#wrong(`message ${n} of ${who} after ${last}`);
    this.from.set(who, n);
  }

  /** @param {string} what */
  #wrong(what) {
    if (violations.length < 50) violations.push(`${this.name} at ${Date.now()}: ${what}`);
  }
}

const clients = Array.from({ length: count }, (_, index) => new Client(first + index));
for (let at = 0; at < clients.length; at += 25)
  await Promise.all(clients.slice(at, at + 25).map((client) => client.connect()));

setInterval(() => {
  if (!sending) return;
  const now = performance.now();
  for (const client of clients) {
    if (now < client.next) continue;
    client.next = now + (client.busy ? busyMs : sendMs) * (0.2 + 1.6 * random());
    // Bursts, so that several messages share a segment.
    for (let left = random() < 0.1 ? 8 : 1; left > 0; left -= 1) client.send();
  }
}, 10);

const commands = {
  start: () => {
    sending = true;
  },
  stop: () => {
    sending = false;
    return clients.reduce((sum, client) => sum + client.sent, 0);
  },
  progress: () => ({ received, closed: clients.filter((client) => client.closed !== null).length }),
  report: () => ({
    violations,
    clients: clients.map(({ name, sent, closed, from }) => ({ name, sent, closed, from: [...from] })),
  }),
};
process.on('message', (/** @type {{ id: number, command: { do: keyof commands } }} */ { id, command }) => {
  process.send?.({ id, result: commands[command.do]() });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ event: 'ready', data: {} });
