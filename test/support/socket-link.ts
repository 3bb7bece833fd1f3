/** A SocketLink, of the side backend unless told otherwise, on a real socket, without a pipe: what it tells its owner is on record. */
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import type { Link, LinkEnd, LinkLimit, LinkOwner, Side } from '../../src/link/link.ts';
import { SocketLink } from '../../src/link/socket-link.ts';

export interface SocketLinkRecord {
  readonly frames: Buffer[];
  readonly violations: string[];
  readonly limits: LinkLimit[];
  /** How it ended; empty = it has not. */
  readonly ends: LinkEnd[];
}

export interface TestLinkOptions {
  readonly side?: Side;
  readonly framesPerTurn?: number;
  readonly closeTimeoutMs?: number;
  readonly onMessages?: (link: Link) => void;
}

export function openSocketLink(t: TestContext, socket: Socket, options: TestLinkOptions = {}) {
  const { side = 'backend', framesPerTurn = 1000, closeTimeoutMs = 1000, onMessages } = options;
  const wheel = new TimerWheel();
  t.after(() => wheel.dispose());
  const got: SocketLinkRecord = { frames: [], violations: [], limits: [], ends: [] };
  const owner: LinkOwner = {
    linkMessages: (link, frames) => {
      got.frames.push(Buffer.from(frames));
      onMessages?.(link);
      return true;
    },
    linkPing: () => true,
    linkPong: () => {},
    linkJsonHeartbeat: () => false,
    linkRecord: () => {},
    linkPending: () => {},
    linkLimited: (_link, limit) => got.limits.push(limit),
    linkViolated: (_link, _code, detail) => got.violations.push(detail),
    linkClosed: () => {},
    linkDrained: () => {},
    linkEnded: (_link, end) => got.ends.push(end),
  };
  const link = new SocketLink(socket, owner, {
    side,
    protocol: '',
    bounds: { maxMessageBytes: 1 << 20 },
    closeTimeoutMs,
    clock: wheel,
    limits: {
      framesPerTurn,
      messagesPerSecond: 0,
      messageTimeoutMs: 0,
      maxFragments: 16_384,
      controlFramesPerSecond: 0,
    },
  });
  return { link, got };
}
