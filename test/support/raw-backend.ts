import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { acceptKeyFor } from './frame-codec.ts';
import { Mailbox } from './mailbox.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { type RawHead, RawLink, type RawLinkOptions } from './raw-link.ts';
import type { WaitOptions } from './wait.ts';

export type RawHeaders = Readonly<Record<string, string | readonly string[] | null>>;

export interface AcceptOptions {
  /** Default: the first one the client offers; null for none; any string, offered or not. */
  readonly protocol?: string | null | undefined;
  /** In place of the right one; null leaves the header out. */
  readonly acceptKey?: string | null | undefined;
  /** Added to or in place of the usual ones; null leaves one out, an array repeats it. */
  readonly headers?: RawHeaders | undefined;
  /** Of all headers, those that are sent once more in the same words. */
  readonly twice?: readonly string[] | undefined;
  /** Default 'HTTP/1.1 101 Switching Protocols'. */
  readonly statusLine?: string | undefined;
  /** Sent in one write with the head: frames, or garbage. */
  readonly after?: string | Uint8Array | undefined;
}

export interface RawBackendOptions extends RawLinkOptions {
  readonly port?: number | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Keep our side open after the FIN of the other. Default false. */
  readonly halfOpen?: boolean | undefined;
  /** Called when a request head is complete; without it the test takes `nextConnection()` and answers itself. */
  readonly onConnection?: ((connection: RawBackendConnection) => void) | undefined;
}

/** One connection to a raw backend whose request head has come. Frames are sent unmasked unless told otherwise. */
export class RawBackendConnection extends RawLink {
  readonly #onHead: (connection: RawBackendConnection) => void;
  #request: RawHead | undefined;

  constructor(socket: Socket, options: RawLinkOptions, onHead: (connection: RawBackendConnection) => void) {
    super(socket, 'raw backend', false, options);
    this.#onHead = onHead;
  }

  get request(): RawHead & { readonly method: string; readonly path: string } {
    if (!this.#request) throw new Error('The request head has not come yet');
    const [method = '', path = ''] = this.#request.firstLine.split(' ');
    return { ...this.#request, method, path };
  }

  /** Answers the upgrade: rightly without options, wrongly in the ways they say. */
  accept(options: AcceptOptions = {}): Promise<void> {
    const { headers: sent } = this.request;
    const acceptKey =
      options.acceptKey === undefined ? acceptKeyFor(sent['sec-websocket-key'] ?? '') : options.acceptKey;
    const offered = sent['sec-websocket-protocol']?.split(',')[0]?.trim();
    const usual: Record<string, string | readonly string[] | null> = {
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Accept': acceptKey,
      'Sec-WebSocket-Protocol': (options.protocol === undefined ? offered : options.protocol) ?? null,
      ...options.headers,
    };
    for (const name of options.twice ?? []) usual[name] = [usual[name] ?? [], usual[name] ?? []].flat();
    return this.respond(options.statusLine ?? 'HTTP/1.1 101 Switching Protocols', usual, options.after);
  }

  /** Any HTTP answer; does not end the connection. A number is a status, a string the whole status line. */
  respond(status: number | string, headers: RawHeaders = {}, after: string | Uint8Array = ''): Promise<void> {
    const lines = [typeof status === 'number' ? `HTTP/1.1 ${status} Test` : status];
    for (const [name, values] of Object.entries(headers))
      for (const value of [values ?? []].flat()) lines.push(`${name}: ${value}`);
    return this.sendBytes(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(after)]));
  }

  protected override onHead(head: RawHead): 'frames' {
    this.#request = head;
    // After the bytes behind the head were read, so that a handler sees a settled link.
    queueMicrotask(() => this.#onHead(this));
    return 'frames';
  }
}

export class RawBackend {
  readonly port: number;
  readonly url: string;
  /** Those whose request head has come, in order. */
  readonly connections: Mailbox<RawBackendConnection>;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  constructor(server: Server, sockets: Set<Socket>, connections: Mailbox<RawBackendConnection>, scheme: string) {
    const address = server.address();
    const { port, address: host } =
      address !== null && typeof address === 'object' ? address : { port: 0, address: '' };
    this.port = port;
    this.url = `${scheme}://${host}:${port}`;
    this.connections = connections;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** TCP connections now open, also those that have sent nothing. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  nextConnection(options: WaitOptions = {}): Promise<RawBackendConnection> {
    return this.connections.next({ what: 'the next connection', ...options });
  }

  /** Waits for a connection and accepts its upgrade. */
  async acceptNext(options: AcceptOptions & WaitOptions = {}): Promise<RawBackendConnection> {
    const connection = await this.nextConnection(options);
    await connection.accept(options);
    return connection;
  }

  /** Stops listening and destroys all connections. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A scripted server in this process: it answers nothing that the test does not write. */
export async function startRawBackend(t: OptionalOwner, options: RawBackendOptions = {}): Promise<RawBackend> {
  const sockets = new Set<Socket>();
  const connections = new Mailbox<RawBackendConnection>('connections to the raw backend');
  const onSocket = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    new RawBackendConnection(socket, options, (connection) => {
      connections.push(connection);
      options.onConnection?.(connection);
    });
  };
  const allowHalfOpen = options.halfOpen ?? false;
  const server = options.tls
    ? createTlsServer({ ...options.tls, allowHalfOpen }, onSocket).on('tlsClientError', () => {})
    : createServer({ allowHalfOpen }, onSocket);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  const backend = new RawBackend(server, sockets, connections, options.tls ? 'wss' : 'ws');
  endWith(t, () => backend.close());
  return backend;
}
