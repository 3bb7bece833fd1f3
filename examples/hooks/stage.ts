/** What the examples of hooks share: small WebSocket backends that can crash, a gateway, a client. Nothing here is Holdfast's own. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import holdfast, { type HoldfastOptions } from '../../src/index.ts';

export interface Message {
  readonly type: string;
  readonly [key: string]: unknown;
}

export interface ExampleBackend {
  readonly name: string;
  readonly url: string;
  /** As if the process had died: every connection is gone at once, and all it knew. */
  crash(): void;
}

export interface BackendConnection {
  readonly request: IncomingMessage;
  send(message: Message): void;
  onMessage(handler: (message: Message) => void): void;
}

/** @param serve called for each connection; what it remembers is lost in a crash. */
export async function startBackend(
  name: string,
  serve: (connection: BackendConnection) => void,
  options: { headers?: (request: IncomingMessage) => readonly string[] } & ServerOptions = {},
): Promise<ExampleBackend> {
  const { headers, ...rest } = options;
  const server = createServer();
  const webSockets = new WebSocketServer({ server, ...rest });
  webSockets.on('headers', (lines, request) => lines.push(...(headers?.(request) ?? [])));
  webSockets.on('connection', (ws, request) => {
    ws.on('error', () => {});
    serve({
      request,
      send: (message) => ws.send(JSON.stringify(message)),
      onMessage: (handler) => ws.on('message', (data) => handler(JSON.parse(String(data)) as Message)),
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    name,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    crash: () => {
      server.close();
      for (const ws of webSockets.clients) ws.terminate();
    },
  };
}

export async function startGateway(options: HoldfastOptions): Promise<{ url: string; close(): Promise<void> }> {
  const app = Fastify();
  const token = randomBytes(16).toString('hex');
  // The first backend gets the first client; the examples want to know which one to crash.
  await app.register(holdfast, {
    pool: { balancing: 'round-robin' },
    shutdown: { spreadMs: 0 },
    ...options,
    admin: { auth: { tokens: [token] } },
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${port}/ws`, close: () => app.close() };
}

/** A client that prints what it sends and gets. */
export async function connect(url: string, headers: Record<string, string> = {}) {
  const ws = new WebSocket(url, { headers });
  const waiting: Message[] = [];
  let wake = (): void => {};
  ws.on('message', (data) => {
    console.log(`client < ${String(data)}`);
    waiting.push(JSON.parse(String(data)) as Message);
    wake();
  });
  ws.on('close', (code) => console.log(`client closed: ${code}`));
  await once(ws, 'open');
  return {
    send(message: Message): void {
      console.log(`client > ${JSON.stringify(message)}`);
      ws.send(JSON.stringify(message));
    },
    async next(): Promise<Message> {
      while (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift()!;
    },
    close: () => ws.terminate(),
  };
}
