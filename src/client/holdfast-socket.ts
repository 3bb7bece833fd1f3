import { Backoff } from './backoff.ts';
import { bufferFull } from './close-codes.ts';
import { type Control, subprotocol } from './control.ts';
import { createSocket } from './create-socket.ts';
import { utf8Length } from './data.ts';
import { Heartbeat, jsonPong } from './heartbeat.ts';
import { Link, type LinkOwner, type Welcome } from './link.ts';
import { defaultBufferBytes, type ResolvedOptions, resolveOptions } from './options.ts';
import { isOffline, type PageEvent, watchPage } from './page.ts';
import { closed, closing, connecting, open, type ReadyState, SocketFace } from './socket-face.ts';
import { Traffic } from './traffic.ts';
import type {
  HeartbeatSettings,
  HoldfastSocketOptions,
  SocketCloseEvent,
  SocketData,
  SocketState,
  StateName,
  UrlSource,
  WebSocketLike,
} from './types.ts';

/**
 * A WebSocket that outlives its connections. Takes the place of `WebSocket`; differences: `send` answers whether the message was taken and
 * takes messages while there is no connection; `readyState` stays OPEN while the session lives; `close` comes at the very end only.
 */
export class HoldfastSocket extends SocketFace {
  readonly #source: UrlSource;
  readonly #protocols: readonly string[];
  readonly #options: ResolvedOptions;
  readonly #backoff;
  readonly #traffic;
  readonly #heartbeat;
  readonly #owner: LinkOwner;
  /** Given up, but not to be closed before the session has moved on. */
  #abandoned: WebSocketLike[] = [];
  #link: Link | null = null;
  /** A session has begun since the start or the last end. */
  #begun = false;
  #readyState: ReadyState = connecting;
  #state!: SocketState;
  #url = '';
  #protocol = '';
  #binaryType = 'blob';
  #triedAt = 0;
  /** The gateway leaves: the next attempt is at this time, not before. */
  #comeBackAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unwatch: () => void = () => {};
  readonly #abort = (): void => this.close(1000);

  /** Throws what `WebSocket` throws for a wrong url or subprotocol. */
  constructor(url: UrlSource, protocols: string | readonly string[] = [], options: HoldfastSocketOptions = {}) {
    super();
    this.#source = url;
    this.#options = resolveOptions(options);
    const { resume, maxBufferBytes = defaultBufferBytes, overflow, signal } = this.#options;
    this.#protocols = [protocols, resume ? subprotocol : []].flat();
    this.#traffic = new Traffic(maxBufferBytes, overflow, () => this.#readyState > open || this.#emit('drain'));
    this.#backoff = new Backoff(this.#options);
    this.#setState('connecting', '', 0, null, 0);
    this.#heartbeat = new Heartbeat((rttMs) => this.#emit('heartbeat', { rttMs }));
    this.#owner = {
      createSocket: (found) => this.#createSocket(found),
      resumption: () => this.#traffic.session.resumption(),
      linkReady: (welcome) => this.#linkReady(welcome),
      linkHeard: () => this.#heartbeat.heard(),
      linkControl: (message) => this.#control(message),
      linkMessage: (...what) => this.#message(...what),
      linkLost: (...what) => this.#lost(...what),
    };
    if (signal?.aborted) this.close();
    else this.reconnect();
  }

  /** Of the present or last attempt; '' before an async function has answered. */
  get url(): string {
    return this.#url;
  }

  get readyState(): ReadyState {
    return this.#readyState;
  }

  /** The application's subprotocol. */
  get protocol(): string {
    return this.#protocol;
  }

  /** Bytes taken and not yet acknowledged (not yet sent, if the server is no gateway). */
  get bufferedAmount(): number {
    return this.#traffic.bufferedBytes;
  }

  /** Messages given up under `overflow: 'drop-oldest'`, since the start. */
  get droppedMessages(): number {
    return this.#traffic.droppedMessages;
  }

  get state(): SocketState {
    return this.#state;
  }

  /** The id of the session at the gateway, for logs; '' = none. */
  get pipe(): string {
    return this.#traffic.session.pipe;
  }

  get binaryType(): 'blob' | 'arraybuffer' {
    return this.#binaryType as 'blob' | 'arraybuffer';
  }

  set binaryType(type: 'blob' | 'arraybuffer') {
    this.#binaryType = type;
    if (this.#link) this.#link.binaryType = type;
  }

  /** Was the message taken? Taken in every state but closing, closed and failed, as long as there is room. */
  send(data: SocketData): boolean {
    if (this.#readyState > open) return false;
    if (this.#traffic.take(data)) return true;
    if (this.#options.overflow === 'close') this.close(bufferFull, 'buffer full');
    return false;
  }

  /**
   * Ends the session. What was not sent yet is given up: wait until `bufferedAmount` is 0 if that matters. Throws what `WebSocket` throws: for
   * a code that is neither 1000 nor 3000 to 4999, and for a reason of more than 123 bytes in UTF-8.
   */
  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`Code 1000 or 3000 to 4999, not ${code}.`, 'InvalidAccessError');
    }
    if (utf8Length(reason) > 123) throw new DOMException('Reason over 123 bytes.', 'SyntaxError');
    if (this.#readyState > open) return;
    this.#readyState = closing;
    if (this.#link?.ready) this.#link.close(code, reason);
    else queueMicrotask(() => this.#readyState === closing && this.#end('closed', 1006, reason ?? ''));
  }

  /** Tries now, and counts attempts anew; also after `failed` and `closed`. Does nothing where there is a connection, or an attempt under way. */
  reconnect(): void {
    if (this.#link || this.#readyState === closing || this.#options.signal?.aborted) return;
    if (this.#readyState === closed) this.#readyState = this.#begun ? open : connecting;
    this.#unwatch();
    const unwatch = watchPage((event) => this.#pageChanged(event));
    const { signal } = this.#options;
    signal?.addEventListener('abort', this.#abort);
    this.#unwatch = () => {
      unwatch();
      signal?.removeEventListener('abort', this.#abort);
    };
    this.#backoff.reset();
    this.#backoff.next(false);
    this.#state = { ...this.#state, attempt: 1 };
    this.#try(this.#triedAt ? 'asked' : '');
  }

  #createSocket(url: string): WebSocketLike {
    this.#url = url.replace(/^http/, 'ws');
    const socket = createSocket(this.#url, this.#protocols, this.#options.WebSocket);
    socket.binaryType = this.#binaryType;
    return socket;
  }

  #try(reason: string): void {
    this.#drop();
    this.#comeBackAt = 0;
    const first = !this.#triedAt;
    this.#triedAt = Date.now();
    const link = new Link(this.#owner, this.#options);
    this.#link = link;
    this.#setState(this.#begun ? 'reconnecting' : 'connecting', reason);
    try {
      link.open(this.#source);
    } catch (error) {
      if (first) {
        this.#drop();
        this.#unwatch();
        throw error;
      }
      link.fail('url');
    }
  }

  /** Lets go of the link, and of all that was planned. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#heartbeat.stop();
    this.#traffic.detach();
    const socket = this.#link?.abandon();
    if (socket) this.#abandoned.push(socket);
    this.#link = null;
  }

  #linkReady(welcome: Welcome | null): void {
    const link = this.#link!;
    const { session } = this.#traffic;
    const again = this.#begun;
    this.#begun = true;
    this.#readyState = open;
    this.#bury();
    this.#backoff.opened(Date.now());
    this.#protocol = welcome ? welcome.protocol : link.protocol === subprotocol ? '' : link.protocol;
    session.name(welcome);
    if (welcome) this.#traffic.maxBytes = this.#options.maxBufferBytes ?? welcome.maxBufferBytes;
    const settings = welcome ? welcome.heartbeat : this.#options.heartbeat;
    if (settings && (welcome || settings.intervalMs)) this.#heartbeat.start(link, settings);
    const resentMessages = welcome?.resumed ? session.resume(+welcome.received || 0) : null;
    this.#setState('open', '', 0);
    if (resentMessages !== null) this.#emit('resumed', { resentMessages });
    else if (again && !this.#emit('reset', { reason: welcome?.reason ?? '', ...session.restart() })) session.clear();
    if (this.#link !== link || this.#readyState !== open) return;
    this.#traffic.attach(link);
    if (resentMessages === null) this.#emit('open');
    this.#traffic.flush();
  }

  #lost(why: string, code: number, reason: string, wasClean: boolean): void {
    // A gateway that was taken for none has taken nothing.
    if (why !== 'timeout') this.#traffic.forgetPlain();
    this.#drop();
    const now = Date.now();
    const goesAway = this.#comeBackAt > 0;
    let over = true;
    try {
      over = this.#readyState === closing || (why === 'lost' && !goesAway && !this.#options.retry(code, reason));
    } finally {
      // Also where `retry` throws.
      if (over) this.#end('closed', code, reason, wasClean);
    }
    if (over) return;
    this.#backoff.lost(now);
    const free = goesAway || isOffline();
    const waitMs = this.#backoff.next(free);
    if (waitMs === null) {
      this.#end('failed', code, why);
      return;
    }
    const tryAt = this.#comeBackAt || now + waitMs;
    this.#plan(tryAt, goesAway ? 'goaway' : free ? 'offline' : why, free ? 0 : this.#backoff.attempt, code);
  }

  #pageChanged(event: PageEvent): void {
    const { nextTryAt, attempt, reason } = this.#state;
    // Without a session a connection is not given up early: it may outlast the time without a network.
    if (event === 'offline' && this.#link?.plain !== false) return;
    if (this.#link?.ready) this.#heartbeat.wake(event === 'online');
    else if (nextTryAt && !this.#comeBackAt) {
      const soonest = this.#triedAt + this.#options.minBackoffMs;
      const waitMs = soonest - Date.now();
      if (waitMs > 0 && soonest >= nextTryAt) return;
      if (attempt) this.#backoff.refund();
      if (waitMs > 0) this.#plan(soonest, reason, attempt);
      else this.#try(reason);
    }
  }

  #plan(tryAt: number, reason: string, attempt: number, code?: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#try(reason), tryAt - Date.now());
    this.#setState(this.#begun ? 'reconnecting' : 'connecting', reason, attempt, tryAt, code);
  }

  #control(message: Control): void {
    const { type, id } = message;
    const link = this.#link!;
    // Deeper than it was parsed it may not be written again.
    if (type === 'ping' && Object(id) !== id) link.sendControl({ type: 'pong', id });
    else if (type === 'pong') this.#heartbeat.pong(id);
    else if (type === 'ack') this.#traffic.acknowledged(+(message['received'] as number) || 0);
    else if (type === 'interrupted') this.#setState('interrupted', message['reason'] as string, 0);
    else if (type === 'restored') {
      this.#setState('open', '', 0);
      this.#emit('restored', { gapMs: message['gapMs'], replayed: message['replayed'] });
    } else if (type === 'config' && message['heartbeat'])
      this.#heartbeat.start(link, message['heartbeat'] as HeartbeatSettings);
    else if (type === 'goaway') {
      const waitMs = Math.max(200, (message['reconnectAfterMs'] as number) % 1e9 || 0);
      this.#comeBackAt = Date.now() + waitMs;
      this.#backoff.reset();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#lost('goaway', 1012, '', false), waitMs);
    }
  }

  #message(data: unknown, origin: string): void {
    if (this.#readyState > open) return;
    this.#traffic.forgetPlain();
    if (this.#link!.plain && jsonPong.test(data as string) && this.#heartbeat.pong()) return;
    this.#traffic.arrived(data, () => this.dispatchEvent(new MessageEvent('message', { data, origin })));
  }

  #bury(): void {
    for (const socket of this.#abandoned.splice(0)) socket.close();
  }

  #end(state: 'failed' | 'closed', code: number, reason: string, wasClean = false): void {
    this.#drop();
    this.#unwatch();
    const own = this.#readyState === closing;
    this.#readyState = closed;
    if (state === 'closed') {
      this.#bury();
      this.#traffic.session.end();
      this.#begun = false;
    }
    this.#setState(state, reason, this.#state.attempt, null, code, own);
    if (state === 'failed') this.#emit('error');
    const event: Partial<SocketCloseEvent> = { code, reason, wasClean };
    this.dispatchEvent(Object.assign(new Event('close'), event));
  }

  #setState(
    state: StateName,
    reason: string,
    attempt: number = this.#state.attempt,
    nextTryAt: number | null = null,
    code: number = this.#state.code,
    own = false,
  ): void {
    this.#state = { state, attempt, maxAttempts: this.#options.maxAttempts, nextTryAt, reason, code, own };
    this.#emit('state', this.#state);
  }

  /** false = somebody prevented the default. */
  #emit(type: string, detail?: object): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: type === 'reset' }));
  }
}
