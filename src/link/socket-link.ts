/**
 * One WebSocket connection on a real socket: frames out and in, control frames, the closing handshake, backpressure.
 * It knows nothing of pipes. All sockets share the same five listeners, so that an idle link costs few objects.
 */
import type { Duplex } from 'node:stream';
import { PingRate } from '../limits/ping-rate.ts';
import type { Block } from '../wire/byte-blocks.ts';
import { closeCode, encodeClosePayload, parseClosePayload } from '../wire/close-codes.ts';
import { encodeFrame, type Opcode, opcode } from '../wire/frame.ts';
import { FrameReader, type FrameSink, type MessageBounds, type ViolationCode } from '../wire/frame-reader.ts';
import { shrinkListeners } from './compact-listeners.ts';
import { DirectReads } from './direct-read.ts';
import type { Link, LinkClock, LinkEnd, LinkLimit, LinkOwner, Side } from './link.ts';
import { Reading, type ReadingLimits, type ReadingSink } from './reading.ts';
import { Writing } from './writing.ts';
import './socket-classes.ts';

export interface SocketLinkOptions {
  readonly side: Side;
  readonly protocol: string;
  readonly bounds: MessageBounds;
  /** Longest wait for the answer to our Close, milliseconds. */
  readonly closeTimeoutMs: number;
  readonly clock: LinkClock;
  readonly limits: LinkLimits;
}

export interface LinkLimits extends ReadingLimits {
  readonly maxFragments: number;
  /** 0 = no limit. */
  readonly controlFramesPerSecond: number;
}

/** Over so many seconds: a burst of pings after a stall of the peer's is no flood. */
const controlFramesOver = 10;
/** More than lies in the sockets of both ends: a backend that sends so much behind its end has had our Close before the last of it. */
const maxDroppedBytes = 16_777_216;

const kLink = Symbol('holdfast.link');
type LinkedSocket = Duplex & { [kLink]?: SocketLink | undefined };

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

const reads = new DirectReads<LinkedSocket>({
  read: (socket, bytes) => socket[kLink]?.handleData(bytes) ?? true,
  room: (socket) => socket[kLink]?.room() ?? null,
});

/**
 * open: both ways. closing: our Close is out, the peer's is awaited. closed: the peer's Close came, the connection is going.
 * ended: the socket is gone.
 */
type LinkState = 'open' | 'closing' | 'closed' | 'ended';

export class SocketLink implements Link, FrameSink, ReadingSink {
  readonly side: Side;
  readonly protocol: string;
  rttMs: number | null = null;
  bytesIn = 0;
  pingedAt: number | null = null;
  receivedAt: number;
  readonly #socket: LinkedSocket;
  #owner: LinkOwner;
  /** Whole messages that came, of all kinds. */
  messagesIn = 0;
  readonly #reader: FrameReader;
  readonly #reading: Reading;
  readonly #writing: Writing;
  readonly #controlFrames: PingRate | null;
  readonly #clock: LinkClock;
  readonly #closeTimeoutMs: number;
  #state: LinkState = 'open';
  #closeTimer: { start(delayMs: number): void; stop(): void } | null = null;
  #end: { code: number; reason: string; clean: boolean } | null = null;
  #violated = false;
  #droppedBytes = 0;
  #error: Error | null = null;
  /** Payload of the ping to be answered when the peer takes something again. */
  #owedPong: Buffer | null = null;

  constructor(socket: Duplex, owner: LinkOwner, options: SocketLinkOptions) {
    this.side = options.side;
    this.protocol = options.protocol;
    this.#socket = socket;
    this.#owner = owner;
    this.#clock = options.clock;
    this.#closeTimeoutMs = options.closeTimeoutMs;
    this.#reader = new FrameReader(this, {
      masked: options.side === 'client',
      bounds: options.bounds,
      maxFragments: options.limits.maxFragments,
    });
    this.#reading = new Reading(socket, this, options.limits, options.clock);
    this.#writing = new Writing(socket, options.clock);
    const { controlFramesPerSecond: perSecond } = options.limits;
    this.#controlFrames = perSecond > 0 ? new PingRate({ perSecond, burst: perSecond * controlFramesOver }) : null;
    this.receivedAt = options.clock.fairNow();
    this.#socket[kLink] = this;
    shrinkListeners(socket);
    if (reads.adopt(this.#socket)) {
      // Else it would come as an event of its own, after what is read from now on if the link is paused meanwhile.
      const early = socket.read() as Buffer | null;
      if (early !== null) {
        this.bytesIn = early.length;
        this.#reading.begin(early);
      }
    }
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

  get missingBytes(): number {
    return this.#reader.missingBytes;
  }

  get paused(): boolean {
    return this.#reading.paused;
  }

  get progressAt(): number {
    return this.#writing.progressAt;
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

  write(frames: Buffer, more = false, block: Block | null = null): boolean {
    return this.#state !== 'open' || this.#writing.write(frames, more, block);
  }

  /** A frame of our own. @returns as `write`. */
  #frame(code: Opcode, payload: Uint8Array): boolean {
    return this.write(encodeFrame(code, payload, this.side === 'backend'));
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  send(data: string | Uint8Array): void {
    const text = typeof data === 'string';
    this.#frame(text ? opcode.text : opcode.binary, text ? Buffer.from(data) : data);
  }

  ping(payload: Buffer): boolean {
    this.pingedAt ??= this.#clock.fairNow();
    return this.#frame(opcode.ping, payload);
  }

  close(code: number, reason = ''): void {
    if (this.#state !== 'open') return;
    this.#frame(opcode.close, encodeClosePayload(code, reason));
    this.#state = 'closing';
    // A paused link would never see the answer. What comes before it still goes to the owner.
    this.#reading.go();
    this.#startCloseTimer();
  }

  /** Closes it without reading on: what the peer sent and we have not read is thrown away. Idempotent. */
  abandon(code: number, reason = ''): void {
    this.#stopReading();
    if (this.#state !== 'open') return;
    this.close(code, reason);
    this.#endSocket();
  }

  terminate(): void {
    if (this.#state === 'ended') return;
    // Nothing is written any more; linkEnded comes when the socket has closed.
    this.#state = 'closed';
    this.#stopReading();
    this.#socket.destroy();
  }

  pause(): void {
    if (this.#state !== 'open' && (this.#state !== 'closing' || this.side === 'client')) return;
    this.#reading.stop();
    // A backend's answer to our Close may wait behind what we do not read.
    this.#closeTimer?.stop();
  }

  resume(): void {
    if (!this.#reading.paused) return;
    this.receivedAt = this.#clock.fairNow();
    this.#reading.go();
    this.#closeTimer?.start(this.#closeTimeoutMs);
  }

  readerMessages(frames: Buffer, messages: number, block: Block | null): boolean {
    this.messagesIn += messages;
    return this.#owner.linkMessages(this, frames, messages, block);
  }

  readerHeartbeat(kind: 'ping' | 'pong'): boolean {
    if (this.#tooManyControlFrames()) return true;
    const taken = this.#owner.linkJsonHeartbeat(this, kind);
    if (taken) this.messagesIn += 1;
    return taken;
  }

  readerRecord(payload: Buffer): void {
    this.messagesIn += 1;
    this.#owner.linkRecord(this, payload);
  }

  readerControl(code: number, payload: Buffer): void {
    if (code !== opcode.close && this.#tooManyControlFrames()) return;
    if (code === opcode.pong) {
      this.#owner.linkPong(this, payload);
    } else if (code === opcode.ping) {
      if (this.#owner.linkPing(this)) this.#pong(payload);
    } else {
      this.#peerClosed(payload);
    }
  }

  /** RFC 6455 section 5.5.3: the latest ping alone may be answered. A peer that pings and takes nothing does not fill our memory. */
  #pong(payload: Buffer): void {
    if (this.#writing.blocked) this.#owedPong = Buffer.from(payload);
    else this.#frame(opcode.pong, payload);
  }

  readerViolation(code: ViolationCode, message: string): void {
    if (code === closeCode.messageTooBig) this.#owner.linkLimited(this, 'message-bytes');
    else if (code === closeCode.policyViolation) this.#owner.linkLimited(this, 'fragments');
    this.#violate(code, message);
  }

  readChunk(chunk: Buffer, frames: number): number {
    const taken = this.#reader.push(chunk, frames);
    if (this.#reader.pendingBytes > 0) this.#owner.linkPending(this);
    return taken;
  }

  get chunkFree(): boolean {
    return this.#reader.free;
  }

  readingSlowed(): void {
    this.#owner.linkLimited(this, 'messages');
  }

  /** A client is read on whatever it sends: a reset could take our Close from it (RFC 6455 section 7.1.1). */
  bytesDropped(bytes: number): void {
    // Behind what waits, the Close has not gone out.
    if (this.side === 'client' || this.#socket.writableLength > 0) return;
    this.#droppedBytes += bytes;
    if (this.#droppedBytes > maxDroppedBytes) this.terminate();
  }

  messageLate(): void {
    this.#exceed('message-time', 'a message took too long (limits.messageTimeoutMs)');
  }

  #tooManyControlFrames(): boolean {
    if (this.#controlFrames?.allows(this.bytesIn, this.receivedAt) !== false) return false;
    this.#exceed('control-frames', 'too many pings or pongs (limits.controlFramesPerSecond)');
    return true;
  }

  #exceed(limit: LinkLimit, message: string): void {
    this.#owner.linkLimited(this, limit);
    this.#violate(closeCode.policyViolation, message);
  }

  #violate(code: ViolationCode, message: string): void {
    this.#violated = true;
    this.#stopReading();
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
    this.#owner.linkLimited(this, 'close-time');
    this.terminate();
  }

  #peerClosed(payload: Buffer): void {
    const close = parseClosePayload(payload);
    if ('violation' in close) {
      this.#violate(close.violation, close.message);
      return;
    }
    const answers = this.#state === 'closing';
    this.#stopReading();
    this.#end = { clean: true, ...close };
    if (!answers) {
      // Code and reason, as `ws` does: a browser tells its page those of the answer.
      this.#frame(opcode.close, payload);
    }
    this.#state = 'closed';
    // RFC 6455 section 7.1.1: the server closes the TCP connection first; as a client we wait for it, but not for ever.
    if (this.side === 'client') this.#endSocket();
    else this.#startCloseTimer();
    this.#owner.linkClosed(this, close.code, close.reason, answers);
  }

  #stopReading(): void {
    this.#reader.stop();
    this.#reading.drop();
  }

  #endSocket(): void {
    this.#startCloseTimer();
    this.#socket.end();
  }

  #startCloseTimer(): void {
    if (this.#closeTimer !== null) return;
    this.#closeTimer = this.#clock.timer(this, 'close');
    this.#closeTimer.start(this.#closeTimeoutMs);
  }

  // What the shared listeners above call.

  /** @returns true where nothing refers to `chunk` any more. */
  handleData(chunk: Buffer): boolean {
    this.bytesIn += chunk.length;
    this.receivedAt = this.#clock.fairNow();
    return this.#reading.chunk(chunk);
  }

  /** Where the next bytes should be read to; null = anywhere. */
  room(): Buffer | null {
    // What is read behind bytes that wait does not belong where those do.
    return this.#reading.waitingBytes > 0 ? null : this.#reader.room();
  }

  handleDrain(): void {
    this.#writing.drained();
    if (this.#state !== 'open') return;
    const owed = this.#owedPong;
    this.#owedPong = null;
    if (owed !== null) this.#pong(owed);
    this.#owner.linkDrained(this);
  }

  /** FIN without a Close, or after one: nothing more can come. */
  handleEnd(): void {
    this.#reading.flush();
    if (this.#end === null && !this.#violated) this.#socket.destroy();
    else this.#socket.end();
  }

  handleError(error: Error): void {
    this.#error ??= error;
    // A TLS socket that is attacked says so, and leaves its end to us.
    this.#socket.destroy();
  }

  handleClose(): void {
    if (this.#state === 'ended') return;
    this.#reading.flush();
    this.#state = 'ended';
    this.#stopReading();
    this.#closeTimer?.stop();
    const socket = this.#socket;
    socket[kLink] = undefined;
    socket.off('data', onData).off('drain', onDrain).off('end', onEnd).off('close', onClose);
    const { code, reason, clean } = this.#end ?? { code: closeCode.abnormal, reason: '', clean: false };
    const end: LinkEnd = { code, reason, clean, ...(this.#error === null ? {} : { error: this.#error }) };
    this.#owner.linkEnded(this, end);
  }
}
