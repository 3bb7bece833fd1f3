import type { Socket } from 'node:net';
import {
  type CloseInfo,
  closePayload,
  encodeFrame,
  type Frame,
  FrameDecoder,
  type FrameInit,
  opcodes,
  parseClose,
} from './frame-codec.ts';
import { Mailbox } from './mailbox.ts';
import { resetSocket } from './reset-socket.ts';
import { deferred, type WaitOptions, withTimeout } from './wait.ts';

export interface RawHead {
  /** Request or status line. */
  readonly firstLine: string;
  /** Lower-case names; repeated ones joined by ', '. */
  readonly headers: Readonly<Record<string, string>>;
  /** As they came, in order. */
  readonly rawHeaders: readonly (readonly [string, string])[];
  /** Up to and with the empty line. */
  readonly raw: string;
}

export interface RawClose extends CloseInfo {
  /** The connection ended by an error, such as a reset. */
  readonly hadError: boolean;
  /** For example 'ECONNRESET'. */
  readonly errorCode: string | undefined;
}

export interface RawMessage {
  readonly type: 'text' | 'binary';
  readonly data: Buffer;
  readonly text: string;
  readonly frames: number;
}

export interface RawLinkOptions {
  /** Answer pings. Default false: a raw end does nothing by itself. */
  readonly autoPong?: boolean | undefined;
  /** Answer a Close with the same Close. Default false. */
  readonly autoClose?: boolean | undefined;
}

export function parseHead(raw: string): RawHead {
  const [firstLine = '', ...lines] = raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n');
  const rawHeaders: [string, string][] = [];
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    rawHeaders.push([name, value]);
    const key = name.toLowerCase();
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  }
  return { firstLine, headers, rawHeaders, raw };
}

/** One end of a WebSocket connection that does only what the test says: a head of text, then frames. */
export class RawLink {
  readonly socket: Socket;
  /** All frames that came; `nextFrame` takes from it. */
  readonly frames: Mailbox<Frame>;
  readonly closed: Promise<RawClose>;
  /** Resolves when the other end has sent its FIN. */
  readonly peerEnded: Promise<void>;
  protected readonly headReceived = deferred<RawHead>();
  readonly #name: string;
  readonly #masks: boolean;
  readonly #options: RawLinkOptions;
  readonly #decoder = new FrameDecoder();
  #received = Buffer.alloc(0);
  #phase: 'head' | 'frames' | 'body' = 'head';
  #bytesReceived = 0;
  #close: CloseInfo | undefined;
  #isClosed = false;

  protected constructor(socket: Socket, name: string, masks: boolean, options: RawLinkOptions) {
    this.socket = socket;
    this.#name = name;
    this.#masks = masks;
    this.#options = options;
    this.frames = new Mailbox(`frames of ${name}`);
    const closed = deferred<RawClose>();
    const ended = deferred();
    this.closed = closed.promise;
    this.peerEnded = ended.promise;
    this.headReceived.promise.catch(() => {});
    let errorCode: string | undefined;
    socket.setNoDelay(true);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      errorCode = error.code ?? error.message;
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => ended.resolve());
    socket.on('close', (hadError) => {
      this.#isClosed = true;
      ended.resolve();
      const info = this.#close ?? { code: 1006, reason: '' };
      const said = `closed (${info.code}${errorCode ? `, ${errorCode}` : ''})`;
      this.headReceived.reject(
        new Error(`${name}: ${said} before its head was complete: ${this.#received.toString()}`),
      );
      this.frames.end(said);
      closed.resolve({ ...info, hadError, errorCode });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Everything that came, head included. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Bytes of a frame that is not complete yet. */
  get unfinishedBytes(): number {
    return this.#decoder.pendingBytes;
  }

  /** What came after a head that was not followed by frames. */
  get body(): string {
    return this.#phase === 'body' ? this.#received.toString() : '';
  }

  /** Resolves when the bytes were given to the kernel, or never will be. */
  sendBytes(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) resolve();
      else this.socket.write(bytes, () => resolve());
    });
  }

  sendFrame(frame: FrameInit): Promise<void> {
    return this.sendBytes(encodeFrame({ ...frame, mask: frame.mask ?? this.#masks }));
  }

  sendText(text: string): Promise<void> {
    return this.sendFrame({ payload: text });
  }

  sendBinary(data: Uint8Array): Promise<void> {
    return this.sendFrame({ payload: data });
  }

  ping(payload: string | Uint8Array = ''): Promise<void> {
    return this.sendFrame({ opcode: 'ping', payload });
  }

  pong(payload: string | Uint8Array = ''): Promise<void> {
    return this.sendFrame({ opcode: 'pong', payload });
  }

  /** Sends a Close frame and nothing else: no FIN. */
  sendClose(code?: number, reason?: string): Promise<void> {
    return this.sendFrame({ opcode: 'close', payload: closePayload(code, reason) });
  }

  nextFrame(options: WaitOptions = {}): Promise<Frame> {
    return this.frames.next(options);
  }

  /** The next whole data message; control frames on the way are passed over (they stay in `frames`). */
  async nextMessage(options: WaitOptions = {}): Promise<RawMessage> {
    const parts: Frame[] = [];
    for (;;) {
      const frame = await this.frames.next({ what: 'the next message', ...options });
      if (frame.opcode >= 8) continue;
      parts.push(frame);
      if (!frame.fin) continue;
      const data = Buffer.concat(parts.map((part) => part.payload));
      const type = parts[0]!.opcode === opcodes.text ? 'text' : 'binary';
      return { type, data, text: data.toString(), frames: parts.length };
    }
  }

  /** The Close frame of the other end. */
  async nextClose(options: WaitOptions = {}): Promise<CloseInfo> {
    const isClose = (frame: Frame) => frame.opcode === opcodes.close;
    const frame = await this.frames.waitFor(isClose, { what: 'a Close frame', ...options });
    return parseClose(frame.payload);
  }

  /** `closed`, with a time-out. */
  waitClosed(timeoutMs = 5_000): Promise<RawClose> {
    return withTimeout(
      this.closed,
      timeoutMs,
      () => `${this.#name} to be closed (${this.frames.all.length} frames came)`,
    );
  }

  /** RST: what is under way is lost. */
  reset(): void {
    resetSocket(this.socket);
  }

  /** FIN: we send no more, but still read. */
  fin(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Stop reading: the kernel's buffers (some MiB on loopback) fill, then the other end is blocked. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Called once with the head; answers what the bytes after it are. */
  protected onHead(_head: RawHead): 'frames' | 'body' {
    return 'frames';
  }

  #read(chunk: Buffer): void {
    this.#bytesReceived += chunk.length;
    if (this.#phase === 'frames') {
      this.#readFrames(chunk);
      return;
    }
    this.#received = Buffer.concat([this.#received, chunk]);
    if (this.#phase === 'body') return;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = parseHead(this.#received.toString('latin1', 0, end + 4));
    const rest = this.#received.subarray(end + 4);
    this.#received = Buffer.alloc(0);
    this.#phase = this.onHead(head);
    this.headReceived.resolve(head);
    if (rest.length === 0) return;
    if (this.#phase === 'frames') this.#readFrames(rest);
    else this.#received = Buffer.from(rest);
  }

  #readFrames(chunk: Buffer): void {
    for (const frame of this.#decoder.push(chunk)) {
      if (frame.opcode === opcodes.ping && this.#options.autoPong) void this.pong(frame.payload);
      if (frame.opcode === opcodes.close) {
        this.#close ??= parseClose(frame.payload);
        if (this.#options.autoClose) void this.sendFrame({ opcode: 'close', payload: frame.payload });
      }
      this.frames.push(frame);
    }
  }
}
