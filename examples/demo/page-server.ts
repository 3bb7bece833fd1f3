/** The demo's page, and what its buttons do. The admin token stays here; only this machine and this page may press. */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type PageNetwork, startPageNetwork } from './page-network.ts';
import type { DemoProcess } from './processes.ts';
import { type LogLine, type Stage, tell } from './stage.ts';

type Doing = 'running' | 'frozen' | 'dead' | 'ending' | 'starting';

/** What a page is told at first, and after each change. */
interface Snapshot {
  readonly networkPort: number;
  readonly processes: readonly {
    readonly name: string;
    readonly port: number;
    readonly pid: number;
    readonly is: Doing;
  }[];
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | null;
}

/** A line of what happened. */
interface Happening {
  readonly at: number;
  readonly text: string;
  /** Of the gateway's log; absent: a process, or a button. */
  readonly event?: string;
  readonly pipeId?: string;
  readonly backendId?: string;
}

const files: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/demo': ['index.html', 'text/html'],
  '/demo/page.css': ['page.css', 'text/css'],
  '/demo/page.js': ['page.js', 'text/javascript'],
  '/demo/chat.js': ['chat.js', 'text/javascript'],
  '/demo/topology.js': ['topology.js', 'text/javascript'],
};
const clientModules = ['/holdfast/client.js', '/holdfast/status.js'];
const maxBodyBytes = 4096;
const stopMs = 8000;

/** A request that cannot be done; the message is for the page. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class PageServer {
  readonly url: string;
  readonly #server: Server;
  readonly #stage: Stage;
  readonly #network: PageNetwork;
  readonly #hosts: readonly string[];
  readonly #modules = new Map<string, string>();
  readonly #listeners = new Set<ServerResponse>();
  /** Between two states; by name of the process. */
  readonly #doing = new Map<string, 'ending' | 'starting'>();
  #heartbeat: Snapshot['heartbeat'] = null;

  private constructor(server: Server, stage: Stage, network: PageNetwork) {
    const { port } = server.address() as { port: number };
    this.#server = server;
    this.#stage = stage;
    this.#network = network;
    // A page of another site that points its name to this machine comes with that name.
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
    this.url = `http://127.0.0.1:${port}/demo`;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  /** @param port 0 = any. */
  static async listen(port: number): Promise<Server> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return server;
  }

  /** @param server that listens; nobody was told of it yet. */
  static async start(stage: Stage, server: Server): Promise<PageServer> {
    const page = new PageServer(server, stage, await startPageNetwork(stage.gatewayPort));
    await Promise.all([...clientModules.map((path) => page.#fetchModule(path)), page.#readHeartbeat()]);
    return page;
  }

  /** A line of the gateway's log. */
  log(line: LogLine): void {
    const text = tell(line) ?? '';
    const { time: at, event, pipeId, backendId } = line as LogLine & { pipeId?: string; backendId?: string };
    if (text === '' && event !== 'backend.attached') return;
    this.#send('happened', {
      at,
      text,
      ...(event && { event }),
      ...(pipeId && { pipeId }),
      ...(backendId && { backendId }),
    });
    if (event === 'config.changed') void this.#readHeartbeat().then(() => this.changed());
  }

  /** A process began or ended, or something else of the snapshot is new. */
  changed(): void {
    this.#send('snapshot', this.#snapshot());
  }

  say(text: string): void {
    this.#send('happened', { at: Date.now(), text });
  }

  /** Is the end of this process ours? */
  ends(name: string): boolean {
    return this.#doing.get(name) === 'ending';
  }

  close(): void {
    this.#network.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #send(type: 'snapshot', data: Snapshot): void;
  #send(type: 'happened', data: Happening): void;
  #send(type: string, data: object): void {
    for (const response of this.#listeners) response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #snapshot(): Snapshot {
    const { gateway, gatewayPort, backends, ports } = this.#stage;
    const describe = (name: string, process: DemoProcess, port: number): Snapshot['processes'][number] => ({
      name,
      port,
      pid: process.pid,
      is: this.#doing.get(name) ?? (process.frozen ? 'frozen' : process.running ? 'running' : 'dead'),
    });
    return {
      networkPort: this.#network.port,
      processes: [
        describe('gateway', gateway, gatewayPort),
        ...[...backends]
          .sort(([one], [other]) => one.localeCompare(other))
          .map(([name, backend]) => describe(name, backend, ports.get(name) ?? 0)),
      ],
      heartbeat: this.#heartbeat,
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const path = (request.url ?? '').split('?')[0] ?? '';
      if (!this.#hosts.includes(request.headers.host ?? '')) throw new Refused(403, 'This page is for this machine.');
      if (request.method === 'POST' && path === '/demo/control') {
        await this.#press(await readBody(request));
        response.writeHead(204).end();
      } else if (request.method !== 'GET') throw new Refused(405, 'GET, or POST /demo/control');
      else if (path === '/demo/events') this.#listen(response);
      else if (path === '/') response.writeHead(302, { location: '/demo' }).end();
      else await this.#file(path, response);
    } catch (error) {
      const status = error instanceof Refused ? error.status : 500;
      const message = error instanceof Error ? error.message : String(error);
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(message);
    }
  }

  async #file(path: string, response: ServerResponse): Promise<void> {
    const module = this.#modules.get(path);
    const file = files[path];
    if (module === undefined && file === undefined) throw new Refused(404, `There is no ${path}.`);
    const body = module ?? (await readFile(new URL(`./page/${file?.[0]}`, import.meta.url)));
    response
      .writeHead(200, {
        'content-type': `${file?.[1] ?? 'text/javascript'}; charset=utf-8`,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'content-security-policy': `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self' ws://127.0.0.1:${this.#network.port}`,
      })
      .end(body);
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.on('close', () => this.#listeners.delete(response));
    this.#listeners.add(response);
    response.write(`event: snapshot\ndata: ${JSON.stringify(this.#snapshot())}\n\n`);
  }

  /** As the gateway serves it; kept, because it may be dead when a page asks. */
  async #fetchModule(path: string): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.#stage.gatewayPort}${path}`);
    if (!answer.ok) throw new Error(`The gateway answered ${path} with ${answer.status}.`);
    this.#modules.set(path, await answer.text());
  }

  async #readHeartbeat(): Promise<void> {
    const { client } = (await this.#stage.admin('GET', '/config/heartbeat')) as {
      client: { intervalMs: number; timeoutMs: number | null };
    };
    this.#heartbeat = { intervalMs: client.intervalMs, timeoutMs: client.timeoutMs ?? 3 * client.intervalMs };
  }

  async #press({ action, target, page, intervalMs }: Readonly<Record<string, unknown>>): Promise<void> {
    if (action === 'heartbeat') await this.#setHeartbeat(intervalMs);
    else if (action === 'reset' || action === 'cut' || action === 'mend') {
      if (typeof page !== 'string' || !/^[\w-]{1,64}$/.test(page)) throw new Refused(400, 'page is missing');
      this.#network[action](page);
    } else if (typeof target === 'string' && typeof action === 'string') await this.#pressProcess(action, target);
    else throw new Refused(400, 'action, and target, page or intervalMs');
  }

  async #setHeartbeat(intervalMs: unknown): Promise<void> {
    if (typeof intervalMs !== 'number') throw new Refused(400, 'intervalMs must be a number');
    const hop = { intervalMs, timeoutMs: null };
    try {
      await this.#stage.admin('PATCH', '/config/heartbeat', { client: hop, backend: hop });
    } catch (error) {
      throw new Refused(502, `The gateway did not take it: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #pressProcess(action: string, name: string): Promise<void> {
    const { gateway, backends } = this.#stage;
    const process = name === 'gateway' ? gateway : backends.get(name);
    if (process === undefined) throw new Refused(404, `There is no process ${name}.`);
    if (this.#doing.has(name)) throw new Refused(409, `${titleOf(name)} is just ${this.#doing.get(name)}.`);
    const wants = action === 'start' ? !process.running : process.running;
    if (!wants) throw new Refused(409, `${titleOf(name)} ${process.running ? 'runs already' : 'does not run'}.`);
    if (action === 'kill') await this.#end(name, process, () => process.kill('SIGKILL'));
    else if (action === 'freeze') process.freeze();
    else if (action === 'thaw') process.thaw();
    else if (action === 'start') await this.#start(name);
    else if (action === 'restart') {
      await this.#end(name, process, () => void process.stop(stopMs));
      await this.#start(name);
    } else throw new Refused(400, `${action} is not kill, freeze, thaw, start or restart`);
    if (action === 'freeze') this.say(`SIGSTOP: ${titleOf(name)} stands still (pid ${process.pid})`);
    if (action === 'thaw') this.say(`SIGCONT: ${titleOf(name)} goes on`);
    this.changed();
  }

  async #end(name: string, process: DemoProcess, end: () => void): Promise<void> {
    this.#doing.set(name, 'ending');
    this.changed();
    end();
    const how = await process.exited;
    this.#doing.delete(name);
    this.say(`${titleOf(name)}: its process ended (${how})`);
    this.changed();
  }

  async #start(name: string): Promise<void> {
    this.#doing.set(name, 'starting');
    this.changed();
    try {
      if (name !== 'gateway') await this.#stage.startBackend(name);
      else {
        await this.#stage.startGateway();
        await this.#readHeartbeat();
      }
    } catch (error) {
      throw new Refused(500, error instanceof Error ? error.message : String(error));
    } finally {
      this.#doing.delete(name);
      this.changed();
    }
    const process = name === 'gateway' ? this.#stage.gateway : this.#stage.backends.get(name);
    this.say(`${titleOf(name)} runs again (pid ${process?.pid})`);
  }
}

function titleOf(name: string): string {
  return name === 'gateway' ? 'the gateway' : `backend ${name}`;
}

/** JSON of this page and of no other. */
async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const { host, origin } = request.headers;
  if (origin !== `http://${host}`) throw new Refused(403, 'Only the demo page may do that.');
  if (request.headers['content-type'] !== 'application/json') throw new Refused(415, 'application/json');
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk as string;
    if (text.length > maxBodyBytes) throw new Refused(413, 'too long');
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refused(400, 'no JSON');
  }
  if (typeof body !== 'object' || body === null) throw new Refused(400, 'no object');
  return body as Readonly<Record<string, unknown>>;
}
