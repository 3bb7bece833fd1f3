/**
 * Connections of node's servers (HTTP, HTTPS, HTTP/2) before there is a request on them. They are known here for all gateways of a server, as
 * only the first of them sees its upgrades, and by their two ends: requests come on another object where there is TLS. Of one that has asked
 * for anything nothing is kept for as long as a pipe lasts.
 */
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

type ConnectionListener = (socket: Socket) => void;

/**
 * From now on those who listen for connections of this server get only those that are taken; no byte of the others is worked through. Call it
 * when the server's own listener is there.
 * @param takes false = what becomes of it is the caller's affair.
 */
export function screenConnections(server: Server, takes: (socket: Socket) => boolean): void {
  // With those of once(), which see to it themselves that they hear of one only.
  const listeners = server.rawListeners('connection') as ConnectionListener[];
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    if (takes(socket)) for (const listener of listeners) listener.call(server, socket);
  });
}

/** By both ends: what is to be told when it ends. */
const unasked = new Map<string, (() => void)[]>();

/** @param ended is called when this connection has ended, unless there was a whole head of a request on it. */
export function whenEndedUnasked(socket: Socket, ended: () => void): void {
  const ends = endsOf(socket);
  if (ends === null) return;
  const known = unasked.get(ends);
  if (known !== undefined) {
    known.push(ended);
    return;
  }
  const told = [ended];
  unasked.set(ends, told);
  socket.once('close', () => {
    if (unasked.get(ends) !== told) return;
    unasked.delete(ends);
    for (const tell of told) tell();
  });
}

/** A request or an upgrade has come. @param socket of the request. */
export function hasAsked(socket: Duplex): void {
  const ends = endsOf(socket);
  if (ends !== null) unasked.delete(ends);
}

/** Null = it is no connection of a network. */
function endsOf(socket: Duplex): string | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket as Duplex & Partial<Socket>;
  return remoteAddress === undefined ? null : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
