// The process behind load.ts: clients in groups, one for each subject of a bench, and the backend that all subjects relay to, in one event
// loop. Made to cost less than what it measures: equal frames made once, one read buffer, no object per message.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { cpuMsOf } from '../support/cpu.mjs';
import { listenAsBackend } from './backend.mjs';
import { FrameRow, fillerOf, frameOf } from './frames.mjs';
import { Histogram } from './histogram.mjs';
import { Scanner } from './scanner.mjs';

const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);
const sampleEvery = 16;
const drainMs = 20_000;
/** That clients have answered. */
let pings = 0;

class Client {
  socket;
  /** Set when the handshake ended, one way or the other. @type {(error?: Error) => void} */
  onOpened = () => {};
  #group;
  #head = '';
  #open = false;
  #scanner;
  #sent = 0;
  #received = 0;
  #echoes = 0;
  /** When each message in flight was sent, in turns. */
  #sentAt;

  /** @param {Group} group @param {number} port @param {string} path */
  constructor(group, port, path) {
    this.#group = group;
    this.#sentAt = new Float64Array(group.inFlight);
    this.#scanner = new Scanner(this, sampleEvery);
    const callback = (/** @type {number} */ bytes) => this.#read(bytes);
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: readBuffer, callback } });
    this.socket.on('error', (error) => this.#ended(error));
    this.socket.on('close', () => this.#ended(new Error('the connection ended')));
    const key = randomBytes(16).toString('base64');
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
  }

  /** As many as are missing to what shall be in flight. */
  fill() {
    const { inFlight, row } = this.#group;
    const now = performance.now();
    let count = inFlight - (this.#sent - this.#received);
    while (count > 0) {
      const part = Math.min(count, row.most);
      for (let index = 0; index < part; index++) {
        this.#sentAt[this.#sent % inFlight] = now;
        row.number(index, this.#sent++);
      }
      row.write(this.socket, part);
      count -= part;
    }
  }

  get idle() {
    return this.#sent === this.#received;
  }

  /** @param {number} bytes */
  #read(bytes) {
    let from = 0;
    if (!this.#open) {
      const had = this.#head.length;
      this.#head += readBuffer.toString('latin1', 0, bytes);
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return true;
      if (!this.#head.startsWith('HTTP/1.1 101')) {
        this.#ended(new Error(`refused: ${this.#head.split('\r\n', 1)[0]}`));
        this.socket.destroy();
        return true;
      }
      this.#open = true;
      this.onOpened();
      from = end + 4 - had;
      this.#head = '';
    }
    this.#echoes = 0;
    this.#scanner.scan(readBuffer, bytes, from);
    const group = this.#group;
    if (this.#echoes > 0) {
      const now = performance.now();
      for (let left = this.#echoes; left > 0; left--)
        group.histogram.record(now - this.#sentAt[(this.#received - left) % group.inFlight]);
      group.received += this.#echoes;
      if (group.sending) this.fill();
    }
    return true;
  }

  /** @param {number} sequence @param {number} length */
  onData(sequence, length) {
    if (sequence !== this.#received || length !== this.#group.bytes) this.#group.wrong += 1;
    this.#received += 1;
    this.#echoes += 1;
  }

  /** @param {Buffer} bytes @param {number} from @param {number} to @param {number} offset */
  onPiece(bytes, from, to, offset) {
    const skip = Math.max(0, 4 - offset);
    if (from + skip >= to) return;
    if (bytes.compare(this.#group.filler, offset + skip, offset + to - from, from + skip, to) !== 0)
      this.#group.wrong += 1;
  }

  /** @param {number} opcode @param {Buffer} payload */
  onControl(opcode, payload) {
    if (opcode === 9) {
      pings += 1;
      this.socket.write(frameOf(10, payload, true));
    }
    if (opcode === 8) this.socket.end(frameOf(8, payload.subarray(0, 2), true));
  }

  /** @param {Error} error */
  #ended(error) {
    if (this.#open) this.#group.lost += 1;
    this.#open = false;
    this.onOpened(error);
  }
}

/** The clients of one subject. */
class Group {
  /** @type {Client[]} */
  clients = [];
  received = 0;
  /** Echoes out of order, twice, of wrong length or content. */
  wrong = 0;
  /** Clients whose connection ended before they were closed. */
  lost = 0;
  sending = false;
  histogram = new Histogram();

  /** @param {number} bytes @param {number} inFlight */
  constructor(bytes, inFlight) {
    this.bytes = bytes;
    this.inFlight = inFlight;
    this.row = new FrameRow(bytes, true);
    this.filler = fillerOf(bytes);
  }

  /** @param {number} port @param {string} path @param {number} count @param {number} concurrency */
  async connect(port, path, count, concurrency) {
    let begun = 0;
    const worker = async () => {
      while (begun < count) {
        begun += 1;
        await new Promise((resolve, reject) => {
          const client = new Client(this, port, path);
          client.onOpened = (error) => (error === undefined ? resolve(undefined) : reject(error));
          this.clients.push(client);
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(count, concurrency) }, worker));
  }

  /** Sends for so long, and tells of the time after `warmMs`; ends when all echoes are there. @param {Extract<Command, { do: 'slice' }>} command */
  async slice({ warmMs, ms, pids }) {
    this.sending = true;
    for (const client of this.clients) client.fill();
    await sleep(warmMs);
    this.histogram = new Histogram();
    const before = this.#look(pids);
    await sleep(ms);
    const after = this.#look(pids);
    this.sending = false;
    const { histogram } = this;
    await this.#drain();
    return {
      messages: after.received - before.received,
      wallMs: after.at - before.at,
      cpuMs: after.cpuMs - before.cpuMs,
      loadCpuMs: after.loadCpuMs - before.loadCpuMs,
      wrong: this.wrong,
      lost: this.lost,
      p50Ms: histogram.at(0.5),
      p99Ms: histogram.at(0.99),
      p999Ms: histogram.at(0.999),
    };
  }

  /** @param {readonly number[]} pids */
  #look(pids) {
    let cpuMs = 0;
    for (const pid of pids) cpuMs += cpuMsOf(pid);
    return { at: performance.now(), received: this.received, cpuMs, loadCpuMs: cpuMsOf(process.pid) };
  }

  async #drain() {
    const deadline = performance.now() + drainMs;
    while (!this.clients.every((client) => client.idle)) {
      if (this.lost > 0) throw new Error(`${this.lost} connections were lost`);
      if (performance.now() > deadline) throw new Error(`echoes are missing ${drainMs} ms after the last message`);
      await sleep(2);
    }
  }

  async close() {
    await Promise.all(
      this.clients.map(
        ({ socket }) =>
          new Promise((resolve) => {
            if (socket.closed) resolve(undefined);
            socket.once('close', resolve).destroy();
          }),
      ),
    );
  }
}

/** @typedef {{ do: 'connect', group: string, port: number, path: string, count: number, bytes: number, inFlight: number, concurrency: number }
 *   | { do: 'slice', group: string, warmMs: number, ms: number, pids: readonly number[] } | { do: 'state' | 'close', group: string }} Command */

/** @type {Map<string, Group>} */
const groups = new Map();

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {string} name */
function groupOf(name) {
  const group = groups.get(name);
  if (group === undefined) throw new Error(`no group ${name}`);
  return group;
}

/** @param {Command} command */
async function run(command) {
  switch (command.do) {
    case 'connect': {
      const { group: name, port, path, count, bytes, inFlight, concurrency } = command;
      const group = groups.get(name) ?? new Group(bytes, inFlight);
      groups.set(name, group);
      const from = performance.now();
      await group.connect(port, path, count, concurrency);
      return performance.now() - from;
    }
    case 'slice':
      return groupOf(command.group).slice(command);
    case 'state': {
      const { clients, lost, wrong, received } = groupOf(command.group);
      const { pings: backendPings, ...ofBackend } = backend.counts();
      return { clients: clients.length, lost, wrong, received, pings: pings + backendPings, backend: ofBackend };
    }
    case 'close': {
      const group = groupOf(command.group);
      groups.delete(command.group);
      return group.close();
    }
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
const backend = await listenAsBackend(backends, sampleEvery);
process.send?.({ event: 'ready', data: { ports: backend.ports } });
