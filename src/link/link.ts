/**
 * What the core knows of one physical WebSocket connection. Two implementations: SocketLink (real sockets) and the
 * in-memory one of the unit tests.
 */
import type { LimitName } from '../limits/limit-tally.ts';

import type { Block } from '../wire/byte-blocks.ts';
import type { ViolationCode } from '../wire/frame-reader.ts';

export type Side = 'client' | 'backend';

export interface Link {
  readonly side: Side;
  /** Subprotocol agreed in the handshake, '' for none. */
  readonly protocol: string;
  /** False once closing or closed: what is written then goes nowhere. */
  readonly open: boolean;
  /** False while the peer does not take what was written (backpressure); `linkDrained` tells when it does again. */
  readonly writable: boolean;
  /** Bytes written and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  /** Bytes read since the link began. */
  readonly bytesIn: number;
  /** Bytes of an unfinished message that wait for their rest. */
  readonly pendingBytes: number;
  /** When the last byte came, in milliseconds of the manager's fair clock (TimerWheel.fairNow). */
  readonly receivedAt: number;
  /** When the peer last took a byte of what we wrote, or had nothing left to take; same clock. */
  readonly progressAt: number;
  readonly paused: boolean;
  /** When the first ping of ours went out, same clock; null before. */
  readonly pingedAt: number | null;
  /** Last measured round trip, milliseconds; null before the first. */
  rttMs: number | null;

  /**
   * Writes frames as they came from the other end. `more` = a frame follows in the same tick: both go in one system call.
   * `block` = where they lie, if that is a block: the link holds it for as long as it needs them.
   * @returns true where nothing refers to any frames written so far, but by such blocks: the kernel has taken all, or they go nowhere.
   */
  write(frames: Buffer, more?: boolean, block?: Block | null): boolean;
  /** Between the two, writes are gathered into one system call where the transport can. */
  cork(): void;
  uncork(): void;
  /** Sends a message of our own between two messages. */
  send(data: string | Uint8Array): void;
  /** @returns as `write`. */
  ping(payload: Buffer): boolean;
  /** Begins the closing handshake (RFC 6455 section 7); code 1005 sends an empty Close. Pending output goes first. Idempotent. */
  close(code: number, reason?: string): void;
  /** Drops the TCP connection now. Idempotent. */
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** Limits of one connection, as they are called in events and metrics. */
export type LinkLimit = Extract<
  LimitName,
  'message-bytes' | 'message-time' | 'fragments' | 'messages' | 'control-frames' | 'close-time'
>;

/** How a link ended. `code` 1006 = no Close came; `clean` = both sides sent a Close. */
export interface LinkEnd {
  readonly code: number;
  readonly reason: string;
  readonly clean: boolean;
  readonly error?: Error;
}

/** Time as links need it; TimerWheel is one. */
export interface LinkClock {
  fairNow(): number;
  timer(owner: { timerFired(name: string): void }, name: string): { start(delayMs: number): void; stop(): void };
}

/** Who is told of what happens on a link. One owner for all links of a pipe: the link says which one it is. */
export interface LinkOwner {
  /**
   * A run of frames in which `messages` messages end; 0 = the beginning of one whose rest follows in the same tick.
   * `block` = where they lie, if that is a block: whoever needs them longer may hold it in place of copying them.
   * @returns true where nothing refers to `frames` any more, but who holds `block`: their memory is used again.
   */
  linkMessages(link: Link, frames: Buffer, messages: number, block: Block | null): boolean;
  /** A ping came; true = answer it. */
  linkPing(link: Link): boolean;
  linkPong(link: Link, payload: Buffer): void;
  /** A JSON heartbeat message of a client; true = it was one of ours and is not passed on. */
  linkJsonHeartbeat(link: Link, kind: 'ping' | 'pong'): boolean;
  /** A text that begins with U+001E, on links that look for them (resume protocol): its payload. */
  linkRecord(link: Link, payload: Buffer): void;
  /** An unfinished message waits in the link (`pendingBytes`). */
  linkPending(link: Link): void;
  /** A limit was reached. Where that ends the link, `linkViolated` or `linkEnded` follows. */
  linkLimited(link: Link, limit: LinkLimit): void;
  /** The peer broke the protocol (1002, 1007) or a limit (1008, 1009); it was told so, and the link is ending. */
  linkViolated(link: Link, code: ViolationCode, detail: string): void;
  /** The peer's Close came and is answered; nothing more comes, and linkEnded follows. `answers` = it answers a Close of ours. */
  linkClosed(link: Link, code: number, reason: string, answers: boolean): void;
  linkDrained(link: Link): void;
  /** Once, last of all. */
  linkEnded(link: Link, end: LinkEnd): void;
}
