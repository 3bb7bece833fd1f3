/**
 * Requests that ask for HTTP/2 beside what they want (`Upgrade: h2c`), as Java's HttpClient does by default. RFC 9110 section 7.8 lets a server
 * ignore it, but node hands every upgrade over, unanswered and its body unread, once WebSockets are served.
 */
import { type IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** Only without TLS, where alone it may be asked; a host that has a listener of its own for upgrades may serve it. */
export function asksForHttp2(server: object, { headers, httpVersion }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'h2c' && httpVersion === '1.1' && server instanceof Server;
}

/** Gives the connection back to the server, with the request as it came but for the upgrade; it is the last one there. */
export function serveWithoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${request.method} ${request.url} HTTP/1.1`, 'Connection: close'];
  const { rawHeaders } = request;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!/^(upgrade|connection|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
