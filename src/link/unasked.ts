/**
 * Connections of node:http servers on which no whole head of a request has come yet. They are known here for all gateways of a server, as only
 * the first of them sees its upgrades; whoever has asked for anything is forgotten, so that nothing of it is kept for as long as a pipe lasts.
 */
import type { Duplex } from 'node:stream';

const unasked = new WeakSet<Duplex>();

/** It was opened. */
export function watchUnasked(socket: Duplex): void {
  unasked.add(socket);
}

/** A request or an upgrade has come on it. */
export function hasAsked(socket: Duplex): void {
  unasked.delete(socket);
}

/** False also for those that were not watched. */
export function isUnasked(socket: Duplex): boolean {
  return unasked.has(socket);
}
