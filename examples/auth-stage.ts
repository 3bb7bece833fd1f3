/** What the examples of authentication share: a WebSocket backend, a client, a client that is refused. Nothing here is Holdfast's own. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

export interface Connection {
  send(text: string): void;
  onMessage(handler: (text: string) => void): void;
}

export async function startBackend(serve: (request: IncomingMessage, connection: Connection) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (ws, request) =>
    serve(request, {
      send: (text) => ws.send(text),
      onMessage: (handler) => ws.on('message', (data) => handler(String(data))),
    }),
  );
  await once(server, 'listening');
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

export async function connect(url: string, headers: Record<string, string>) {
  const ws = new WebSocket(url, { headers });
  const closed = once(ws, 'close').then(([code]) => code as number);
  await once(ws, 'open');
  return {
    closed,
    send: (text: string) => ws.send(text),
    next: async () => String((await once(ws, 'message'))[0]),
  };
}

/** The status a client is refused with, and its code; 101 = it was let in. */
export async function statusOf(url: string, headers: Record<string, string> = {}): Promise<string> {
  const ws = new WebSocket(url, { headers });
  return new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('open', () => {
      ws.terminate();
      resolve('101');
    });
    ws.on('unexpected-response', async (_request, response) => {
      let body = '';
      for await (const chunk of response) body += String(chunk);
      ws.on('error', () => {}).terminate();
      resolve(`${response.statusCode} ${(JSON.parse(body) as { code: string }).code}`);
    });
  });
}
