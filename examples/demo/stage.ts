/** What the demo plays on: the gateway and two backends, each a process of its own. */
import { buildClientModules } from './client-modules.ts';
import { type DemoProcess, freePort, startProcess } from './processes.ts';

export const token = 'demo-token';

/** One line of the gateway's log. */
export interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly msg: string;
  readonly event?: string;
  readonly [field: string]: unknown;
}

export interface Stage {
  /** The one that runs now, or ran last. */
  readonly gateway: DemoProcess;
  readonly gatewayPort: number;
  /** By their name: a, b. */
  readonly backends: Map<string, DemoProcess>;
  readonly ports: ReadonlyMap<string, number>;
  /** Ports that were taken, in words. */
  readonly moved: readonly string[];
  /** Calls the admin API. @throws Error for any status but 2xx. */
  admin(method: string, path: string, body?: object): Promise<unknown>;
  startBackend(name: string): Promise<DemoProcess>;
  /** Another one at the same port, with the same backends. */
  startGateway(): Promise<DemoProcess>;
  stop(): Promise<void>;
}

export interface StageEvents {
  readonly onLog: (line: LogLine) => void;
  /** A backend process ended, wanted or not. */
  readonly onBackendExit: (name: string, how: string) => void;
  /** The gateway's process ended, wanted or not. */
  readonly onGatewayExit: (how: string, errors: string) => void;
}

/**
 * @param anyPort not the usual ports, so that several demos can run at once.
 * @param pagePort of the page that connects to the gateway; null = there is none.
 */
export async function startStage(events: StageEvents, anyPort = false, pagePort: number | null = null): Promise<Stage> {
  const moved: string[] = [];
  /** 0 = whoever listens chooses, and says which: one that was free a moment ago may be taken by then. */
  const choose = async (wanted: number, what: string): Promise<number> => {
    if (anyPort) return 0;
    const port = await freePort(wanted);
    if (port !== wanted) moved.push(`Port ${wanted} is taken, so ${what} has port ${port}.`);
    return port;
  };
  let gatewayPort = await choose(8080, 'the gateway');
  const ports = new Map([
    ['a', await choose(9001, 'backend a')],
    ['b', await choose(9002, 'backend b')],
    ['c', (await choose(9003, 'backend c (the one you may start)')) || (await freePort(0))],
  ]);
  const backends = new Map<string, DemoProcess>();
  const startBackend = async (name: string): Promise<DemoProcess> => {
    const args = ['examples/demo/backend.mjs', '--name', name, '--port', String(ports.get(name))];
    const backend = await startProcess({ name: `backend ${name}`, args }, (line) => {
      const [, port] = /listens on ws:\/\/127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (port !== undefined) ports.set(name, Number(port));
      return port !== undefined;
    });
    backends.set(name, backend);
    void backend.exited.then((how) => events.onBackendExit(name, how));
    return backend;
  };
  const admin = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${gatewayPort}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  };
  /** What the gateway knows: its next process gets the same. */
  const roster = new Map<string, string>();
  const onLog = (line: LogLine): void => {
    const id = String(line['backendId']);
    // Those that are registered at the start are no news.
    if (line.event === 'backend.registered') {
      if (roster.has(id)) return;
      roster.set(id, String(line['backendUrl']));
    } else if (line.event === 'backend.removed') roster.delete(id);
    events.onLog(line);
  };
  let gateway: DemoProcess;
  const startGateway = async (): Promise<DemoProcess> => {
    gateway = await startProcess(
      {
        name: 'the gateway',
        args: ['--import', 'tsx', 'src/server.ts'],
        env: {
          HOLDFAST_PORT: String(gatewayPort),
          HOLDFAST_ADMIN_TOKEN: token,
          HOLDFAST_HEARTBEAT_INTERVAL_MS: '2000',
          ...(pagePort === null ? {} : { HOLDFAST_ALLOWED_ORIGINS: pageOrigins(pagePort).join(',') }),
        },
        onLine: (text) => {
          const line = parseLine(text);
          if (line !== null) onLog(line);
        },
      },
      (line) => {
        const [, port] = /"listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line) ?? [];
        if (port !== undefined) gatewayPort = Number(port);
        return port !== undefined;
      },
    );
    const started = gateway;
    void started.exited.then((how) => events.onGatewayExit(how, started.errors));
    for (const [id, url] of roster) await admin('POST', '/backends', { id, url });
    return started;
  };
  await buildClientModules();
  await Promise.all([startBackend('a'), startBackend('b')]);
  for (const id of ['a', 'b']) roster.set(id, `ws://127.0.0.1:${ports.get(id)}`);
  await startGateway();
  return {
    get gateway() {
      return gateway;
    },
    get gatewayPort() {
      return gatewayPort;
    },
    backends,
    ports,
    moved,
    admin,
    startBackend,
    startGateway,
    stop: async () => {
      await gateway.stop(8000);
      await Promise.all([...backends.values()].map((backend) => backend.stop(3000)));
    },
  };
}

function parseLine(text: string): LogLine | null {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return null;
  }
}

/** An event of the gateway as one readable line; null = not worth one here. */
export function tell(line: LogLine): string | null {
  const at = (key: string): string => String(line[key] ?? '');
  const ms = (key: string): string => `${Math.round(Number(line[key] ?? 0))} ms`;
  const client = `client ${at('clientId').slice(0, 8)}`;
  switch (line.event) {
    case 'pipe.opened':
      return `${client} connected (pipe ${at('pipeId')})`;
    case 'pipe.interrupted':
      return `${client} INTERRUPTED: backend ${at('backendId')} is gone (${at('reason')}); ${at('journalMessages')} messages kept`;
    case 'pipe.restored':
      return `${client} RESTORED on backend ${at('backendId')} after a gap of ${ms('gapMs')}; ${at('replayed')} messages sent again`;
    case 'client.detached':
      return `${client} is away (${at('reason')}); its pipe waits for it`;
    case 'client.resumed':
      return `${client} RESUMED after ${ms('awayMs')} away; ${at('replayed')} messages sent again`;
    case 'client.resume-refused':
      return `a client could not resume (${at('reason')}): it gets a new session`;
    case 'gateway.closing':
      return `the gateway closes: ${at('pipes')} clients are told, over ${ms('spreadMs')}`;
    case 'pipe.migrated':
      return `${client} moved from backend ${at('fromBackendId')} to ${at('backendId')} without a gap`;
    case 'pipe.closed':
      return `${client} closed with ${at('closeCode')} (${at('reason')}, by the ${at('initiator')}); ${at('messagesToBackend')} messages up, ${at('messagesToClient')} down, ${at('undelivered')} undelivered`;
    case 'pipe.refused':
      return `a client was refused with ${at('statusCode')} (${at('code')})`;
    case 'backend.registered':
      return `backend ${at('backendId')} registered: ${at('backendUrl')}`;
    case 'backend.updated':
      return `backend ${at('backendId')} changed: ${JSON.stringify(line['after'])}`;
    case 'backend.failed':
      return `backend ${at('backendId')} failed: ${at('detail')}`;
    case 'backend.ejected':
      return `backend ${at('backendId')} left out for ${ms('ejectedMs')}`;
    case 'backend.recovered':
      return `backend ${at('backendId')} is back`;
    case 'backend.draining':
      return `backend ${at('backendId')} drains: ${at('pipes')} clients move away`;
    case 'backend.drained':
      return `backend ${at('backendId')} drained: ${at('migrated')} moved, ${at('failedOver')} failed over`;
    case 'backend.removed':
      return `backend ${at('backendId')} removed`;
    case 'backend.awaited':
      return `${client} waits for a backend`;
    case 'heartbeat.missed':
    case 'heartbeat.timeout':
      return `${client}: ${line.event} on the hop to the ${at('hop')}, silent for ${ms('silentMs')}`;
    case 'config.changed':
      return `the ${at('section')} was changed: revision ${at('revision')}, ${at('pipes')} pipes retuned`;
    case 'audit.refused':
      return `the admin API refused ${at('method')} ${at('route')}: ${at('code')}`;
    default:
      return line.level >= 50 ? line.msg : null;
  }
}

/** The page is served from another port than the gateway's: to a browser that is another origin. */
function pageOrigins(port: number): string[] {
  return ['127.0.0.1', 'localhost'].map((host) => `http://${host}:${port}`);
}
