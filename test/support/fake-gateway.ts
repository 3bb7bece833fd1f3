/** A gateway of `holdfast.v1` written from docs/PROTOCOL.md alone, without backends: a model, and a `ws` server around it. */
import { randomBytes } from 'node:crypto';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';
import { endWith, type OptionalOwner } from './owner.ts';

const mark = '\u001e';
export type Payload = string | Uint8Array;

/** The gateway's end of a connection. */
export interface GatewayWire {
  send(data: Payload): void;
  close(code: number, reason: string): void;
  /** Breaks the connection without a Close. */
  terminate(): void;
}

export interface GatewaySettings {
  heartbeat: { intervalMs: number; timeoutMs: number };
  maxBufferBytes: number;
  /** Acknowledge each message of a client as it comes; else call `acknowledge`. */
  acknowledges: boolean;
  /** Answer pings. */
  answers: boolean;
  /** Say hello at once; else never. */
  greets: boolean;
  /** Answer `start`. */
  welcomes: boolean;
  /** Send each message of a client back to it. */
  echoes: boolean;
}

export interface Session {
  readonly pipe: string;
  token: string;
  /** Valid until the client's first message after the last welcome. */
  previousToken: string;
  /** Whole messages of the client. */
  readonly fromClient: Payload[];
  /** How many of them a backend would have. */
  acknowledged: number;
  /** Toward the client, those that it has not acknowledged, with the number of the first. */
  readonly journal: Payload[];
  firstInJournal: number;
  connection: GatewayConnection | null;
}

const copy = (data: Payload): Payload => (typeof data === 'string' ? data : data.slice());
const isMarked = (data: Payload): data is string => typeof data === 'string' && data.startsWith(mark);

export class ModelGateway {
  readonly sessions = new Map<string, Session>();
  readonly connections = new Set<GatewayConnection>();
  /** All control messages that came. */
  readonly controls: Record<string, unknown>[] = [];
  /** Broken rules of the protocol. */
  readonly violations: string[] = [];
  readonly settings: GatewaySettings = {
    heartbeat: { intervalMs: 25_000, timeoutMs: 75_000 },
    maxBufferBytes: 5_242_880,
    acknowledges: true,
    answers: true,
    greets: true,
    welcomes: true,
    echoes: false,
  };

  constructor(settings: Partial<GatewaySettings> = {}) {
    Object.assign(this.settings, settings);
  }

  accept(wire: GatewayWire, protocol = ''): GatewayConnection {
    const connection = new GatewayConnection(this, wire, protocol);
    this.connections.add(connection);
    if (this.settings.greets) connection.control({ type: 'hello', version: 1, deadlineMs: 10_000 });
    return connection;
  }

  /** The only session. */
  get session(): Session {
    const [first, second] = [...this.sessions.values()];
    if (!first || second) throw new Error(`There are ${this.sessions.size} sessions`);
    return first;
  }

  /** A message toward a client. */
  push(session: Session, data: Payload): void {
    session.journal.push(copy(data));
    session.connection?.application(data);
  }

  acknowledge(session: Session): void {
    session.acknowledged = session.fromClient.length;
    session.connection?.control({ type: 'ack', received: session.fromClient.length });
  }

  control(message: Record<string, unknown>): void {
    for (const connection of this.connections) connection.control(message);
  }

  /** As a gateway that was restarted: it knows no session. */
  forget(): void {
    for (const connection of [...this.connections]) connection.terminate();
    this.sessions.clear();
  }
}

export class GatewayConnection {
  readonly #gateway: ModelGateway;
  readonly #wire: GatewayWire;
  readonly #protocol: string;
  session: Session | null = null;
  #started = false;

  constructor(gateway: ModelGateway, wire: GatewayWire, protocol: string) {
    this.#gateway = gateway;
    this.#wire = wire;
    this.#protocol = protocol;
  }

  control(message: Record<string, unknown>): void {
    this.#wire.send(mark + JSON.stringify(message));
  }

  application(data: Payload): void {
    this.#wire.send(isMarked(data) ? mark + data : data);
  }

  close(code: number, reason = ''): void {
    this.#leave(code !== 1012);
    this.#wire.close(code, reason);
  }

  terminate(): void {
    this.#leave(false);
    this.#wire.terminate();
  }

  /** The client's end is gone; with a Close the session is over. */
  closed(withClose: boolean): void {
    this.#leave(withClose);
  }

  message(data: Payload): void {
    if (!this.#gateway.connections.has(this)) return;
    if (isMarked(data) && data[1] !== mark) {
      this.#control(JSON.parse(data.slice(1)) as Record<string, unknown>);
      return;
    }
    const { session } = this;
    if (!session) {
      this.#gateway.violations.push('an application message before welcome');
      this.close(4400);
      return;
    }
    session.previousToken = '';
    const message = isMarked(data) ? data.slice(1) : copy(data);
    session.fromClient.push(message);
    if (this.#gateway.settings.acknowledges) this.#gateway.acknowledge(session);
    if (this.#gateway.settings.echoes) this.#gateway.push(session, message);
  }

  #control(message: Record<string, unknown>): void {
    this.#gateway.controls.push(message);
    const { session } = this;
    if (message['type'] === 'start') {
      if (this.#started) this.#gateway.violations.push('a second start');
      this.#started = true;
      if (this.#gateway.settings.welcomes) this.#start(message['resume'] as null | { pipe: string });
      return;
    }
    if (!session) {
      this.#gateway.violations.push(`${String(message['type'])} before welcome`);
      return;
    }
    session.previousToken = '';
    if (message['type'] === 'ping' && this.#gateway.settings.answers) this.control({ type: 'pong', id: message['id'] });
    if (message['type'] === 'ack') this.#trim(session, message['received'] as number);
  }

  #start(resume: null | { pipe: string; token?: string; received?: number }): void {
    const known = resume ? this.#gateway.sessions.get(resume.pipe) : undefined;
    const valid = known && resume?.token && [known.token, known.previousToken].includes(resume.token) ? known : null;
    const token = randomBytes(32).toString('base64url');
    if (!valid) {
      const pipe = randomBytes(12).toString('base64url');
      const session = {
        pipe,
        token,
        previousToken: '',
        fromClient: [],
        acknowledged: 0,
        journal: [],
        firstInJournal: 1,
        connection: this,
      };
      this.#gateway.sessions.set(pipe, session);
      this.session = session;
      this.#welcome(false);
      return;
    }
    const older = valid.connection;
    if (older) {
      older.#leave(false);
      older.#wire.terminate();
    }
    // The client shows which token it knows: that one stays valid beside the new one.
    valid.previousToken = resume?.token ?? '';
    valid.token = token;
    valid.connection = this;
    this.session = valid;
    this.#trim(valid, resume?.received ?? 0);
    this.#welcome(true);
    this.control({ type: 'ack', received: valid.acknowledged });
    for (const data of valid.journal) this.application(data);
  }

  #welcome(resumed: boolean): void {
    const { pipe, token, fromClient } = this.session as Session;
    const { heartbeat, maxBufferBytes } = this.#gateway.settings;
    this.control({
      type: 'welcome',
      pipe,
      token,
      resumed,
      received: fromClient.length,
      protocol: this.#protocol,
      heartbeat,
      resumeWindowMs: 60_000,
      maxBufferBytes,
    });
  }

  #trim(session: Session, received: number): void {
    const count = received + 1 - session.firstInJournal;
    if (count < 0 || count > session.journal.length) this.#gateway.violations.push(`acknowledged ${received}`);
    session.journal.splice(0, count);
    session.firstInJournal += Math.max(0, count);
  }

  #leave(over: boolean): void {
    this.#gateway.connections.delete(this);
    const { session } = this;
    this.session = null;
    if (!session) return;
    session.connection = null;
    if (over) this.#gateway.sessions.delete(session.pipe);
  }
}

export interface FakeGateway {
  readonly model: ModelGateway;
  readonly port: number;
  readonly url: string;
  /** Upgrades so far: what was offered, and the path. */
  readonly upgrades: { readonly offered: string[]; readonly path: string }[];
  /** Breaks all connections. */
  cut(): void;
  close(): Promise<void>;
}

export async function startFakeGateway(
  t: OptionalOwner,
  settings: Partial<GatewaySettings> = {},
  port = 0,
): Promise<FakeGateway> {
  const model = new ModelGateway(settings);
  const upgrades: { offered: string[]; path: string }[] = [];
  const server = new WebSocketServer({
    port,
    host: '127.0.0.1',
    handleProtocols: (offered, request) => {
      upgrades.push({ offered: [...offered], path: request.url ?? '' });
      return offered.has('holdfast.v1') ? 'holdfast.v1' : false;
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', reject);
  });
  server.on('connection', (socket) => serve(model, socket, upgrades.at(-1)?.offered[0] ?? ''));
  const address = server.address();
  const found = address !== null && typeof address === 'object' ? address.port : 0;
  const cut = (): void => {
    for (const socket of server.clients) socket.terminate();
  };
  const close = async (): Promise<void> => {
    cut();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  endWith(t, close);
  return { model, port: found, url: `ws://127.0.0.1:${found}`, upgrades, cut, close };
}

function serve(model: ModelGateway, socket: ServerSocket, first: string): void {
  const wire: GatewayWire = {
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  };
  const connection = model.accept(wire, first === 'holdfast.v1' ? '' : first);
  socket.on('message', (data, binary) => {
    const bytes = data as Buffer;
    connection.message(binary ? new Uint8Array(bytes) : bytes.toString('utf8'));
  });
  socket.on('close', (code) => connection.closed(code !== 1006));
  socket.on('error', () => {});
}
