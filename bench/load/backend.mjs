// The backend of the load: answers each message with one of the same number and length, pings with pongs.
import { createHash } from 'node:crypto';
import { createServer, Socket } from 'node:net';
import { FrameRow, fillerOf, frameOf, unmask } from './frames.mjs';
import { Scanner } from './scanner.mjs';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);
/** What every message holds after its number, however long it is. */
const pattern = fillerOf(2 ** 20);
/** Rows to answer with, one for each length of message. @type {Map<number, FrameRow>} */
const rows = new Map();
const counts = { open: 0, pings: 0, wrong: 0 };

class BackendEnd {
  #socket;
  #head = '';
  #open = false;
  #scanner;
  #expected = 0;
  #bytes = 0;
  #pending = 0;
  /** @type {FrameRow | undefined} */
  #row;

  /** @param {import('node:net').Socket} accepted paused @param {number} sampleEvery */
  constructor(accepted, sampleEvery) {
    this.#scanner = new Scanner(this, sampleEvery);
    // Sockets of a server read into a new buffer each time; one made over the same handle reads into ours.
    const { _handle: handle } = /** @type {{ _handle: unknown }} */ (/** @type {unknown} */ (accepted));
    const callback = (/** @type {number} */ bytes) => this.#read(bytes);
    this.#socket = new Socket(
      /** @type {import('node:net').SocketConstructorOpts} */ ({ handle, onread: { buffer: readBuffer, callback } }),
    );
    this.#socket.setNoDelay(true);
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      if (this.#open) counts.open -= 1;
    });
  }

  /** @param {number} bytes */
  #read(bytes) {
    let from = 0;
    if (!this.#open) {
      const had = this.#head.length;
      this.#head += readBuffer.toString('latin1', 0, bytes);
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return true;
      this.#accept();
      from = end + 4 - had;
      this.#head = '';
    }
    this.#scanner.scan(readBuffer, bytes, from);
    this.#flush();
    return true;
  }

  #accept() {
    const key = /^sec-websocket-key: *(\S+)/im.exec(this.#head)?.[1] ?? '';
    const accept = createHash('sha1')
      .update(key + guid)
      .digest('base64');
    this.#socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    this.#open = true;
    counts.open += 1;
  }

  /** @param {number} sequence @param {number} length */
  onData(sequence, length) {
    if (this.#row === undefined || length !== this.#bytes) {
      this.#flush();
      this.#bytes = length;
      this.#row = rows.get(length) ?? new FrameRow(length, false);
      rows.set(length, this.#row);
    }
    if (sequence !== this.#expected) counts.wrong += 1;
    this.#expected = sequence + 1;
    this.#row.number(this.#pending++, sequence);
    if (this.#pending === this.#row.most) this.#flush();
  }

  /** @param {Buffer} bytes @param {number} from @param {number} to @param {number} offset @param {number} key */
  onPiece(bytes, from, to, offset, key) {
    const skip = Math.max(0, 4 - offset);
    if (from + skip >= to) return;
    // Only its beginning: to unmask all of a large message here would cost more than relaying it.
    const some = Math.min(to, from + skip + 256);
    const plain = unmask(bytes.subarray(from + skip, some), key, offset + skip);
    if (!plain.equals(pattern.subarray(offset + skip, offset + skip + plain.length))) counts.wrong += 1;
  }

  /** @param {number} opcode @param {Buffer} payload */
  onControl(opcode, payload) {
    this.#flush();
    if (opcode === 9) {
      counts.pings += 1;
      this.#socket.write(frameOf(10, payload, false));
    } else if (opcode === 8) {
      this.#socket.end(frameOf(8, payload.subarray(0, 2), false));
    }
  }

  #flush() {
    if (this.#pending === 0) return;
    const count = this.#pending;
    this.#pending = 0;
    this.#row?.write(this.#socket, count);
  }
}

/** @param {number} count servers, each on a port of its own @param {number} sampleEvery */
export async function listenAsBackend(count, sampleEvery) {
  const ports = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer({ pauseOnConnect: true }, (socket) => new BackendEnd(socket, sampleEvery));
      await new Promise((resolve) =>
        server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, () => resolve(undefined)),
      );
      return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
    }),
  );
  return { ports, counts: () => counts };
}
