/** Scripted backends at the far end of fake connections. */
import type { FakeClock } from './fake-clock.ts';
import { Assembler, messageFrames, payloadOf, readPayload } from './fake-messages.ts';
import { FakeSocket, type Peer } from './fake-socket.ts';
import { closePayload, encodeFrame, type Frame, opcodes, parseClose } from './frame-codec.ts';

export type DialMode = 'accept' | 'refuse' | 'hang' | 'refuse-client' | { readonly slowMs: number };

/** One registered backend of the network. */
export class FakeBackend {
  readonly id: string;
  readonly links: FakeBackendLink[] = [];
  dialMode: DialMode = 'accept';
  /** Until its pong, milliseconds; null = never. */
  pongMs: number | null = 0;
  echo = false;
  /** For the next link that is accepted. */
  nextFailure: { bytes: number; readonly kind: FailureKind } | null = null;

  constructor(id: string) {
    this.id = id;
  }

  get url(): string {
    return `ws://${this.id}/`;
  }
}

export type FailureKind = 'reset' | 'fin' | 'freeze' | `close ${number}`;

/** One accepted connection at a fake backend. */
export class FakeBackendLink implements Peer {
  readonly socket: FakeSocket;
  /** Among all links of all backends of the network, from 1, in the order of their beginning. */
  readonly id: number;
  readonly backend: FakeBackend;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Numbers of the client's messages that were received whole, in order. */
  readonly received: number[] = [];
  /** Messages the gateway wrote to this link, received or not. */
  given = 0;
  /** Highest number the gateway may take as received: a ping behind it, or its Close, was answered. */
  confirmed = 0;
  /** Messages sent. */
  sent = 0;
  state: 'up' | 'frozen' | 'closing' | 'dead' = 'up';
  /** A barrier came after its Close. */
  #awaited = false;
  /** Of the Close it sent first. */
  #closeCode: number | null = null;
  problem: unknown = null;
  failure: { bytes: number; readonly kind: FailureKind } | null = null;
  /** Read by the kernel, not by the frozen process. */
  #late: Buffer = Buffer.alloc(0);
  readonly #assembler: Assembler;
  readonly #scanner = new FrameScanner();
  readonly #clock: FakeClock;

  constructor(backend: FakeBackend, id: number, headers: FakeBackendLink['headers'], clock: FakeClock) {
    this.backend = backend;
    this.id = id;
    this.headers = headers;
    this.#clock = clock;
    this.#assembler = new Assembler(
      true,
      (payload) => this.#message(payload),
      (frame) => this.#control(frame),
    );
    this.socket = new FakeSocket(this, (chunk) => {
      this.given += this.#scanner.push(chunk);
    });
  }

  get replay(): number {
    return Number(this.headers['holdfast-replay']);
  }

  send(bytes: number, how: { text?: boolean; parts?: number; cut?: number | undefined } = {}): void {
    if (this.state !== 'up') return;
    const payload = payloadOf(this.id, this.sent + 1, bytes);
    const frames = Buffer.concat(
      messageFrames(payload, { masked: false, text: how.text ?? false, parts: how.parts ?? 1 }),
    );
    if (how.cut !== undefined && how.cut < frames.length) {
      this.socket.deliver(frames.subarray(0, how.cut));
      this.fail('reset');
      return;
    }
    this.sent += 1;
    for (let at = 0; at < frames.length; at += 65_536) this.socket.deliver(frames.subarray(at, at + 65_536));
  }

  fail(kind: FailureKind): void {
    if (this.state === 'dead') return;
    if (kind === 'reset') {
      this.state = 'dead';
      this.socket.reset();
    } else if (kind === 'fin') {
      this.state = 'dead';
      this.socket.deliverFin();
    } else if (kind === 'freeze' && this.state === 'up') {
      this.state = 'frozen';
      this.socket.peerReads(false);
    } else if (kind !== 'freeze' && this.state === 'up') {
      this.state = 'closing';
      const code = Number(kind.slice(6));
      this.#closeCode = code;
      this.socket.deliver(encodeFrame({ opcode: 'close', payload: closePayload(code === 1005 ? undefined : code) }));
    }
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'up';
    const late = this.#late;
    this.#late = Buffer.alloc(0);
    this.bytes(late);
    this.socket.peerReads(true);
  }

  bytes(chunk: Buffer): void {
    if (this.state === 'dead') return;
    if (this.state === 'frozen') {
      this.#late = Buffer.concat([this.#late, chunk]);
      return;
    }
    const { failure } = this;
    try {
      if (failure === null || chunk.length < failure.bytes) {
        if (failure !== null) failure.bytes -= chunk.length;
        this.#assembler.push(chunk);
        return;
      }
      this.failure = null;
      this.#assembler.push(chunk.subarray(0, failure.bytes));
      this.fail(failure.kind);
      this.bytes(chunk.subarray(failure.bytes));
    } catch (error) {
      this.problem ??= error;
    }
  }
  fin(): void {
    if (this.state === 'up' || this.state === 'closing') this.socket.deliverFin();
  }

  gone(): void {
    this.state = 'dead';
  }

  #message(payload: Buffer): void {
    // A server that has sent its Close handles no more messages.
    if (this.state !== 'up') return;
    this.received.push(readPayload(payload).n);
    if (this.backend.echo) this.send(payload.length);
  }

  #control(frame: Frame): void {
    if (frame.opcode === opcodes.ping) {
      const upTo = this.received.at(-1) ?? 0;
      const { pongMs } = this.backend;
      if (this.state === 'closing') this.#awaited ||= frame.payload.toString('latin1', 0, 4) === 'HFbr';
      if (pongMs === null || this.state === 'closing') return;
      if (pongMs === 0) this.#pong(frame.payload, upTo);
      else this.#clock.setTimeout(() => this.#pong(frame.payload, upTo), pongMs);
    } else if (frame.opcode === opcodes.close) {
      if (this.state === 'up') {
        this.confirmed = Math.max(this.confirmed, this.received.at(-1) ?? 0);
        this.socket.deliver(encodeFrame({ opcode: 'close', payload: frame.payload }));
      } else if (parseClose(frame.payload).code === this.#closeCode) {
        // Two Closes that crossed with the same code: where no pong is due, nobody can tell them from a Close and its answer.
        if (!this.#awaited) this.confirmed = Number.POSITIVE_INFINITY;
      }
      this.socket.deliverFin();
      this.state = 'dead';
    }
  }

  #pong(payload: Buffer, upTo: number): void {
    if (this.state !== 'up') return;
    this.confirmed = Math.max(this.confirmed, upTo);
    this.socket.deliver(encodeFrame({ opcode: 'pong', payload }));
  }
}

/** Counts whole messages in masked frames by their headers alone. */
class FrameScanner {
  #header = Buffer.alloc(0);
  #skip = 0;
  /** The frame under way ends a message. */
  #ends = false;

  /** Messages that end in `chunk`. */
  push(chunk: Buffer): number {
    let messages = 0;
    let data = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    this.#header = Buffer.alloc(0);
    for (;;) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, data.length);
        this.#skip -= step;
        data = data.subarray(step);
        if (this.#skip > 0) return messages;
        messages += this.#ends ? 1 : 0;
        this.#ends = false;
      }
      const short = data.length < 2 ? 0 : data[1]! & 127;
      const size = data.length < 2 ? 2 : 6 + (short === 126 ? 2 : short === 127 ? 8 : 0);
      if (data.length < size) {
        this.#header = Buffer.from(data);
        return messages;
      }
      const length = short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short;
      const ends = (data[0]! & 0x80) !== 0 && (data[0]! & 15) < 8;
      data = data.subarray(size);
      this.#skip = length;
      this.#ends = ends;
      if (length === 0) {
        messages += ends ? 1 : 0;
        this.#ends = false;
      }
    }
  }
}
