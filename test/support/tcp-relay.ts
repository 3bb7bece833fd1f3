import { connect, createServer, type Server, type Socket } from 'node:net';
import { endWith, type OptionalOwner } from './owner.ts';
import { resetSocket } from './reset-socket.ts';

export type RelayDirection = 'toTarget' | 'toClient';
export interface RelayOptions {
  readonly targetPort: number;
  /** Default 0: any. */
  readonly port?: number | undefined;
}

/** What may be held back in a direction before its source is no longer read. */
const maxHeldBytes = 1_048_576;
/** A throttled direction writes at most this long's worth at once. */
const throttleSliceMs = 20;

/** The state of the network in one direction; all connections share it. */
class Line {
  partitioned = false;
  delayMs = 0;
  bytesPerSecond = Number.POSITIVE_INFINITY;
  bytes = 0;
}

/** One direction of one connection: source -> held -> sink. A FIN keeps its place behind the data. */
class Flow {
  readonly #line: Line;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #held: { data: Buffer | null; readonly due: number }[] = [];
  #heldBytes = 0;
  #freeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #blocked = false;

  constructor(line: Line, source: Socket, sink: Socket) {
    this.#line = line;
    this.#source = source;
    this.#sink = sink;
    source.on('data', (chunk: Buffer) => {
      this.#heldBytes += chunk.length;
      this.#held.push({ data: chunk, due: performance.now() + line.delayMs });
      this.pump();
    });
    source.on('end', () => {
      this.#held.push({ data: null, due: performance.now() + line.delayMs });
      this.pump();
    });
    sink.on('drain', () => {
      this.#blocked = false;
      this.pump();
    });
  }

  pump(): void {
    clearTimeout(this.#timer);
    while (!this.#line.partitioned && !this.#blocked && this.#held.length > 0) {
      const now = performance.now();
      const wait = Math.max(this.#held[0]!.due, this.#freeAt) - now;
      if (wait > 0) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(wait));
        break;
      }
      this.#forward(this.#held[0]!, now);
    }
    // Paused, the kernel holds the rest, as it would when acknowledgements stop coming.
    if (this.#line.partitioned || this.#heldBytes > maxHeldBytes) this.#source.pause();
    else this.#source.resume();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#held.length = 0;
  }

  #forward(head: { data: Buffer | null }, now: number): void {
    if (head.data === null) {
      this.#held.shift();
      this.#sink.end();
      return;
    }
    const most = Math.max(1, Math.floor((this.#line.bytesPerSecond * throttleSliceMs) / 1000));
    const slice = head.data.subarray(0, Math.min(most, head.data.length));
    head.data = head.data.subarray(slice.length);
    if (head.data.length === 0) this.#held.shift();
    this.#heldBytes -= slice.length;
    this.#line.bytes += slice.length;
    this.#freeAt = Math.max(now, this.#freeAt) + (slice.length / this.#line.bytesPerSecond) * 1000;
    if (!this.#sink.destroyed) this.#blocked = !this.#sink.write(slice);
  }
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket;
  readonly flows: Record<RelayDirection, Flow>;
}

/** A TCP relay in this process that can be a bad network. */
export class TcpRelay {
  readonly port: number;
  readonly url: string;
  readonly #server: Server;
  #targetPort: number;
  readonly #lines: Record<RelayDirection, Line> = { toTarget: new Line(), toClient: new Line() };
  readonly #pairs = new Set<Pair>();
  /** Accepted during a partition: dialled on when it heals. */
  readonly #waiting = new Set<Socket>();
  /** Their other end was reset during a partition. */
  readonly #unsaidResets = new Set<Socket>();

  constructor(server: Server, targetPort: number) {
    const address = server.address();
    this.port = address !== null && typeof address === 'object' ? address.port : 0;
    this.url = `ws://127.0.0.1:${this.port}`;
    this.#server = server;
    this.#targetPort = targetPort;
    server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  /** Connections now relayed or waiting for the heal. */
  get connections(): number {
    return this.#pairs.size + this.#waiting.size;
  }

  /** Bytes forwarded so far. */
  get bytes(): Readonly<Record<RelayDirection, number>> {
    return { toTarget: this.#lines.toTarget.bytes, toClient: this.#lines.toClient.bytes };
  }

  /**
   * From now on nothing passes, no FIN and no RST either; nothing is lost, as TCP would send it again. New connections are accepted (the
   * kernel does that) and then hear nothing.
   */
  partition(direction: RelayDirection | 'both' = 'both'): void {
    this.#set(direction, (line) => {
      line.partitioned = true;
    });
  }

  /** Lets pass what was held, and what ended meanwhile end. */
  heal(): void {
    this.#set('both', (line) => {
      line.partitioned = false;
    });
    for (const socket of this.#unsaidResets) resetSocket(socket);
    this.#unsaidResets.clear();
    for (const socket of [...this.#waiting]) {
      this.#waiting.delete(socket);
      this.#dial(socket);
    }
  }

  /** One-way latency of each chunk; 0 = none. */
  delay(ms: number, direction: RelayDirection | 'both' = 'both'): void {
    this.#set(direction, (line) => {
      line.delayMs = ms;
    });
  }

  /** Per connection and direction; Infinity = no limit. */
  throttle(bytesPerSecond: number, direction: RelayDirection | 'both' = 'both'): void {
    this.#set(direction, (line) => {
      line.bytesPerSecond = bytesPerSecond;
    });
  }

  /** New connections go to another port; those there are stay where they are. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  /** RST to both ends of every connection, also in a partition. */
  reset(): void {
    for (const socket of this.#waiting) resetSocket(socket);
    for (const { client, target } of [...this.#pairs]) {
      resetSocket(client);
      resetSocket(target);
    }
  }

  /** FIN in one direction only: 'toTarget' = the target thinks the client has ended. The other direction stays open. */
  halfClose(direction: RelayDirection): void {
    for (const { client, target } of this.#pairs) (direction === 'toTarget' ? target : client).end();
  }

  /** Stops listening and drops everything; new connections are refused. */
  async close(): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    for (const { client, target } of [...this.#pairs]) {
      client.destroy();
      target.destroy();
    }
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #set(direction: RelayDirection | 'both', change: (line: Line) => void): void {
    for (const one of ['toTarget', 'toClient'] as const) {
      if (direction !== 'both' && direction !== one) continue;
      change(this.#lines[one]);
      for (const pair of this.#pairs) pair.flows[one].pump();
    }
  }

  #passReset(direction: RelayDirection, socket: Socket): void {
    if (this.#lines[direction].partitioned) this.#unsaidResets.add(socket);
    else resetSocket(socket);
  }

  #accept(client: Socket): void {
    client.setNoDelay(true);
    client.on('error', () => {});
    if (!this.#lines.toTarget.partitioned && !this.#lines.toClient.partitioned) {
      this.#dial(client);
      return;
    }
    client.pause();
    this.#waiting.add(client);
    client.on('close', () => this.#waiting.delete(client));
  }

  #dial(client: Socket): void {
    const target = connect({ host: '127.0.0.1', port: this.#targetPort, allowHalfOpen: true, noDelay: true });
    const flows = {
      toTarget: new Flow(this.#lines.toTarget, client, target),
      toClient: new Flow(this.#lines.toClient, target, client),
    };
    const pair: Pair = { client, target, flows };
    this.#pairs.add(pair);
    // A reset of one end reaches the other as a reset, as if the relay were not there: not before a partition heals.
    target.on('error', () => this.#passReset('toClient', client));
    client.on('error', () => this.#passReset('toTarget', target));
    const over = () => {
      if (!client.destroyed || !target.destroyed) return;
      flows.toTarget.dispose();
      flows.toClient.dispose();
      this.#pairs.delete(pair);
    };
    client.on('close', over);
    target.on('close', over);
    flows.toTarget.pump();
    flows.toClient.pump();
  }
}

export async function startRelay(t: OptionalOwner, options: RelayOptions): Promise<TcpRelay> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const relay = new TcpRelay(server, options.targetPort);
  endWith(t, () => relay.close());
  return relay;
}
