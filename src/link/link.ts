/**
 * What the core knows of one physical WebSocket connection. Two implementations: SocketLink (real sockets) and the
 * in-memory one of the unit tests.
 */
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
  /** Last measured round trip, milliseconds; null before the first. */
  rttMs: number | null;

  /** Writes whole frames as they came from the other end. */
  write(frames: Buffer): void;
  /** Writes several, in one system call where the transport can. */
  writeAll(frames: readonly Buffer[]): void;
  /** Sends a message of our own between two messages. */
  send(data: string | Uint8Array): void;
  ping(payload: Buffer): void;
  /** Begins the closing handshake (RFC 6455 section 7); code 1005 sends an empty Close. Pending output goes first. Idempotent. */
  close(code: number, reason?: string): void;
  /** Drops the TCP connection now. Idempotent. */
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** How a link ended. `code` 1006 = no Close came; `clean` = both sides sent a Close. */
export interface LinkEnd {
  readonly code: number;
  readonly reason: string;
  readonly clean: boolean;
  /** Set when the peer broke the protocol and we ended the link for it: the code we answered with. */
  readonly violation?: { readonly code: 1002 | 1009; readonly message: string };
  readonly error?: Error;
}

/** Who is told of what happens on a link. One owner for all links of a pipe: the link says which one it is. */
export interface LinkOwner {
  /** One or more whole data messages, as one run of frames. */
  linkMessages(link: Link, frames: Buffer, messages: number): void;
  /** A whole message, part by part: every part but the last has messages = 0. */
  linkPong(link: Link, payload: Buffer): void;
  /** The peer's Close came (first) or ours was answered; the link ends soon after, with linkEnded. */
  linkClosing(link: Link, code: number, reason: string): void;
  linkDrained(link: Link): void;
  /** Once, last of all. */
  linkEnded(link: Link, end: LinkEnd): void;
}
