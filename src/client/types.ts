/** The words of the library's interface. Types only: nothing of this file is left in the built module. */

/** A `Blob` is kept as it is (it cannot change); buffers are copied when they are taken, as `WebSocket.send` does. */
export type SocketData = string | ArrayBuffer | ArrayBufferView | Blob;

/** A function is asked before each attempt (a fresh token, say); one that throws or rejects is a failed attempt. */
export type UrlSource = string | URL | (() => string | URL | Promise<string | URL>);

/** What the library needs of a WebSocket: that of browsers, of React Native, and of the package `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | ArrayBuffer | Blob): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface HeartbeatSettings {
  /** 0 = no heartbeat. */
  readonly intervalMs: number;
  /** Default 3 x `intervalMs`. */
  readonly timeoutMs?: number;
}

/** What happens to a message for which there is no room: see `HoldfastSocketOptions.overflow`. */
export type OverflowPolicy = 'refuse' | 'drop-oldest' | 'close';

export interface HoldfastSocketOptions {
  /** Default: the global one. For Node 20: that of the package `ws`. */
  readonly WebSocket?: WebSocketConstructor;
  /** When it aborts, the socket is closed with 1000. */
  readonly signal?: AbortSignal;
  /**
   * Default true: `holdfast.v1` is offered. Browsers end a connection whose server chooses none of the offered subprotocols, so
   * set this to false for a server that is no gateway and knows no subprotocols.
   */
  readonly resume?: boolean;
  /**
   * Unacknowledged messages kept, in bytes, with 14 for the frame of each. Default: what the gateway says, 5 MiB until then. A larger
   * message is never taken. The gateway closes for good (1009) at one over its `maxMessageBytes`, by default half of its bound: send less.
   */
  readonly maxBufferBytes?: number;
  /**
   * At `maxBufferBytes`: 'refuse' (default) = `send()` returns false; 'drop-oldest' = the oldest kept messages are given up, see
   * `droppedMessages`; 'close' = the socket closes with 4413.
   */
  readonly overflow?: OverflowPolicy;
  /** Attempts in a row before the state is `failed`. Default 10; `Infinity` = never. */
  readonly maxAttempts?: number;
  /** Full jitter: each wait is random between 0 and `minBackoffMs` (500) doubled each time, at most `maxBackoffMs` (20,000). */
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** A connection that lasted this long (5,000) makes the count of attempts begin anew. */
  readonly minUptimeMs?: number;
  /** For each step of an attempt: url and upgrade, then `welcome`. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** No `hello` for this long (5,000), though the server chose `holdfast.v1`: it is no gateway. */
  readonly helloTimeoutMs?: number;
  /** JSON messages `{"type":"ping"}` to a server that is no gateway, answered by `{"type":"pong"}`. Default: none. */
  readonly heartbeat?: HeartbeatSettings;
  /** Is it worth to try again after this close code? Default: the table in PROTOCOL.md. Not asked after `goaway`. */
  readonly retry?: (code: number, reason: string) => boolean;
}

export type StateName = 'connecting' | 'open' | 'interrupted' | 'reconnecting' | 'failed' | 'closed';

export interface SocketState {
  readonly state: StateName;
  /** The attempt that is made or waited for, from 1; 0 = it is not counted (`goaway`, offline), or there is none. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** `Date.now()` of the next attempt; null = none is planned, or it is being made now. */
  readonly nextTryAt: number | null;
  /**
   * connecting, reconnecting: `lost`, `silent` (heartbeat), `timeout` (of an attempt), `url` (the function failed), `goaway`, `offline`,
   * `asked` (by `reconnect()`), or '' at the start. interrupted: what the gateway said. closed: the reason of the Close.
   */
  readonly reason: string;
  /** The last close code; 0 = none yet. */
  readonly code: number;
  /** closed: by this end (`close()`, the signal, `overflow: 'close'`), not by the server. */
  readonly own: boolean;
}

export interface ResumedDetail {
  /** Messages that the gateway had not received and were sent again. */
  readonly resentMessages: number;
}

/** The session could not be resumed. `preventDefault()` on this event gives up what was kept instead of sending it again. */
export interface ResetDetail {
  /**
   * Why, as the gateway says: `unknown` (the window was over, or the gateway was restarted), `counts` (it has not kept what is missing here),
   * `gateway-gone` (that one of several has died), `hand-over-failed` (it could not hand the session over); '' = it does not say.
   */
  readonly reason: string;
  /** Kept messages, never acknowledged, that go to the new session. */
  readonly keptMessages: number;
  /** Those of them that were sent before: a backend may see them twice. */
  readonly maybeTwiceMessages: number;
  /** Messages that came down in the old session. More may have been on the way: those are lost, and nobody can tell how many. */
  readonly receivedMessages: number;
  /** Those of them that the gateway did not yet know to be here. */
  readonly unacknowledgedMessages: number;
}

export interface RestoredDetail {
  readonly gapMs: number;
  readonly replayed: number;
}

export interface HeartbeatDetail {
  readonly rttMs: number;
}

/** The shape of a `CloseEvent`; Node has no such class. */
export interface SocketCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The shape of a `CustomEvent`. */
export interface DetailEvent<T> extends Event {
  readonly detail: T;
}

export interface SocketEventMap {
  /** A session has begun: the first, or one after `reset`. Not after `resumed`. */
  open: Event;
  message: MessageEvent;
  /** The state is `closed` or `failed`. Not when a connection is lost. */
  close: SocketCloseEvent;
  /** The state is `failed`. */
  error: Event;
  state: DetailEvent<SocketState>;
  heartbeat: DetailEvent<HeartbeatDetail>;
  resumed: DetailEvent<ResumedDetail>;
  reset: DetailEvent<ResetDetail>;
  /** After `interrupted`: there is a backend again. */
  restored: DetailEvent<RestoredDetail>;
  /** There is room again for a message that was refused, and half of `maxBufferBytes` is free. */
  drain: Event;
}

type Listener<E extends Event> = ((event: E) => void) | { handleEvent(event: E): void };

/** `EventTarget` with the events above. */
export interface SocketEventTarget {
  addEventListener<K extends keyof SocketEventMap>(
    type: K,
    listener: Listener<SocketEventMap[K]> | null,
    options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener<K extends keyof SocketEventMap>(
    type: K,
    listener: Listener<SocketEventMap[K]> | null,
    options?: boolean | { capture?: boolean },
  ): void;
  dispatchEvent(event: Event): boolean;
}
