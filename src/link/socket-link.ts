/**
 * One WebSocket connection on a real socket: frames out and in, control frames, the closing handshake, backpressure.
 * It knows nothing of pipes. All sockets share the same five listeners, so that an idle link costs few objects.
 */
import type { Duplex } from 'node:stream';
import { closeCode, encodeClosePayload, parseClosePayload } from '../wire/close-codes.ts';
import { encodeFrame, opcode } from '../wire/frame.ts';
import { FrameReader, type FrameSink, type ViolationCode } from '../wire/frame-reader.ts';
import type { Link, LinkClock, LinkEnd, LinkOwner, Side } from './link.ts';

export interface SocketLinkOptions {
  readonly side: Side;
  readonly protocol: string;
  readonly maxMessageBytes: number;
  /** Longest wait for the answer to our Close, milliseconds. */
  readonly closeTimeoutMs: number;
  readonly clock: LinkClock;
}

const kLink = Symbol('holdfast.link');
type LinkedSocket = Duplex & { [kLink]?: SocketLink; _handle?: { writeQueueSize?: number } | null };

function onData(this: LinkedSocket, chunk: Buffer): void {
  this[kLink]?.handleData(chunk);
}
function onDrain(this: LinkedSocket): void {
  this[kLink]?.handleDrain();
}
function onEnd(this: LinkedSocket): void {
  this[kLink]?.handleEnd();
}
function onError(this: LinkedSocket, error: Error): void {
  this[kLink]?.handleError(error);
}
function onClose(this: LinkedSocket): void {
  this[kLink]?.handleClose();
}

/**
 * open: both ways. closing: our Close is out, the peer's is awaited. closed: the peer's Close came, the connection is going.
 * ended: the socket is gone.
 */
type LinkState = 'open' | 'closing' | 'closed' | 'ended';

export class SocketLink implements Link, FrameSink {
  readonly side: Side;
  readonly protocol: string;
  rttMs: number | null = null;
  bytesIn = 0;
  pingedAt: number | null = null;
  receivedAt: number;
  readonly #socket: LinkedSocket;
  #owner: LinkOwner;
  readonly #reader: FrameReader;
  readonly #clock: LinkClock;
  readonly #closeTimeoutMs: number;
  #state: LinkState = 'open';
  #closeTimer: { start(delayMs: number): void; stop(): void } | null = null;
  #end: { code: number; reason: string; clean: boolean } | null = null;
  #violated = false;
  #error: Error | null = null;
  #blocked = false;
  #bytesOut = 0;
  #takenBytes = 0;
  #queuedBytes = 0;
  #progressAt: number;

  constructor(socket: Duplex, owner: LinkOwner, options: SocketLinkOptions) {
    this.side = options.side;
    this.protocol = options.protocol;
    this.#socket = socket;
    this.#owner = owner;
    this.#clock = options.clock;
    this.#closeTimeoutMs = options.closeTimeoutMs;
    this.#reader = new FrameReader(this, {
      masked: options.side === 'client',
      maxMessageBytes: options.maxMessageBytes,
    });
    this.receivedAt = options.clock.fairNow();
    this.#progressAt = this.receivedAt;
    this.#socket[kLink] = this;
    socket.on('data', onData);
    socket.on('drain', onDrain);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
    if (socket.destroyed) process.nextTick(() => this.handleClose());
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  get writable(): boolean {
    return this.#state === 'open' && !this.#socket.writableNeedDrain && !this.#socket.destroyed;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get pendingBytes(): number {
    return this.#reader.pendingBytes;
  }

  get paused(): boolean {
    return this.#socket.isPaused();
  }

  /** Looks at the socket now; what the kernel took since the last look counts as taken now. */
  get progressAt(): number {
    const taken = this.#bytesOut - this.#socket.writableLength;
    // The queue of the write under way tells of progress inside one large write.
    const queued = this.#socket._handle?.writeQueueSize ?? 0;
    if (taken > this.#takenBytes || queued < this.#queuedBytes || this.#socket.writableLength === 0) {
      this.#progressAt = this.#clock.fairNow();
    }
    this.#takenBytes = taken;
    this.#queuedBytes = queued;
    return this.#progressAt;
  }

  /** JSON heartbeats are looked for in the client's messages. */
  set interceptText(on: boolean) {
    this.#reader.interceptText = on;
  }

  /** Texts that begin with U+001E go to `linkRecord` (resume protocol). */
  set interceptRecords(on: boolean) {
    this.#reader.interceptRecords = on;
  }

  /** Another owner from now on. */
  handOver(owner: LinkOwner): void {
    this.#owner = owner;
  }

  write(frames: Buffer): void {
    if (this.#state !== 'open') return;
    this.#bytesOut += frames.length;
    // What is blocked now was not before: from here the peer has its time to take it.
    if (!this.#socket.write(frames) && !this.#blocked) {
      this.#blocked = true;
      this.#progressAt = this.#clock.fairNow();
    }
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  send(data: string | Uint8Array): void {
    const text = typeof data === 'string';
    this.write(
      encodeFrame(text ? opcode.text : opcode.binary, text ? Buffer.from(data) : data, this.side === 'backend'),
    );
  }

  ping(payload: Buffer): void {
    this.pingedAt ??= this.#clock.fairNow();
    this.write(encodeFrame(opcode.ping, payload, this.side === 'backend'));
  }

  close(code: number, reason = ''): void {
    if (this.#state !== 'open') return;
    this.write(encodeFrame(opcode.close, encodeClosePayload(code, reason), this.side === 'backend'));
    this.#state = 'closing';
    // A paused link would never see the answer. What comes before it still goes to the owner.
    this.#socket.resume();
    this.#startCloseTimer();
  }

  /** Closes it without reading on: what the peer sent and we have not read is thrown away. Idempotent. */
  abandon(code: number, reason = ''): void {
    this.#reader.stop();
    if (this.#state !== 'open') return;
    this.close(code, reason);
    this.#endSocket();
  }

  terminate(): void {
    if (this.#state === 'ended') return;
    // Nothing is written any more; linkEnded comes when the socket has closed.
    this.#state = 'closed';
    this.#reader.stop();
    this.#socket.destroy();
  }

  pause(): void {
    if (this.#state !== 'open' && (this.#state !== 'closing' || this.side === 'client')) return;
    this.#socket.pause();
    // A backend's answer to our Close may wait behind what we do not read.
    this.#closeTimer?.stop();
  }

  resume(): void {
    if (!this.#socket.isPaused()) return;
    this.receivedAt = this.#clock.fairNow();
    this.#socket.resume();
    this.#closeTimer?.start(this.#closeTimeoutMs);
  }

  readerMessages(frames: Buffer, messages: number): void {
    this.#owner.linkMessages(this, frames, messages);
  }

  readerHeartbeat(kind: 'ping' | 'pong'): boolean {
    return this.#owner.linkJsonHeartbeat(this, kind);
  }

  readerRecord(payload: Buffer): void {
    this.#owner.linkRecord(this, payload);
  }

  readerControl(code: number, payload: Buffer): void {
    if (code === opcode.pong) {
      this.#owner.linkPong(this, payload);
    } else if (code === opcode.ping) {
      if (this.#owner.linkPing(this)) this.write(encodeFrame(opcode.pong, payload, this.side === 'backend'));
    } else {
      this.#peerClosed(payload);
    }
  }

  readerViolation(code: ViolationCode, message: string): void {
    this.#violated = true;
    if (this.#state !== 'open') {
      this.terminate();
      return;
    }
    this.close(code, message);
    // The peer's bytes make no sense any more: nothing to wait for but that our Close goes out.
    this.#endSocket();
    this.#owner.linkViolated(this, code, message);
  }

  timerFired(): void {
    this.terminate();
  }

  #peerClosed(payload: Buffer): void {
    const close = parseClosePayload(payload);
    if ('violation' in close) {
      this.#reader.stop();
      this.readerViolation(close.violation, close.message);
      return;
    }
    const answers = this.#state === 'closing';
    this.#reader.stop();
    this.#end = { ...close, clean: true };
    if (!answers) {
      // Code and reason, as `ws` does: a browser tells its page those of the answer.
      this.write(encodeFrame(opcode.close, payload, this.side === 'backend'));
    }
    this.#state = 'closed';
    // RFC 6455 section 7.1.1: the server closes the TCP connection first; as a client we wait for it, but not for ever.
    if (this.side === 'client') this.#endSocket();
    else this.#startCloseTimer();
    this.#owner.linkClosed(this, close.code, close.reason, answers);
  }

  #endSocket(): void {
    this.#startCloseTimer();
    this.#socket.end();
    this.#socket.resume();
  }

  #startCloseTimer(): void {
    if (this.#closeTimer !== null) return;
    this.#closeTimer = this.#clock.timer(this, 'close');
    this.#closeTimer.start(this.#closeTimeoutMs);
  }

  // What the shared listeners above call.

  handleData(chunk: Buffer): void {
    this.bytesIn += chunk.length;
    this.receivedAt = this.#clock.fairNow();
    this.#reader.push(chunk);
    if (this.#reader.pendingBytes > 0) this.#owner.linkPending(this);
  }

  handleDrain(): void {
    this.#blocked = false;
    if (this.#state === 'open') this.#owner.linkDrained(this);
  }

  /** FIN without a Close, or after one: nothing more can come. */
  handleEnd(): void {
    if (this.#end === null && !this.#violated) this.#socket.destroy();
    else this.#socket.end();
  }

  handleError(error: Error): void {
    this.#error ??= error;
  }

  handleClose(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#reader.stop();
    this.#closeTimer?.stop();
    const socket = this.#socket;
    delete socket[kLink];
    socket.off('data', onData).off('drain', onDrain).off('end', onEnd).off('close', onClose);
    const end: LinkEnd = {
      ...(this.#end ?? { code: closeCode.abnormal, reason: '', clean: false }),
      ...(this.#error === null ? {} : { error: this.#error }),
    };
    this.#owner.linkEnded(this, end);
  }
}
