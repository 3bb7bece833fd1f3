/**
 * A network without sockets and without real time: in-memory sockets whose far ends are scripted backends and a scripted client.
 * What one end writes reaches the other in a microtask, never inside the write. `settle` waits until nothing moves any more.
 */
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { DialError, DialFunction } from '../../src/link/dial.ts';
import type { FakeClock } from './fake-clock.ts';
import { closePayload, encodeFrame, type Frame, FrameDecoder, opcodes, parseClose } from './frame-codec.ts';

let activity = 0;

/** Until the streams and promises of all sockets are quiet; time does not move. */
export async function settle(): Promise<void> {
  for (let quiet = 0, seen = activity; quiet < 2; quiet = seen === activity ? quiet + 1 : 0) {
    seen = activity;
    await setImmediate();
  }
}

/** What sits at the far end of a FakeSocket. */
export interface Peer {
  /** Bytes from the gateway. */
  bytes(chunk: Buffer): void;
  /** FIN from the gateway. */
  fin(): void;
  /** The connection is gone. */
  gone(): void;
}

/** What the kernels on the way take while the peer reads nothing, bytes. */
const kernelBytes = 100_000;

/** The gateway's end of a connection. */
export class FakeSocket extends Duplex {
  /** False: the peer reads nothing; the kernels' buffers fill. */
  #taking = true;
  #onWay: Buffer[] = [];
  #onWayBytes = 0;
  #blocked: (() => void) | null = null;
  #inbound: (Buffer | null)[] = [];
  #wanted = false;
  #scheduled = false;
  readonly #peer: Peer;
  readonly #given: (chunk: Buffer) => void;

  /** `given` hears every write at once, also what waits in the stream's own buffer. */
  constructor(peer: Peer, given: (chunk: Buffer) => void = () => {}) {
    super({ allowHalfOpen: true });
    this.#peer = peer;
    this.#given = given;
    this.on('error', () => {});
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    activity += 1;
    this.#given(chunk as Buffer);
    return Reflect.apply(super.write, this, [chunk, ...rest]) as boolean;
  }

  /** Bytes from the peer. */
  deliver(bytes: Buffer): void {
    if (this.destroyed || bytes.length === 0) return;
    this.#inbound.push(Buffer.from(bytes));
    this.#pump();
  }

  deliverFin(): void {
    if (this.destroyed) return;
    this.#inbound.push(null);
    this.#pump();
  }

  /** A reset: what is on the way in either direction is lost. */
  reset(): void {
    activity += 1;
    this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  /** Whether the peer reads what we write. */
  peerReads(on: boolean): void {
    activity += 1;
    this.#taking = on;
    if (on) this.#schedule();
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    activity += 1;
    this.#onWay.push(chunk);
    this.#onWayBytes += chunk.length;
    if (this.#onWayBytes > kernelBytes && !this.#taking) this.#blocked = done;
    else done();
    if (this.#taking) this.#schedule();
  }

  override _final(done: () => void): void {
    activity += 1;
    queueMicrotask(() => {
      this.#carry();
      this.#peer.fin();
    });
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    activity += 1;
    this.#inbound = [];
    // What was written before a FIN or a destroy of ours still arrives, unless the peer reset the connection.
    if (error === null) this.#carry();
    this.#onWay = [];
    this.#peer.gone();
    done(error);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#carry();
    });
  }

  #carry(): void {
    if (!this.#taking || this.#onWay.length === 0) return;
    activity += 1;
    const chunks = this.#onWay;
    this.#onWay = [];
    this.#onWayBytes = 0;
    for (const chunk of chunks) this.#peer.bytes(chunk);
    const done = this.#blocked;
    this.#blocked = null;
    done?.();
  }

  #pump(): void {
    while (this.#wanted && this.#inbound.length > 0) {
      activity += 1;
      this.#wanted = this.push(this.#inbound.shift());
    }
  }
}

/** Messages carry a number and a length, so that loss, doubling, disorder and damage can be seen. */
export function payloadOf(source: number, n: number, bytes: number): Buffer {
  const payload = Buffer.alloc(Math.max(12, bytes), n & 0xff);
  payload.writeUInt32BE(source, 0);
  payload.writeUInt32BE(n, 4);
  payload.writeUInt32BE(payload.length, 8);
  return payload;
}

export interface Marked {
  readonly source: number;
  readonly n: number;
}

/** @throws Error where it is not one of `payloadOf`, whole. */
export function readPayload(payload: Buffer): Marked {
  const source = payload.readUInt32BE(0);
  const n = payload.readUInt32BE(4);
  if (!payload.equals(payloadOf(source, n, payload.length))) throw new Error(`message ${source}/${n} is damaged`);
  return { source, n };
}

/** Frames of one message, in `parts` fragments. */
export function messageFrames(payload: Buffer, how: { masked: boolean; text: boolean; parts: number }): Buffer[] {
  const parts = Math.max(1, Math.min(how.parts, payload.length));
  const size = Math.ceil(payload.length / parts);
  return Array.from({ length: parts }, (_, at) =>
    encodeFrame({
      opcode: at > 0 ? 'continuation' : how.text ? 'text' : 'binary',
      fin: at === parts - 1,
      payload: payload.subarray(at * size, (at + 1) * size),
      mask: how.masked ? Buffer.from([1, 2, 3, 4 + at]) : false,
    }),
  );
}

/** Whole messages out of frames; control frames go to `control`. */
class Assembler {
  readonly #decoder = new FrameDecoder();
  readonly #masked: boolean;
  readonly #message: (payload: Buffer) => void;
  readonly #control: (frame: Frame) => void;
  #parts: Buffer[] = [];
  #inside = false;

  constructor(masked: boolean, message: (payload: Buffer) => void, control: (frame: Frame) => void) {
    this.#masked = masked;
    this.#message = message;
    this.#control = control;
  }

  push(chunk: Buffer): void {
    for (const frame of this.#decoder.push(chunk)) {
      if (frame.masked !== this.#masked || frame.rsv !== 0)
        throw new Error('a frame with the wrong mask or reserved bits');
      if (frame.opcode >= 8) {
        this.#control(frame);
        continue;
      }
      if ((frame.opcode === 0) !== this.#inside) throw new Error('a fragment out of place');
      this.#inside = !frame.fin;
      this.#parts.push(frame.payload);
      if (!frame.fin) continue;
      const payload = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
      this.#parts = [];
      this.#message(payload);
    }
  }

  /** Bytes of a frame or message that is not whole. */
  get unfinished(): boolean {
    return this.#inside || this.#decoder.pendingBytes > 0;
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
      if (pongMs === null || this.state === 'closing') return;
      if (pongMs === 0) this.#pong(frame.payload, upTo);
      else this.#clock.setTimeout(() => this.#pong(frame.payload, upTo), pongMs);
    } else if (frame.opcode === opcodes.close) {
      if (this.state === 'up') {
        this.confirmed = Math.max(this.confirmed, this.received.at(-1) ?? 0);
        this.socket.deliver(encodeFrame({ opcode: 'close', payload: frame.payload }));
      } else if (parseClose(frame.payload).code === this.#closeCode) {
        // Two Closes that crossed with the same code: nobody can tell them from a Close and its answer.
        this.confirmed = Number.POSITIVE_INFINITY;
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

/** All backends, and the DialFunction that reaches them. */
export class FakeNetwork {
  readonly backends: FakeBackend[];
  /** In the order of their beginning. */
  readonly links: FakeBackendLink[] = [];
  /** What a handler of a dial threw. */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };
  readonly #clock: FakeClock;

  constructor(clock: FakeClock, backends: number) {
    this.#clock = clock;
    this.backends = Array.from({ length: backends }, (_, at) => new FakeBackend(`b${at}`));
  }

  readonly dial: DialFunction = (target, given) => {
    const backend = this.backends.find((one) => target.url.hostname === one.id)!;
    const mode = backend.dialMode;
    let handlers: typeof given | null = given;
    const settleWith = (act: (one: typeof given) => void) => {
      activity += 1;
      const one = handlers;
      handlers = null;
      if (one === null) return;
      try {
        act(one);
      } catch (error) {
        this.onError(error);
      }
    };
    const fail = (error: DialError) => settleWith((one) => one.dialFailed(error));
    const accept = () =>
      settleWith((one) => {
        const link = new FakeBackendLink(backend, this.links.length + 1, target.headers, this.#clock);
        link.failure = backend.nextFailure;
        backend.nextFailure = null;
        backend.links.push(link);
        this.links.push(link);
        one.dialed({ socket: link.socket, protocol: '', head: Buffer.alloc(0), ticket: null });
      });
    activity += 1;
    if (mode === 'accept') queueMicrotask(accept);
    else if (mode === 'refuse') queueMicrotask(() => fail({ failure: 'refused', detail: 'ECONNREFUSED' }));
    else if (mode === 'refuse-client') {
      queueMicrotask(() => fail({ failure: 'status', detail: 'answered with status 403', statusCode: 403 }));
    } else if (mode !== 'hang') this.#clock.setTimeout(accept, mode.slowMs);
    return {
      abort: () => {
        handlers = null;
      },
      timeOut: (timeoutMs) => fail({ failure: 'timeout', detail: `no handshake within ${timeoutMs} ms` }),
    };
  };
}

/** The client of one pipe. */
export class FakeClient implements Peer {
  readonly socket: FakeSocket;
  /** What came, in order. */
  readonly received: Marked[] = [];
  /** Messages of which the last byte has left. */
  whole = 0;
  /** Messages made. */
  made = 0;
  closeSent = false;
  closeCame: number | null = null;
  state: 'up' | 'closing' | 'gone' = 'up';
  problem: unknown = null;
  /** Answers nothing any more. */
  silent = false;
  #outbox: Buffer = Buffer.alloc(0);
  /** Bytes that have left, and after how many each message is whole. */
  #left = 0;
  #made = 0;
  readonly #ends: number[] = [];
  readonly #assembler: Assembler;

  constructor() {
    this.#assembler = new Assembler(
      false,
      (payload) => this.received.push(readPayload(payload)),
      (frame) => this.#control(frame),
    );
    this.socket = new FakeSocket(this);
  }

  get waiting(): number {
    return this.#outbox.length;
  }

  /** Makes a message, and pings between its fragments; its bytes leave with `release`. */
  make(bytes: number, how: { text: boolean; parts: number; pings: boolean }): void {
    if (this.closeSent) return;
    this.made += 1;
    const frames = messageFrames(payloadOf(0, this.made, bytes), { masked: true, text: how.text, parts: how.parts });
    const ping = encodeFrame({ opcode: 'ping', payload: 'p', mask: true });
    const all = Buffer.concat(how.pings ? frames.flatMap((frame) => [ping, frame]) : frames);
    this.#outbox = Buffer.concat([this.#outbox, all]);
    this.#made += all.length;
    this.#ends.push(this.#made);
  }

  /** Lets `bytes` of what was made leave, in reads of at most `chunk` bytes. */
  release(bytes = this.#outbox.length, chunk = 65_536): void {
    if (this.state !== 'up') return;
    const out = this.#outbox.subarray(0, bytes);
    this.#outbox = this.#outbox.subarray(out.length);
    this.#left += out.length;
    for (let at = 0; at < out.length; at += chunk) this.socket.deliver(out.subarray(at, at + chunk));
    while ((this.#ends[this.whole] ?? Number.POSITIVE_INFINITY) <= this.#left) this.whole += 1;
  }

  close(code: number): void {
    if (this.state !== 'up') return;
    this.release();
    this.closeSent = true;
    this.state = 'closing';
    this.socket.deliver(encodeFrame({ opcode: 'close', payload: closePayload(code), mask: true }));
  }

  lose(how: 'reset' | 'fin'): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    if (how === 'reset') this.socket.reset();
    else this.socket.deliverFin();
  }

  bytes(chunk: Buffer): void {
    if (this.state === 'gone') return;
    try {
      this.#assembler.push(chunk);
    } catch (error) {
      this.problem ??= error;
    }
  }

  fin(): void {
    if (!this.silent) this.socket.deliverFin();
  }

  gone(): void {
    this.state = 'gone';
  }

  #control(frame: Frame): void {
    if (this.silent || this.state === 'gone') return;
    if (frame.opcode === opcodes.ping && this.state === 'up' && this.#betweenFrames) {
      this.socket.deliver(encodeFrame({ opcode: 'pong', payload: frame.payload, mask: true }));
    } else if (frame.opcode === opcodes.close) {
      this.closeCame = parseClose(frame.payload).code;
      if (this.state !== 'up') return;
      this.state = 'closing';
      if (this.#betweenFrames)
        this.socket.deliver(encodeFrame({ opcode: 'close', payload: frame.payload, mask: true }));
    }
  }

  /** Half a frame has left: nothing can go in between. */
  get #betweenFrames(): boolean {
    return this.#outbox.length === 0;
  }
}
