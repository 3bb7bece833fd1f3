/** The connections that cases are played on: a scripted end and an application, joined directly or through a gateway. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import WebSocket, { WebSocketServer } from 'ws';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type Deferred, deferred, until, withTimeout } from '../support/wait.ts';
import { AppEnd, probe } from './app-end.ts';
import type { Role } from './case.ts';
import { digestOf } from './digest.ts';
import { type Dialect, ScriptedEnd } from './scripted-end.ts';

/** Most bytes of a message: of the gateway, and of the `ws` at the other end. */
export const maxMessageBytes = 2_621_440;

export interface Connection {
  readonly scripted: ScriptedEnd;
  /** The application; behind the gateway further ones take over after a failover. */
  readonly apps: readonly AppEnd[];
  /** Reasons for which the gateway looked for another backend. */
  readonly interruptions: readonly string[];
  dispose(): void;
}

export interface Rig {
  readonly role: Role;
  readonly through: boolean;
  connect(): Promise<Connection>;
}

interface Rigs {
  /** A client plays, `ws` is the server. */
  readonly client: { readonly alone: Rig; readonly through: Rig; readonly resumable: Rig };
  /** A backend plays, `ws` is the client. */
  readonly backend: { readonly alone: Rig; readonly through: Rig };
  /** Pipes the gateways still have, when those that are ending have had a second for it. */
  readonly openPipes: () => Promise<number>;
}

/** Two addresses of one server, so that a failover has somewhere to go at once. */
function startOne(t: Owner, url: string): Promise<TestGateway> {
  return startGateway(t, {
    backends: [{ url: `${url}/a` }, { url: `${url}/b` }],
    heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } },
    closing: { handshakeMs: 2000, lingerMs: 2000 },
    pool: { ejectAfter: 0, maxConcurrentDials: 1000 },
    // A resumable client that is lost is given up soon.
    resume: { windowMs: 50 },
  });
}

const mark = 0x1e;
/** docs/PROTOCOL.md: control messages begin with U+001E; a text of the application that does so has one more. */
const holdfastV1: Dialect = {
  read: (text) => (text[0] !== mark ? text : text[1] === mark ? text.subarray(1) : null),
  acknowledge: (received) => `\u001e${JSON.stringify({ type: 'ack', received })}`,
};

const idOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const generationOf = (headers: Readonly<Record<string, string | string[] | undefined>>): number =>
  Number(headers['holdfast-generation'] ?? 1);

let lastId = 0;
const newId = (): string => {
  lastId += 1;
  return `${lastId}`;
};

/** What of a connection is made where the other end connects, found again by the case's number in its path. */
class Arrivals<T> {
  readonly #waiting = new Map<string, Deferred<T>>();

  expect(id: string): Promise<T> {
    const arrival = deferred<T>();
    this.#waiting.set(id, arrival);
    return withTimeout(arrival.promise, 8000, 'the connection at the other end');
  }

  arrived(id: string, what: T): void {
    this.#waiting.get(id)?.resolve(what);
    this.#waiting.delete(id);
  }
}

/** The interruptions of each pipe, told to whoever plays a case on it. */
class Interruptions {
  readonly #ofPipe = new Map<string, { reasons: string[]; told: () => void }>();

  constructor(gateway: TestGateway) {
    gateway.manager.events.tap((name, event) => {
      if (name !== 'pipe.interrupted') return;
      const { pipeId, reason } = event as { pipeId: string; reason: string };
      const pipe = this.#ofPipe.get(pipeId);
      pipe?.reasons.push(reason);
      pipe?.told();
    });
  }

  of(pipeId: string, told: () => void): string[] {
    const reasons: string[] = [];
    this.#ofPipe.set(pipeId, { reasons, told });
    return reasons;
  }

  forget(pipeId: string): void {
    this.#ofPipe.delete(pipeId);
  }
}

export async function startRigs(t: Owner): Promise<Rigs> {
  const [client, backend] = [await startClientRigs(t), await startBackendRigs(t)];
  return {
    client,
    backend,
    openPipes: async () => {
      const left = (): number => client.gateway.manager.size + backend.gateway.manager.size;
      await until(() => left() === 0, { timeoutMs: 1000 }).catch(() => {});
      return left();
    },
  };
}

async function startClientRigs(t: Owner) {
  const server = createServer();
  const webSockets = new WebSocketServer({ server, maxPayload: maxMessageBytes, perMessageDeflate: false });
  const first = new Arrivals<{ app: AppEnd; pipeId: string }>();
  /** Behind the gateway: whom the next application of a case is added to. */
  const ofCase = new Map<string, (app: AppEnd) => void>();
  webSockets.on('connection', (ws: WebSocket, request: IncomingMessage) => {
    const id = idOf(request.url ?? '');
    const app = new AppEnd(ws, request.socket);
    if (generationOf(request.headers) > 1) ofCase.get(id)?.(app);
    else first.arrived(id, { app, pipeId: `${request.headers['holdfast-pipe']}` });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const ws of webSockets.clients) ws.terminate();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const gateway = await startOne(t, `ws://127.0.0.1:${port}`);
  const interruptions = new Interruptions(gateway);

  const connect = async (through: boolean, resumable: boolean): Promise<Connection> => {
    const id = newId();
    const arrival = first.expect(id);
    const target = through ? { port: gateway.port, path: `/ws/${id}` } : { port, path: `/${id}` };
    const link = await connectRaw(null, { ...target, halfOpen: true, protocols: resumable ? ['holdfast.v1'] : [] });
    if (resumable) {
      await link.nextMessage({ what: 'hello' });
      await link.sendText('\u001e{"type":"start","resume":null}');
      await link.nextMessage({ what: 'welcome' });
    }
    const { app, pipeId } = await arrival;
    const scripted = new ScriptedEnd(link, false, resumable ? holdfastV1 : null);
    const apps = [app];
    ofCase.set(id, (next) => {
      apps.push(next);
      scripted.watch.changed();
    });
    return {
      scripted,
      apps,
      interruptions: through ? interruptions.of(pipeId, () => scripted.watch.changed()) : [],
      dispose: () => {
        ofCase.delete(id);
        interruptions.forget(pipeId);
        link.destroy();
        for (const one of apps) one.ws.terminate();
      },
    };
  };
  const rig = (through: boolean, resumable = false): Rig => ({
    role: 'client',
    through,
    connect: () => connect(through, resumable),
  });
  return { gateway, alone: rig(false), through: rig(true), resumable: rig(true, true) };
}

async function startBackendRigs(t: Owner) {
  const arrivals = new Arrivals<RawBackendConnection>();
  const server = await startRawBackend(t, {
    halfOpen: true,
    onConnection: (link) => {
      void link.accept();
      if (generationOf(link.request.headers) > 1) survive(link);
      else arrivals.arrived(idOf(link.request.path), link);
    },
  });
  const gateway = await startOne(t, server.url);
  const interruptions = new Interruptions(gateway);

  const connect = async (through: boolean): Promise<Connection> => {
    const id = newId();
    const arrival = arrivals.expect(id);
    const url = through ? `${gateway.url}/${id}` : `${server.url}/${id}`;
    const ws = new WebSocket(url, { maxPayload: maxMessageBytes, perMessageDeflate: false });
    const app = new AppEnd(ws);
    ws.on('upgrade', (response: IncomingMessage) => app.tap(response.socket));
    const opened = new Promise<void>((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    const link = await arrival;
    await withTimeout(opened, 8000, 'the upgrade of the client');
    const pipeId = link.request.headers['holdfast-pipe'] ?? '';
    return {
      scripted: new ScriptedEnd(link, true),
      apps: [app],
      interruptions: through ? interruptions.of(pipeId, () => app.watch.changed()) : [],
      dispose: () => {
        interruptions.forget(pipeId);
        link.destroy();
        ws.terminate();
      },
    };
  };
  const rig = (through: boolean): Rig => ({ role: 'backend', through, connect: () => connect(through) });
  return { gateway, alone: rig(false), through: rig(true) };
}

/** A good backend, where the gateway goes from one that failed: it answers the suite's probe. */
function survive(link: RawBackendConnection): void {
  const end = new ScriptedEnd(link, true);
  end.answerPings();
  const question = digestOf(`${probe}ask`);
  void end.watch
    .when(() => end.messages.includes(question) || end.closed, 'the probe')
    .then(() => link.sendText(`${probe}${end.faults.join('; ')}`));
  void end.watch
    .when(() => end.closes.length > 0 || end.closed, 'the Close of the gateway', 30_000)
    .then(async () => {
      await link.sendClose(end.closes[0]?.code === 1005 ? undefined : end.closes[0]?.code);
      end.end('fin');
    });
}
