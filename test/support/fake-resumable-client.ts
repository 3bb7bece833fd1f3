/** A client of holdfast.v1 whose connections break at any byte. */
import assert from 'node:assert/strict';
import { type Marked, messageFrames, payloadOf, readPayload } from './fake-messages.ts';
import { FakeSocket, type Peer } from './fake-socket.ts';
import { closePayload, encodeFrame, FrameDecoder, opcodes, parseClose } from './frame-codec.ts';

const mark = 0x1e;
const readBytes = 65_536;
/** First byte of the client's messages: half of its texts begin with U+001E. */
const sources = [0, mark * 2 ** 24];

export interface MakeMessage {
  readonly bytes: number;
  readonly text: boolean;
  readonly parts: number;
}

interface Kept extends MakeMessage {
  readonly n: number;
}

/** The client: what it keeps and counts over all of its connections (PROTOCOL.md, rules 1 to 4). */
export class FakeResumableClient {
  connection: FakeConnection | null = null;
  pipe = '';
  token = '';
  /** Application messages that came, in order. */
  readonly received: Marked[] = [];
  made = 0;
  /** Messages whose last byte has left over some connection. */
  whole = 0;
  /** Told by acks and welcomes. */
  acknowledged = 0;
  /** Told by the welcome. */
  maxBufferBytes = 0;
  resumes = 0;
  /** Of its starts. */
  attempt = 0;
  closed = false;
  /** Codes of the Closes that came. */
  readonly codes: number[] = [];
  problem: unknown = null;
  kept: Kept[] = [];
  /** Connections that were given up; what was on its way may still arrive. */
  forgotten: FakeConnection[] = [];

  /** Takes no more than it may keep. */
  make(message: MakeMessage): void {
    const bytes = this.kept.reduce((sum, one) => sum + one.bytes, message.bytes);
    if (bytes > this.maxBufferBytes) return;
    this.made += 1;
    const kept = { ...message, n: this.made };
    this.kept.push(kept);
    if (this.connection?.welcomed) this.connection.post(kept);
  }

  ack(): void {
    if (this.connection?.welcomed) this.connection.control({ type: 'ack', received: this.received.length });
  }
}

/** One connection of it. */
export class FakeConnection implements Peer {
  readonly socket: FakeSocket;
  welcomed = false;
  /** Bytes it takes before it breaks; null = it lives. */
  breaksAfter: number | null = null;
  readonly #client: FakeResumableClient;
  readonly #decoder = new FrameDecoder();
  #parts: Buffer[] = [];
  #opcode = 0;
  #outbox: Buffer = Buffer.alloc(0);
  #left = 0;
  /** Bytes to the end of its start. */
  #startEnds = Number.POSITIVE_INFINITY;
  #queued = 0;
  readonly #ends: { readonly at: number; readonly n: number }[] = [];

  constructor(client: FakeResumableClient) {
    this.#client = client;
    this.socket = new FakeSocket(this);
  }

  get present(): boolean {
    return this.#client.connection === this;
  }

  /** What it had to say in time has left. */
  get #started(): boolean {
    return this.#left >= this.#startEnds;
  }

  /** Lets bytes that wait leave. */
  release(bytes = this.#outbox.length, chunk = readBytes): void {
    if (!this.present && !this.#client.forgotten.includes(this)) return;
    const out = this.#outbox.subarray(0, bytes);
    this.#outbox = this.#outbox.subarray(out.length);
    this.#left += out.length;
    for (let at = 0; at < out.length; at += chunk) this.socket.deliver(out.subarray(at, at + chunk));
    for (let next = this.#ends[0]; next !== undefined && next.at <= this.#left; next = this.#ends[0]) {
      this.#client.whole = Math.max(this.#client.whole, next.n);
      this.#ends.shift();
    }
  }

  /** reset and fin: both ends know. forgotten: the gateway does not, and what it sends goes nowhere. */
  cut(how: 'reset' | 'fin' | 'forgotten'): void {
    if (this.present) this.#client.connection = null;
    if (how === 'reset') this.socket.reset();
    else if (how === 'fin') this.socket.deliverFin();
    else {
      this.socket.peerReads(false);
      this.#client.forgotten.push(this);
    }
  }

  control(message: object): void {
    const payload = `\u001e${JSON.stringify(message)}`;
    this.#queue(encodeFrame({ opcode: 'text', payload, mask: Buffer.from([9, 8, 7, 6]) }));
  }

  close(code: number): void {
    this.#client.closed = true;
    this.#queue(encodeFrame({ opcode: 'close', payload: closePayload(code), mask: true }));
    this.release();
  }

  post({ n, bytes, text, parts }: Kept): void {
    const plain = payloadOf(sources[n % 2]!, n, bytes);
    const payload = text && plain[0] === mark ? Buffer.concat([Buffer.of(mark), plain]) : plain;
    this.#queue(Buffer.concat(messageFrames(payload, { masked: true, text, parts })));
    this.#ends.push({ at: this.#queued, n });
  }

  bytes(chunk: Buffer): void {
    if (!this.present) return;
    try {
      if (this.breaksAfter === null || chunk.length < this.breaksAfter) {
        if (this.breaksAfter !== null) this.breaksAfter -= chunk.length;
        this.#read(chunk);
        return;
      }
      this.#read(chunk.subarray(0, this.breaksAfter));
      if (this.present) this.cut('reset');
    } catch (error) {
      this.#client.problem ??= error;
    }
  }

  fin(): void {
    if (!this.socket.destroyed) this.socket.deliverFin();
    this.gone();
  }

  gone(): void {
    if (this.present) this.#client.connection = null;
  }

  #queue(frames: Buffer): void {
    this.#outbox = Buffer.concat([this.#outbox, frames]);
    this.#queued += frames.length;
  }

  #read(chunk: Buffer): void {
    for (const frame of this.#decoder.push(chunk)) {
      if (frame.masked || frame.rsv !== 0) throw new Error('a frame with a mask or reserved bits');
      if (frame.opcode === opcodes.ping) {
        this.#queue(encodeFrame({ opcode: 'pong', payload: frame.payload, mask: true }));
        this.release();
      } else if (frame.opcode === opcodes.close) {
        const { code } = parseClose(frame.payload);
        if (code !== 4400 || this.#started) this.#client.codes.push(code);
        if (this.present) this.#client.connection = null;
        this.socket.deliver(encodeFrame({ opcode: 'close', payload: frame.payload, mask: true }));
        this.socket.deliverFin();
        return;
      } else if (frame.opcode < 8) {
        if ((frame.opcode === 0) !== this.#parts.length > 0) throw new Error('a fragment out of place');
        if (this.#parts.length === 0) this.#opcode = frame.opcode;
        this.#parts.push(frame.payload);
        if (!frame.fin) continue;
        const payload = Buffer.concat(this.#parts);
        this.#parts = [];
        this.#message(payload);
        if (!this.present) return;
      }
    }
  }

  #message(payload: Buffer): void {
    const client = this.#client;
    const isRecord = this.#opcode === opcodes.text && payload[0] === mark && payload[1] !== mark;
    if (!isRecord) {
      if (!this.welcomed) throw new Error('a message before the welcome');
      const escaped = this.#opcode === opcodes.text && payload[0] === mark;
      client.received.push(readPayload(escaped ? payload.subarray(1) : payload));
      return;
    }
    const record = JSON.parse(payload.toString('utf8', 1)) as Record<string, unknown>;
    if (record['type'] === 'hello') {
      const { pipe, token } = client;
      client.attempt += 1;
      const { attempt } = client;
      const received = client.received.length;
      this.control({ type: 'start', resume: token === '' ? null : { pipe, token, received, attempt } });
      this.#startEnds = this.#queued;
    } else if (record['type'] === 'welcome') {
      this.#welcome(record);
    } else if (record['type'] === 'ack') {
      this.#acknowledge(Number(record['received']));
    }
  }

  #welcome(welcome: Record<string, unknown>): void {
    const client = this.#client;
    const received = Number(welcome['received']);
    if (client.token !== '') {
      assert.equal(welcome['resumed'], true, 'the session was lost');
      client.resumes += 1;
    }
    assert.ok(received <= client.whole, `the gateway has ${received} messages of ${client.whole}`);
    assert.ok(received >= client.acknowledged, 'the gateway lost what it acknowledged');
    client.pipe = String(welcome['pipe']);
    client.token = String(welcome['token']);
    client.maxBufferBytes = Number(welcome['maxBufferBytes']);
    this.welcomed = true;
    for (const one of client.kept) if (one.n > received) this.post(one);
  }

  #acknowledge(received: number): void {
    const client = this.#client;
    assert.ok(received <= client.whole, `an ack of ${received}, sent were ${client.whole}`);
    assert.ok(received >= client.acknowledged, `an ack of ${received} after ${client.acknowledged}`);
    client.acknowledged = received;
    client.kept = client.kept.filter(({ n }) => n > received);
  }
}
