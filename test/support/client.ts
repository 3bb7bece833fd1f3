import type { IncomingHttpHeaders } from 'node:http';
import WebSocket, { type ClientOptions as WsOptions } from 'ws';
import type { CloseInfo } from './frame-codec.ts';
import { Mailbox } from './mailbox.ts';
import { type Numbered, numberedText, readNumbered } from './numbered.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { defaultTimeoutMs, WaitError, type WaitOptions, withTimeout } from './wait.ts';

export interface ClientOptions extends WsOptions {
  readonly protocols?: readonly string[] | undefined;
  /** For the handshake. Default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** False = do not collect messages (long runs); `onMessage` still sees them. Default true. */
  readonly collect?: boolean | undefined;
  readonly onMessage?: ((message: ClientMessage) => void) | undefined;
}

export interface ClientMessage {
  readonly type: 'text' | 'binary';
  readonly data: Buffer;
  readonly text: string;
  /** `performance.now()` at arrival. */
  readonly at: number;
}

export interface NumberedOptions {
  /** Default: until `stop()`. */
  readonly count?: number | undefined;
  /** Default 0: all at once (then `count` is needed). */
  readonly intervalMs?: number | undefined;
  /** One size, or several in turn. Default: as short as can be. */
  readonly bytes?: number | readonly number[] | undefined;
  readonly prefix?: string | undefined;
  /** Default 'text'; 'alternate' = every second one binary. */
  readonly type?: 'text' | 'binary' | 'alternate' | undefined;
  /** Send each message in so many frames. Default 1. */
  readonly fragments?: number | undefined;
}

export interface NumberedRun {
  /** How many were sent so far: their numbers are 1 to `sent`. */
  readonly sent: number;
  /** Resolves with that when the last one was sent, `stop()` was called or the link is no longer open. */
  readonly done: Promise<number>;
  stop(): void;
}

/** What a server answered in place of 101. */
export interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly refusal: Refusal;

  constructor(url: string, refusal: Refusal) {
    super(`${url} answered ${refusal.status} ${refusal.body}`);
    this.refusal = refusal;
  }
}

export class Client {
  readonly ws: WebSocket;
  readonly received = new Mailbox<ClientMessage>('messages of the client');
  /** 1005 = a Close without a code, 1006 = no Close. */
  readonly closed: Promise<CloseInfo>;
  /** Payloads of pings and pongs that came. */
  readonly pings: string[] = [];
  readonly pongs: string[] = [];
  /** Headers of the 101. */
  headers: IncomingHttpHeaders = {};
  #closeInfo: CloseInfo | undefined;
  #lastError: Error | undefined;

  constructor(ws: WebSocket, options: ClientOptions) {
    this.ws = ws;
    ws.on('upgrade', (response) => {
      this.headers = response.headers;
    });
    ws.on('message', (data, isBinary) => {
      const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
      const message: ClientMessage = {
        type: isBinary ? 'binary' : 'text',
        data: bytes,
        get text() {
          return bytes.toString();
        },
        at: performance.now(),
      };
      if (options.collect !== false) this.received.push(message);
      options.onMessage?.(message);
    });
    ws.on('ping', (data) => this.pings.push(data.toString()));
    ws.on('pong', (data) => this.pongs.push(data.toString()));
    ws.on('error', (error) => {
      this.#lastError = error;
    });
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#closeInfo = { code, reason: reason.toString() };
        const cause = this.#lastError ? `, ${this.#lastError.message}` : '';
        this.received.end(`closed (${code} ${this.#closeInfo.reason}${cause})`);
        resolve(this.#closeInfo);
      });
    });
  }

  /** All messages that came. */
  get messages(): readonly ClientMessage[] {
    return this.received.all;
  }

  get texts(): readonly string[] {
    return this.messages.filter(({ type }) => type === 'text').map(({ text }) => text);
  }

  /** The numbered ones among them, in order. */
  get numbered(): readonly Numbered[] {
    return this.messages.flatMap(({ data }) => readNumbered(data) ?? []);
  }

  /** Undefined while it is not closed. */
  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo;
  }

  get protocol(): string {
    return this.ws.protocol;
  }

  send(data: string | Uint8Array): void {
    this.ws.send(data);
  }

  next(options: WaitOptions = {}): Promise<ClientMessage> {
    return this.received.next(options);
  }

  /** The first message, also of those already there, that is this text or fulfils the predicate. */
  waitFor(wanted: string | ((message: ClientMessage) => boolean), options: WaitOptions = {}): Promise<ClientMessage> {
    if (typeof wanted === 'function') return this.received.waitFor(wanted, options);
    const isWanted = (message: ClientMessage) => message.type === 'text' && message.text === wanted;
    return this.received.waitFor(isWanted, { what: `'${wanted.slice(0, 100)}'`, ...options });
  }

  /** Sends a text and answers the next message. */
  ask(text: string, options: WaitOptions = {}): Promise<ClientMessage> {
    this.send(text);
    return this.next({ what: `an answer to '${text.slice(0, 100)}'`, ...options });
  }

  sendNumbered(options: NumberedOptions): NumberedRun {
    const { count = Number.POSITIVE_INFINITY, intervalMs = 0, bytes = 0, prefix = 'msg', type = 'text' } = options;
    if (intervalMs === 0 && count === Number.POSITIVE_INFINITY) throw new Error('Give count or intervalMs');
    let sent = 0;
    let finish: (sent: number) => void = () => {};
    const done = new Promise<number>((resolve) => {
      finish = resolve;
    });
    const sendOne = () => {
      sent += 1;
      const size = typeof bytes === 'number' ? bytes : (bytes[(sent - 1) % bytes.length] ?? 0);
      const binary = type === 'binary' || (type === 'alternate' && sent % 2 === 0);
      this.#sendInFrames(numberedText(sent, size, prefix), binary, options.fragments ?? 1);
    };
    const isOver = () => sent >= count || this.ws.readyState !== WebSocket.OPEN;
    if (intervalMs === 0) while (!isOver()) sendOne();
    const stop = () => {
      clearInterval(timer);
      finish(sent);
    };
    const timer = setInterval(() => {
      if (!isOver()) sendOne();
      if (isOver()) stop();
    }, intervalMs);
    this.ws.once('close', stop);
    if (isOver()) stop();
    return {
      get sent() {
        return sent;
      },
      done,
      stop,
    };
  }

  close(code?: number, reason?: string): void {
    this.ws.close(code, reason);
  }

  /** Drops the TCP connection without a closing handshake. */
  terminate(): void {
    this.ws.terminate();
  }

  /** `closed`, with a time-out. */
  waitClosed(timeoutMs = defaultTimeoutMs): Promise<CloseInfo> {
    const what = () => `the client to be closed (${this.received.all.length} messages came)`;
    return withTimeout(this.closed, timeoutMs, what);
  }

  #sendInFrames(text: string, binary: boolean, fragments: number): void {
    const size = Math.max(1, Math.ceil(text.length / fragments));
    for (let from = 0; from < text.length; from += size) {
      const part = text.slice(from, from + size);
      this.ws.send(binary ? Buffer.from(part) : part, { binary, fin: from + size >= text.length });
    }
  }
}

/** Connects with `ws` (no compression); rejects with RefusedError when the answer is not 101. */
export async function connect(t: OptionalOwner, url: string, options: ClientOptions = {}): Promise<Client> {
  const { protocols = [], timeoutMs = defaultTimeoutMs, collect: _collect, onMessage: _onMessage, ...rest } = options;
  const ws = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...rest });
  const client = new Client(ws, options);
  endWith(t, () => ws.terminate());
  const opened = new Promise<void>((resolve, reject) => {
    ws.on('open', resolve);
    ws.on('error', reject);
    ws.on('unexpected-response', (_request, response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('close', () => {
        const body = Buffer.concat(parts).toString();
        reject(new RefusedError(url, { status: response.statusCode ?? 0, headers: response.headers, body }));
        ws.terminate();
      });
    });
  });
  try {
    await withTimeout(opened, timeoutMs, `the handshake with ${url}`);
  } catch (error) {
    ws.terminate();
    throw error;
  }
  return client;
}

/** Expects to be refused, and answers how. */
export async function connectRefused(t: OptionalOwner, url: string, options: ClientOptions = {}): Promise<Refusal> {
  try {
    const client = await connect(t, url, options);
    client.terminate();
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal;
    throw error;
  }
  throw new WaitError(`${url} should have refused the upgrade, but accepted it`);
}
