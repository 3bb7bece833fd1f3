/** A HoldfastSocket with sockets in memory and a clock that the test moves. */
import type { TestContext } from 'node:test';
import {
  HoldfastSocket,
  type HoldfastSocketOptions,
  type SocketState,
  type UrlSource,
} from '../../src/client/index.ts';
import { type MemoryNetwork, memoryNetwork } from './client-memory-wire.ts';

export const startAt = 1_700_000_000_000;

export interface Harness {
  readonly socket: HoldfastSocket;
  readonly net: MemoryNetwork;
  /** Types and details of all events, messages as their data. */
  readonly events: [string, unknown][];
  /** Names of the states, in order. */
  readonly states: SocketState[];
  count(type: string): number;
  details(type: string): unknown[];
  /** Time goes by in small steps. */
  pass(ms: number): void;
  /** As a machine that sleeps: at once so much later, then what fell due. */
  sleep(ms: number): void;
  /** The newest connection opens and has a session. */
  welcome(changes?: Record<string, unknown>): void;
}

export interface HarnessOptions extends HoldfastSocketOptions {
  readonly url?: UrlSource;
  readonly protocols?: string[];
}

const watched = ['open', 'close', 'error', 'state', 'heartbeat', 'resumed', 'reset', 'restored', 'drain'] as const;

export function fakeTime(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: startAt });
  t.mock.method(Math, 'random', () => 1);
}

export function harness(
  t: TestContext,
  { url = 'ws://gateway/ws', protocols, ...options }: HarnessOptions = {},
): Harness {
  fakeTime(t);
  const net = memoryNetwork();
  const socket = new HoldfastSocket(url, protocols, { WebSocket: net.WebSocket, ...options });
  const events: [string, unknown][] = [];
  const states: SocketState[] = [socket.state];
  for (const type of watched) {
    socket.addEventListener(type, (event: Event) => {
      const { detail, code, reason, wasClean } = event as CustomEvent & CloseEvent;
      events.push([type, type === 'close' ? { code, reason, wasClean } : detail]);
      if (type === 'state') states.push(socket.state);
    });
  }
  socket.addEventListener('message', ({ data }) => events.push(['message', data]));
  const details = (type: string): unknown[] => events.filter(([name]) => name === type).map(([, detail]) => detail);
  return {
    socket,
    net,
    events,
    states,
    details,
    count: (type) => details(type).length,
    pass: (ms) => {
      for (let left = ms; left > 0; left -= 10) t.mock.timers.tick(Math.min(10, left));
    },
    sleep: (ms) => t.mock.timers.tick(ms),
    welcome: (changes = {}) => {
      if (net.last.readyState === 0) net.last.open('holdfast.v1');
      net.last.control({ type: 'hello', version: 1, deadlineMs: 10_000 });
      net.last.control({
        type: 'welcome',
        pipe: 'pipe-1',
        token: `token-${net.sockets.length}`,
        resumed: false,
        received: 0,
        protocol: '',
        heartbeat: { intervalMs: 25_000, timeoutMs: 75_000 },
        resumeWindowMs: 60_000,
        maxBufferBytes: 1_000,
        ...changes,
      });
    },
  };
}

/** Lets promises and microtasks run. */
export const settle = async (): Promise<void> => {
  for (let count = 0; count < 10; count += 1) await Promise.resolve();
};
