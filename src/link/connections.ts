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

/** A connection on which nothing has been asked yet. */
class Unasked {
  readonly told: (() => void)[] = [];
  readonly #ends: string;
  readonly #socket: Socket;

  constructor(ends: string, socket: Socket) {
    this.#ends = ends;
    this.#socket = socket.on('close', this.#ended);
    unasked.set(ends, this);
  }

  forget(): void {
    unasked.delete(this.#ends);
    this.#socket.off('close', this.#ended);
  }

  readonly #ended = (): void => {
    this.forget();
    for (const tell of this.told) tell();
  };
}

/** By both ends. */
const unasked = new Map<string, Unasked>();

/** @param ended is called when this connection has ended, unless there was a whole head of a request on it. */
export function whenEndedUnasked(socket: Socket, ended: () => void): void {
  const ends = endsOf(socket);
  if (ends !== null) (unasked.get(ends) ?? new Unasked(ends, socket)).told.push(ended);
}

/** A request or an upgrade has come. @param socket of the request. */
export function hasAsked(socket: Duplex): void {
  const ends = endsOf(socket);
  if (ends !== null) unasked.get(ends)?.forget();
}

/** Null = it is no connection of a network. */
function endsOf(socket: Duplex): string | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket as Duplex & Partial<Socket>;
  return remoteAddress === undefined ? null : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
