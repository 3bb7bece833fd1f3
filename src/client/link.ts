import { startWrong } from './close-codes.ts';
import { type Control, decodeText, encodeControl, escapeText, subprotocol } from './control.ts';
import { startDeadline } from './deadline.ts';
import type { Kept } from './session.ts';
import type { HeartbeatSettings, UrlSource, WebSocketLike } from './types.ts';

export interface Welcome {
  readonly pipe: string;
  readonly token: string;
  readonly resumed: boolean;
  readonly received: number;
  readonly protocol: string;
  readonly heartbeat: HeartbeatSettings;
  readonly maxBufferBytes: number;
  readonly reason?: string;
}

export interface LinkOwner {
  /** May throw: a failed attempt. */
  createSocket(url: string): WebSocketLike;
  /** What `start` says; null = a new session. */
  resumption(): object | null;
  /** From now on messages pass. null: the server is no gateway. */
  linkReady(welcome: Welcome | null): void;
  linkHeard(): void;
  linkControl(message: Control): void;
  linkMessage(data: unknown, origin: string): void;
  /** Called once, and nothing afterwards. */
  linkLost(why: string, code: number, reason: string, wasClean: boolean): void;
}

export interface LinkSettings {
  readonly connectTimeoutMs: number;
  readonly helloTimeoutMs: number;
}

/** `guess`: no `hello` came, so that it is taken for plain until it has said what it is. */
type Phase = 'opening' | 'hello' | 'welcome' | 'session' | 'guess' | 'plain' | 'over';

/** One attempt, and one connection if it succeeds. */
export class Link {
  readonly #owner: LinkOwner;
  readonly #settings: LinkSettings;
  #phase: Phase = 'opening';
  #socket: WebSocketLike | null = null;
  #endDeadline: () => void = () => {};

  constructor(owner: LinkOwner, settings: LinkSettings) {
    this.#owner = owner;
    this.#settings = settings;
  }

  /** Throws what the WebSocket's constructor throws, if the url is no function. */
  open(url: UrlSource): void {
    this.#expect(() => this.fail('timeout'));
    if (typeof url !== 'function') this.#dial(url);
    else
      Promise.resolve()
        .then(url)
        .then((found) => this.#phase === 'opening' && this.#dial(found))
        .catch(() => this.fail('url'));
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === 1;
  }

  /** Open, and taken for what it is. */
  get ready(): boolean {
    return this.plain || this.#phase === 'session';
  }

  get plain(): boolean {
    return this.#phase === 'plain' || this.guessed;
  }

  /** Plain, as far as is known: it may be a slow gateway, which takes nothing of what it is sent. */
  get guessed(): boolean {
    return this.#phase === 'guess';
  }

  /** The subprotocol that the server chose. */
  get protocol(): string {
    return this.#socket?.protocol ?? '';
  }

  get pendingBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  set binaryType(type: string) {
    if (this.#socket) this.#socket.binaryType = type;
  }

  send(data: Kept): void {
    this.#socket!.send(typeof data === 'string' && !this.plain ? escapeText(data) : data);
  }

  sendControl(message: Control): void {
    this.#socket!.send(encodeControl(message));
  }

  /** The heartbeat messages of `holdfast.v1`, or JSON that any server can be taught. */
  sendPing(id: number): void {
    if (this.plain) this.#socket!.send('{"type":"ping"}');
    else this.sendControl({ type: 'ping', id });
  }

  close(code?: number, reason?: string): void {
    this.#socket?.close(code, reason);
  }

  /**
   * Nothing more comes from this link. A Close from a page would end the session at the gateway, and a page cannot break a connection
   * without one: so where a session may hang on it that can be resumed, the socket is given back, to be closed when that has moved on.
   */
  abandon(): WebSocketLike | null {
    const session = this.#phase === 'session' || (this.#phase === 'welcome' && this.#owner.resumption());
    this.#phase = 'over';
    this.#endDeadline();
    if (session) return this.#socket;
    this.close();
    return null;
  }

  /** The connection is of no use any more. */
  fail(why: string): void {
    this.#over(why, 1006, '', false);
  }

  #over(why: string, code: number, reason: string, wasClean: boolean): void {
    if (this.#phase === 'over') return;
    this.#endDeadline();
    this.#owner.linkLost(why, code, reason, wasClean);
  }

  #expect(expired: () => void, ms: number = this.#settings.connectTimeoutMs): void {
    this.#endDeadline();
    this.#endDeadline = startDeadline(ms, expired);
  }

  #dial(url: string | URL): void {
    const socket = this.#owner.createSocket(String(url));
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event: { data: unknown; origin?: string }) => this.#message(event.data, event.origin ?? '');
    // `close` follows, and says more.
    socket.onerror = () => {};
    socket.onclose = ({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) => {
      // Taken for no gateway, and it is one; or the page was frozen, and its start came too late.
      const late = (this.guessed || this.#phase === 'welcome') && code === startWrong;
      this.#over(late ? 'timeout' : 'lost', code, reason, wasClean);
    };
  }

  #opened(): void {
    if (this.#phase !== 'opening') return;
    this.#phase = 'hello';
    if (this.protocol !== subprotocol) this.#ready(null);
    // A server that resumed us once is a gateway: it is only slow.
    else
      this.#expect(
        () => (this.#owner.resumption() ? this.fail('timeout') : this.#ready(null, 'guess')),
        this.#settings.helloTimeoutMs,
      );
  }

  #ready(welcome: Welcome | null, phase: Phase = 'plain'): void {
    this.#endDeadline();
    this.#phase = phase;
    this.#owner.linkReady(welcome);
  }

  #message(data: unknown, origin: string): void {
    if (this.#phase === 'over') return;
    this.#owner.linkHeard();
    const message = typeof data === 'string' && this.protocol === subprotocol ? decodeText(data) : data;
    const isControl = typeof data === 'string' && typeof message === 'object';
    const control = isControl ? (message as Control | null) : null;
    if (control?.type === 'hello') {
      this.#hello();
      return;
    }
    // A server that speaks first, and is no gateway.
    if (this.#phase === 'hello' && !isControl) this.#ready(null);
    if (this.guessed) this.#phase = 'plain';
    if (this.plain) this.#owner.linkMessage(data, origin);
    else if (this.#phase === 'session') {
      if (control) this.#owner.linkControl(control);
      else if (!isControl) this.#owner.linkMessage(message, origin);
    } else if (this.#phase === 'welcome' && control?.type === 'welcome')
      this.#ready(control as unknown as Welcome, 'session');
  }

  #hello(): void {
    // Taken for no gateway, and it is one: it was slow. Begin again.
    if (this.#phase !== 'hello') {
      this.fail('timeout');
      return;
    }
    this.#phase = 'welcome';
    this.#expect(() => this.fail('timeout'));
    this.sendControl({ type: 'start', resume: this.#owner.resumption() });
  }
}
