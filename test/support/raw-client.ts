import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { acceptKeyFor } from './frame-codec.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { type RawHead, RawLink, type RawLinkOptions } from './raw-link.ts';
import { defaultTimeoutMs, until, WaitError, withTimeout } from './wait.ts';

export interface RawClientOptions extends RawLinkOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Where the client comes from. */
  readonly localAddress?: string | undefined;
  /** Default '/'. Sent as it is. */
  readonly path?: string | undefined;
  /** Added to or in place of the usual ones (by name, case matters not); null leaves one out; an array repeats it. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | null>> | undefined;
  readonly protocols?: readonly string[] | undefined;
  readonly method?: string | undefined;
  /** Sent in place of the whole request. */
  readonly rawRequest?: string | Uint8Array | undefined;
  /** Sent in one write with the request: frames that come before the 101. */
  readonly after?: Uint8Array | undefined;
  readonly tls?: ConnectionOptions | undefined;
  /** Keep our side open after the FIN of the other. Default false. */
  readonly halfOpen?: boolean | undefined;
}

export interface RawResponse extends RawHead {
  readonly status: number;
  readonly statusText: string;
  /** Of an answer that is no 101. */
  readonly body: string;
}

export class RawClient extends RawLink {
  /** The Sec-WebSocket-Key that was sent. */
  readonly key: string;

  constructor(socket: Socket, key: string, options: RawLinkOptions) {
    super(socket, 'raw client', true, options);
    this.key = key;
  }

  /** Waits for the answer to the handshake; without 101 also for its body. */
  async response(timeoutMs = defaultTimeoutMs): Promise<RawResponse> {
    const head = await withTimeout(this.headReceived.promise, timeoutMs, 'the answer to the handshake');
    const [, code = '', statusText = ''] = /^HTTP\/1\.\d (\d+) ?(.*)$/.exec(head.firstLine) ?? [];
    const status = Number(code);
    if (status !== 101) {
      const length = Number(head.headers['content-length'] ?? Number.POSITIVE_INFINITY);
      const complete = () => this.isClosed || Buffer.byteLength(this.body) >= length;
      await until(complete, { timeoutMs, what: `the body of the answer ${status}` });
    }
    return { ...head, status, statusText, body: this.body };
  }

  protected override onHead(head: RawHead): 'frames' | 'body' {
    return / 101( |$)/.test(head.firstLine) ? 'frames' : 'body';
  }
}

/** The request of a well-behaved client, with the changes the test asks for. */
export function handshakeRequest(options: RawClientOptions, key: string): string {
  const usual: Record<string, string> = {
    Host: `${options.host ?? '127.0.0.1'}:${options.port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
  };
  if (options.protocols?.length) usual['Sec-WebSocket-Protocol'] = options.protocols.join(', ');
  const changes = Object.entries(options.headers ?? {});
  const changed = new Set(changes.map(([name]) => name.toLowerCase()));
  const lines = Object.entries(usual)
    .filter(([name]) => !changed.has(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${value}`);
  for (const [name, value] of changes) {
    if (value === null) continue;
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  return `${options.method ?? 'GET'} ${options.path ?? '/'} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Connects and sends the handshake, but does not wait for the answer: `await client.response()`. */
export async function openRaw(t: OptionalOwner, options: RawClientOptions): Promise<RawClient> {
  const key = randomBytes(16).toString('base64');
  const host = options.host ?? '127.0.0.1';
  const { port, localAddress, halfOpen = false } = options;
  const target = { host, port, allowHalfOpen: halfOpen, ...(localAddress && { localAddress }) };
  const socket = options.tls
    ? connectTls({ ...target, servername: 'localhost', ...options.tls } as ConnectionOptions)
    : connectTcp(target);
  endWith(t, () => {
    socket.destroy();
  });
  const client = new RawClient(socket, key, options);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(options.tls ? 'secureConnect' : 'connect', () => resolve());
    socket.once('error', reject);
  });
  await withTimeout(connected, defaultTimeoutMs, `a connection to ${host}:${options.port}`);
  const request = Buffer.from(options.rawRequest ?? handshakeRequest(options, key));
  void client.sendBytes(options.after ? Buffer.concat([request, options.after]) : request);
  return client;
}

/** `openRaw` and the answer, which must have the status `expectStatus` (default 101, with a right accept key). */
export async function connectRaw(
  t: OptionalOwner,
  options: RawClientOptions & { readonly expectStatus?: number | undefined; readonly timeoutMs?: number | undefined },
): Promise<RawClient & { readonly answer: RawResponse }> {
  const client = await openRaw(t, options);
  const answer = await client.response(options.timeoutMs);
  const expected = options.expectStatus ?? 101;
  if (answer.status !== expected) {
    client.destroy();
    throw new WaitError(`Expected status ${expected}, got '${answer.firstLine}' ${answer.body}`);
  }
  const accept = answer.headers['sec-websocket-accept'];
  if (expected === 101 && !options.rawRequest && !hasKey(options) && accept !== acceptKeyFor(client.key)) {
    client.destroy();
    throw new WaitError(`Sec-WebSocket-Accept is ${accept}, not ${acceptKeyFor(client.key)}`);
  }
  return Object.assign(client, { answer });
}

function hasKey(options: RawClientOptions): boolean {
  return Object.keys(options.headers ?? {}).some((name) => name.toLowerCase() === 'sec-websocket-key');
}
