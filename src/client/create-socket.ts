import type { WebSocketConstructor, WebSocketLike } from './types.ts';

/** A connection, over the given constructor or the page's own. */
export function createSocket(url: string, protocols: readonly string[], given?: WebSocketConstructor): WebSocketLike {
  const Constructor = given ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (!Constructor) throw new TypeError('Give the option `WebSocket`.');
  return new Constructor(url, [...protocols]);
}
