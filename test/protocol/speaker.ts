/**
 * A client of holdfast.v1 that does only what a rule says, written from docs/PROTOCOL.md on the tests' own frame codec: nothing of it
 * comes from src.
 */
import { opcodes } from '../support/frame-codec.ts';
import { Mailbox } from '../support/mailbox.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';

export const mark = '\u001e';
export const protocolName = 'holdfast.v1';
export const maxRecordBytes = 8192;

export interface Control {
  readonly type: string;
  readonly [key: string]: unknown;
}

export interface Welcome extends Control {
  readonly pipe: string;
  readonly token: string;
  readonly resumed: boolean;
  readonly received: number;
  readonly protocol: string;
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly resumeWindowMs: number;
  readonly maxBufferBytes: number;
}

export type Item =
  | { readonly kind: 'control'; readonly message: Control }
  /** `text` as the application would get it, `wire` as it came. */
  | { readonly kind: 'text'; readonly text: string; readonly wire: string }
  | { readonly kind: 'binary'; readonly data: Buffer };

export interface OpenOptions {
  /** Default holdfast.v1 alone. */
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Resumption {
  readonly pipe: string;
  readonly token: string;
  readonly received: number;
  readonly attempt?: number;
}

/** What ends the sockets of a rule. */
export interface Owner {
  after(fn: () => void): void;
}

export class Speaker {
  readonly raw: RawClient;
  /** The subprotocol the server chose, '' = none. */
  readonly protocol: string;
  /** What came, in order. */
  readonly items = new Mailbox<Item>('messages from the gateway');
  /** What no gateway may send. */
  readonly faults: string[] = [];
  readonly #speaksProtocol: boolean;
  #welcomed = false;
  #greeted = false;

  static async open(t: Owner, url: string, options: OpenOptions = {}): Promise<Speaker> {
    const { hostname, port, protocol, pathname, search } = new URL(url);
    const secure = protocol === 'wss:';
    const { answer, ...rest } = await connectRaw(t, {
      host: hostname,
      port: Number(port || (secure ? 443 : 80)),
      path: `${pathname}${search}`,
      protocols: options.protocols ?? [protocolName],
      headers: options.headers,
      autoPong: true,
      ...(secure ? { tls: { rejectUnauthorized: false } } : {}),
    }).then((client) => ({ client, answer: client.answer }));
    return new Speaker(rest.client, answer.headers['sec-websocket-protocol'] ?? '');
  }

  /** Connects and waits for hello. */
  static async greeted(t: Owner, url: string, options: OpenOptions = {}): Promise<Speaker> {
    const speaker = await Speaker.open(t, url, options);
    await speaker.control('hello');
    return speaker;
  }

  /** Connects, begins or resumes, and waits for welcome. */
  static async begun(
    t: Owner,
    url: string,
    resume: Resumption | null = null,
    options: OpenOptions = {},
  ): Promise<Speaker & { readonly welcome: Welcome }> {
    const speaker = await Speaker.greeted(t, url, options);
    speaker.sendControl({ type: 'start', resume });
    const welcome = (await speaker.control('welcome')) as Welcome;
    return Object.assign(speaker, { welcome });
  }

  private constructor(raw: RawClient, protocol: string) {
    this.raw = raw;
    this.protocol = protocol;
    this.#speaksProtocol = protocol === protocolName;
    void this.#listen();
  }

  get controls(): readonly Control[] {
    return this.items.all.flatMap((item) => (item.kind === 'control' ? [item.message] : []));
  }

  /** Application texts, unescaped. */
  get texts(): readonly string[] {
    return this.items.all.flatMap((item) => (item.kind === 'text' ? [item.text] : []));
  }

  /** Application messages that came. */
  get received(): number {
    return this.items.all.filter((item) => item.kind !== 'control').length;
  }

  /** Text as it is, not escaped: what stands on the wire. */
  sendWire(text: string): void {
    void this.raw.sendText(text);
  }

  /** A message of the application. */
  send(text: string): void {
    this.sendWire(text.startsWith(mark) ? mark + text : text);
  }

  sendControl(message: Control): void {
    this.sendWire(mark + JSON.stringify(message));
  }

  async control(type: string, fits: (message: Control) => boolean = () => true, timeoutMs = 5000): Promise<Control> {
    const wanted = (item: Item) => item.kind === 'control' && item.message.type === type && fits(item.message);
    const item = await this.items.waitFor(wanted, { timeoutMs, what: `a fitting ${type}` });
    return (item as { message: Control }).message;
  }

  async text(text: string, timeoutMs = 5000): Promise<void> {
    const wanted = (item: Item) => item.kind === 'text' && item.text === text;
    await this.items.waitFor(wanted, { timeoutMs, what: `the text ${JSON.stringify(text.slice(0, 60))}` });
  }

  /** Until so many application messages came. */
  async count(count: number, timeoutMs = 5000): Promise<void> {
    await this.items.waitFor(() => this.received >= count, { timeoutMs, what: `${count} messages` });
  }

  /** A ping and its pong: all that was sent before has been read by the gateway, all it sent before has come. */
  async roundTrip(): Promise<void> {
    const id = `trip ${Math.random()}`;
    this.sendControl({ type: 'ping', id });
    await this.control('pong', (pong) => pong['id'] === id);
  }

  /** The code of the gateway's Close. */
  async closeCode(timeoutMs = 5000): Promise<number> {
    const { code } = await this.raw.waitClosed(timeoutMs);
    return code;
  }

  /** Breaks the connection without a Close, as a lost network does. */
  async cut(): Promise<void> {
    this.raw.reset();
    await this.raw.waitClosed();
  }

  async #listen(): Promise<void> {
    let parts: { opcode: number; payload: Buffer }[] = [];
    for (;;) {
      const frame = await this.raw.frames.next({ timeoutMs: 2 ** 31 - 1 }).catch(() => null);
      if (frame === null) {
        this.items.end('the connection is gone');
        return;
      }
      if (frame.opcode === opcodes.close) {
        // Both ends have said goodbye: a Close is answered by a Close.
        if (!this.raw.isClosed) void this.raw.sendFrame({ opcode: 'close', payload: frame.payload });
        continue;
      }
      if (frame.opcode >= 8) continue;
      parts.push({ opcode: frame.opcode, payload: frame.payload });
      if (!frame.fin) continue;
      this.#message(parts[0]!.opcode, Buffer.concat(parts.map(({ payload }) => payload)), parts.length);
      parts = [];
    }
  }

  #message(opcode: number, payload: Buffer, frames: number): void {
    const wire = payload.toString();
    if (opcode === opcodes.binary) {
      this.#application({ kind: 'binary', data: payload });
    } else if (!this.#speaksProtocol || !wire.startsWith(mark)) {
      this.#application({ kind: 'text', text: wire, wire });
    } else if (wire.startsWith(mark + mark)) {
      this.#application({ kind: 'text', text: wire.slice(1), wire });
    } else {
      this.#control(payload, frames);
    }
  }

  #application(item: Item): void {
    if (this.#speaksProtocol && !this.#welcomed) this.faults.push('a message of the application before welcome');
    this.items.push(item);
  }

  #control(payload: Buffer, frames: number): void {
    if (frames > 1) this.faults.push('a control message in several frames');
    if (payload.length > maxRecordBytes) this.faults.push(`a control message of ${payload.length} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8', 1));
    } catch {
      value = null;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.faults.push('a control message that is no JSON object');
      return;
    }
    const message = value as Control;
    if (typeof message.type !== 'string') this.faults.push('a control message without a type');
    if (!this.#greeted && message.type !== 'hello') this.faults.push(`${message.type} before hello`);
    if (this.#greeted && message.type === 'hello') this.faults.push('a second hello');
    if (!this.#welcomed && message.type !== 'hello' && message.type !== 'welcome') {
      this.faults.push(`${message.type} before welcome`);
    }
    if (this.#welcomed && message.type === 'welcome') this.faults.push('a second welcome');
    this.#greeted ||= message.type === 'hello';
    this.#welcomed ||= message.type === 'welcome';
    this.items.push({ kind: 'control', message });
  }
}
