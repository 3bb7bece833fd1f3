/** A gateway in this process, on 127.0.0.1 port 0, with what happened on record. */
import type { ServerOptions } from 'node:http';
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import holdfast from '../../src/index.ts';
import type { EventName, HoldfastEvents } from '../../src/observe/events.ts';
import type { HoldfastOptions } from '../../src/options.ts';
import type { PipeManager } from '../../src/pipe/pipe-manager.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { until } from './wait.ts';

export const adminToken = 'test-token-0123456789';

export interface Recorded<N extends EventName = EventName> {
  readonly name: N;
  readonly event: HoldfastEvents[N];
  /** performance.now() */
  readonly at: number;
}

export interface TestGateway {
  readonly app: FastifyInstance;
  readonly manager: PipeManager;
  readonly port: number;
  /** ws://127.0.0.1:port/ws */
  readonly url: string;
  readonly httpUrl: string;
  /** All events so far, in order. */
  readonly events: readonly Recorded[];
  eventsOf<N extends EventName>(name: N): HoldfastEvents[N][];
  /** Resolves with the first event of this name that fits, also one that was before. */
  waitFor<N extends EventName>(
    name: N,
    fits?: (event: HoldfastEvents[N]) => boolean,
    timeoutMs?: number,
  ): Promise<HoldfastEvents[N]>;
  /** A request to the admin API; `body` goes as JSON. */
  admin(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; body: unknown }>;
  close(): Promise<void>;
}

export interface TestGatewayOptions extends HoldfastOptions {
  readonly fastify?: FastifyServerOptions | { http: ServerOptions } | { https: { key: string; cert: string } };
  /** Before the plugin is registered. */
  readonly prepare?: (app: FastifyInstance) => void | Promise<void>;
  readonly port?: number;
}

/** Starts a gateway that ends with the test. Default shutdown.spreadMs is 0, so that tests end at once. */
export async function startGateway(t: OptionalOwner, given: TestGatewayOptions = {}): Promise<TestGateway> {
  const { fastify, prepare, port: wanted = 0, ...options } = given;
  const app = Fastify({ logger: false, ...fastify } as FastifyServerOptions) as unknown as FastifyInstance;
  await prepare?.(app);
  await app.register(holdfast, { admin: { auth: { tokens: [adminToken] } }, shutdown: { spreadMs: 0 }, ...options });
  const events: Recorded[] = [];
  await app.ready();
  const manager = app.pipeManager;
  manager.events.tap((name, event) => events.push({ name, event, at: performance.now() } as Recorded));
  await app.listen({ port: wanted, host: '127.0.0.1' });
  const { port } = app.server.address() as { port: number };
  const secure = 'cert' in app.server || app.initialConfig.https !== undefined;
  const httpUrl = `${secure ? 'https' : 'http'}://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    await app.close();
  };
  endWith(t, close);
  return {
    app,
    manager,
    port,
    url: `${secure ? 'wss' : 'ws'}://127.0.0.1:${port}/ws`,
    httpUrl,
    events,
    eventsOf: <N extends EventName>(name: N) =>
      events.filter((one) => one.name === name).map((one) => one.event as HoldfastEvents[N]),
    waitFor: async <N extends EventName>(
      name: N,
      fits: (event: HoldfastEvents[N]) => boolean = () => true,
      timeoutMs = 5000,
    ) => {
      const find = () => events.find((one) => one.name === name && fits(one.event as HoldfastEvents[N]));
      await until(() => find() !== undefined, {
        timeoutMs,
        what: () =>
          `the event ${name}; there were ${
            events
              .slice(-20)
              .map((one) => one.name)
              .join(', ') || 'none'
          }`,
      });
      return find()!.event as HoldfastEvents[N];
    },
    admin: async (method, path, body, headers = {}) => {
      const response = await fetch(`${httpUrl}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? null : (JSON.parse(text) as unknown),
      };
    },
    close,
  };
}
