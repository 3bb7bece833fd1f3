/** The network between the demo's pages and the gateway: a TCP relay that can be a bad one for a single page. */
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Connection {
  readonly page: string;
  readonly client: Socket;
  /** Null while its page is cut off: dialled when that is over. */
  target: Socket | null;
  /** Came during the cut: the request that the gateway has not seen yet. */
  readonly head: Buffer;
}

const maxHeadBytes = 16_384;
const headTimeoutMs = 10_000;

export class PageNetwork {
  readonly port: number;
  readonly #server: Server;
  readonly #gatewayPort: number;
  readonly #connections = new Set<Connection>();
  /** Sockets that have not said yet which page they are of. */
  readonly #unknown = new Set<Socket>();
  readonly #cut = new Set<string>();

  /** `server` listens. */
  constructor(server: Server, gatewayPort: number) {
    this.#server = server;
    this.#gatewayPort = gatewayPort;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  /** Nothing passes any more, in neither direction, and nobody is told: as with a pulled cable. Nothing is lost, TCP would send it again. */
  cut(page: string): void {
    this.#cut.add(page);
    for (const { client, target } of this.#of(page)) {
      client.pause();
      target?.pause();
    }
  }

  /** What was held passes, and what ended meanwhile ends. */
  mend(page: string): void {
    this.#cut.delete(page);
    for (const one of this.#of(page)) {
      if (one.target === null) this.#dial(one);
      else if (one.target.destroyed) one.client.resetAndDestroy();
      one.client.resume();
      one.target?.resume();
    }
  }

  /** RST to both ends. @returns how many connections that were. */
  reset(page: string): number {
    const found = this.#of(page);
    for (const { client, target } of found) {
      client.resetAndDestroy();
      target?.resetAndDestroy();
    }
    return found.length;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#unknown) socket.destroy();
    for (const { client, target } of this.#connections) {
      client.destroy();
      target?.destroy();
    }
  }

  #of(page: string): Connection[] {
    return [...this.#connections].filter((one) => one.page === page);
  }

  /** The first line of a request says which page it is of: `?page=...` in the url. */
  #accept(client: Socket): void {
    let head: Buffer = Buffer.alloc(0);
    this.#unknown.add(client);
    client.setNoDelay(true).setTimeout(headTimeoutMs, () => client.destroy());
    client.on('error', () => {});
    client.on('close', () => this.#unknown.delete(client));
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const line = /^[^\r\n]*/.exec(head.toString('latin1'))?.[0] ?? '';
      if (line.length === head.length) {
        if (head.length > maxHeadBytes) client.destroy();
        return;
      }
      client.off('data', onData).setTimeout(0);
      client.pause();
      this.#unknown.delete(client);
      const page = /[?&]page=([\w-]+)/.exec(line)?.[1] ?? '';
      const one: Connection = { page, client, target: null, head };
      this.#connections.add(one);
      client.on('close', () => {
        if (one.target === null) this.#connections.delete(one);
      });
      if (!this.#cut.has(page)) this.#dial(one);
    };
    client.on('data', onData);
  }

  #dial(one: Connection): void {
    const { client, page, head } = one;
    const target = connect({ host: '127.0.0.1', port: this.#gatewayPort, noDelay: true });
    one.target = target;
    target.write(head);
    client.pipe(target);
    target.pipe(client);
    // `pipe` reads on when the other side has drained; not through a cut.
    for (const socket of [client, target]) {
      socket.on('resume', () => {
        if (this.#cut.has(page)) socket.pause();
      });
    }
    target.on('error', () => {
      if (!this.#cut.has(page)) client.resetAndDestroy();
    });
    client.on('close', () => {
      target.destroy();
      this.#connections.delete(one);
    });
    target.on('close', () => {
      // What it sent before may still be on its way to the page.
      if (!this.#cut.has(page)) client.end();
    });
  }
}

/** On any port of 127.0.0.1. */
export async function startPageNetwork(gatewayPort: number): Promise<PageNetwork> {
  const server = createServer({ allowHalfOpen: false });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return new PageNetwork(server, gatewayPort);
}
