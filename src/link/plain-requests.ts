/**
 * HTTP requests without an upgrade. Node works through all that have come, of one connection some two thousand with one read, before anybody
 * else has a turn, and keeps the answers for a peer that takes none.
 */
import { type IncomingMessage, Server, type ServerResponse } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { Server as NodeServer, Socket } from 'node:net';
import { turns } from './turns.ts';

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface PipeliningBounds {
  /** Requests of one connection that are not answered yet, at most; 0 = no limit. */
  readonly most: number;
  /** One more came; its connection has been ended. */
  readonly over: (socket: Socket) => void;
}

/** A server's connection that has not been upgraded. */
type ParsedSocket = Socket & { readonly parser?: { onIncoming?: unknown } | null };

/** Who looks for its end later looks here. */
type UnansweredResponse = ServerResponse & { _closed?: boolean };

const bounded = new WeakSet<object>();

/**
 * Once for each server, for all that it answers over HTTP/1: with two gateways on one server the first one's settings count. Call it when the
 * server's listener for requests is there; those that are added later are asked for each request.
 */
export function boundPipelining(server: object, { most, over }: PipeliningBounds): void {
  if (bounded.has(server) || !(server instanceof Server || server instanceof TlsServer)) return;
  bounded.add(server);
  const listeners = server.rawListeners('request') as RequestListener[];
  const open = new WeakMap<Socket, Set<UnansweredResponse>>();
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const socket: ParsedSocket = request.socket;
    if (socket.destroyed) return;
    let responses = open.get(socket);
    if (responses === undefined) {
      responses = new Set();
      open.set(socket, responses);
      socket.once('close', endAll.bind(responses));
    }
    if (most > 0 && responses.size >= most) {
      if (socket.parser) socket.parser.onIncoming = stopParsing;
      socket.destroy();
      over(socket);
      return;
    }
    const all = responses.add(response);
    response.once('close', () => all.delete(response));
    for (const listener of listeners) listener.call(server, request, response);
  });
}

/**
 * Node passes over what stands behind the 2,000th header of a request, which may be what a proxy says of its client. Where the host has set no
 * bound of its own (`maxHeadersCount`), all are read that fit into `maxHeaderSize`.
 */
export function readAllHeaders(server: object): void {
  if (!(server instanceof Server || server instanceof TlsServer)) return;
  server.maxHeadersCount ??= 0;
}

/** True where what else this request has may have been passed over. */
export function hasHiddenHeaders(request: { readonly rawHeaders?: readonly string[] }, server: object): boolean {
  const most = (server as Partial<Server>).maxHeadersCount ?? 0;
  return most > 0 && (request.rawHeaders?.length ?? 0) >= 2 * most;
}

/**
 * Requests of this server each have a turn of their own, from now on: where all of it is ours. Those that come together on many connections are
 * not worked through together, with all who are connected waiting.
 */
export function serveInTurns(server: NodeServer): void {
  const listeners = server.rawListeners('request') as RequestListener[];
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const takeTurn = (): void => {
      if (request.socket.destroyed) return;
      for (const listener of listeners) listener.call(server, request, response);
    };
    turns.waitToServe({ takeTurn });
  });
}

/** For node's parser: an upgrade. What else the read has brought is not looked at; it would be dozens of milliseconds. */
function stopParsing(): number {
  return 2;
}

/** As node does for the one whose turn it is, and for no other: they, and the files that they are to send, would never end. */
function endAll(this: Set<UnansweredResponse>): void {
  for (const response of this) {
    response.destroy();
    response._closed = true;
    response.emit('close');
  }
}
