/** Opens a WebSocket connection to a backend: node:http with Upgrade, and every check of the answer. */
import { randomBytes } from 'node:crypto';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { checkResponse } from '../wire/handshake.ts';
import { AddressBlocked, checkedLookup, type RefuseAddress } from './checked-lookup.ts';
import {
  type DialError,
  type DialStage,
  describeEnd,
  describeError,
  describeStatus,
  describeTimeout,
} from './dial-failure.ts';

export type { DialError } from './dial-failure.ts';

export interface DialRequest {
  /** ws: or wss: url with path and query as they are to be sent. */
  readonly url: URL;
  /** Request target; the url's own path and query were merged with the client's. */
  readonly path: string;
  /** Headers beside those of the handshake. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Subprotocols to offer, in order. */
  readonly protocols: readonly string[];
  readonly tls?: ConnectionOptions | undefined;
  /** Asked for each address a name leads to, and for one that stands in the url; the attempt fails as 'blocked' where none is left. */
  readonly refuseAddress?: RefuseAddress;
}

export interface DialSuccess {
  readonly socket: Duplex;
  /** '' = none. */
  readonly protocol: string;
  /** Bytes that came behind the handshake. */
  readonly head: Buffer;
  readonly ticket: string | null;
}

export interface DialHandlers {
  dialed(success: DialSuccess): void;
  dialFailed(error: DialError): void;
}

export interface DialAttempt {
  /** Ends the attempt; no handler is called. */
  abort(): void;
  /** Gives the attempt up for its time: reported as a failure. */
  timeOut(timeoutMs: number): void;
}
/** Begins an attempt; exactly one of its handlers is called, once and not before it returns, unless it is aborted. */
export type DialFunction = (target: DialRequest, handlers: DialHandlers) => DialAttempt;

export const dial: DialFunction = (target, handlers) => new Dial(target, handlers);

/** A longer Holdfast-Ticket is not kept. */
const maxTicketBytes = 4096;

class Dial implements DialAttempt {
  #handlers: DialHandlers | null;
  #request: ClientRequest | null;
  #stage: DialStage;

  constructor(target: DialRequest, handlers: DialHandlers) {
    this.#handlers = handlers;
    const { url, path } = target;
    const key = randomBytes(16).toString('base64');
    const secure = url.protocol === 'wss:';
    // The hostname of a url keeps the brackets of an IPv6 address; net.connect does not want them.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
    const refuse = target.refuseAddress ?? acceptAny;
    this.#stage = isIP(host) === 0 ? 'lookup' : 'connection';
    // A connection to an address looks nothing up.
    const blocked = isIP(host) === 0 ? null : refuse(host);
    if (blocked !== null) {
      this.#request = null;
      process.nextTick(() => this.#fail({ failure: 'blocked', detail: blocked }));
      return;
    }
    const lookup = checkedLookup(refuse);
    this.#request = httpRequest({
      createConnection: () => {
        const socket = secure
          ? connectTls({
              servername: /^[\d.]+$|:/.test(host) ? '' : host,
              ALPNProtocols: ['http/1.1'],
              ...target.tls,
              host,
              port,
              lookup,
            })
          : connectTcp({ host, port, lookup, noDelay: true });
        this.#follow(socket, secure);
        return socket;
      },
      path,
      headers: {
        ...target.headers,
        host: url.host,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': key,
        ...(target.protocols.length === 0 ? {} : { 'sec-websocket-protocol': target.protocols.join(', ') }),
      },
    });
    this.#request.on('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => {
      const protocol =
        response.statusCode === 101
          ? checkResponse(response.headers, key, target.protocols)
          : { detail: `status ${response.statusCode}` };
      if (this.#handlers === null || typeof protocol !== 'string') {
        socket.on('error', ignore).destroy();
        if (typeof protocol !== 'string') this.#fail({ failure: 'bad-handshake', detail: protocol.detail });
        return;
      }
      const ticket = response.headers['holdfast-ticket'];
      this.#settle()?.dialed({
        socket,
        protocol,
        head,
        ticket: typeof ticket === 'string' && ticket.length <= maxTicketBytes ? ticket : null,
      });
    });
    this.#request.on('response', (response) => {
      response.destroy();
      const statusCode = response.statusCode ?? 0;
      // Without Upgrade and Connection it is no upgrade for node:http.
      if (statusCode === 101) this.#fail({ failure: 'bad-handshake', detail: 'its 101 upgrades nothing' });
      this.#fail(describeStatus(statusCode));
    });
    this.#request.on('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof AddressBlocked) {
        this.#fail({ failure: 'blocked', detail: error.message });
        return;
      }
      this.#fail(describeError(error, this.#stage, secure));
    });
    this.#request.on('close', () => this.#fail(describeEnd(this.#stage, secure)));
    this.#request.end();
  }

  abort(): void {
    const request = this.#request;
    this.#settle();
    request?.destroy();
  }

  timeOut(timeoutMs: number): void {
    const request = this.#request;
    this.#fail(describeTimeout(this.#stage, timeoutMs));
    request?.destroy();
  }

  /** So that an operator can be told how far it came. */
  #follow(socket: Socket, secure: boolean): void {
    const reached = (stage: DialStage) => () => {
      this.#stage = stage;
    };
    // Not for an address, which is not looked up: a listener left behind would hold all of this as long as the link lives.
    if (this.#stage === 'lookup') socket.once('lookup', reached('connection'));
    socket.once('connect', reached(secure ? 'tls' : 'answer'));
    if (secure) socket.once('secureConnect', reached('answer'));
  }

  #fail(error: DialError): void {
    this.#settle()?.dialFailed(error);
  }

  #settle(): DialHandlers | null {
    const handlers = this.#handlers;
    this.#handlers = null;
    this.#request = null;
    return handlers;
  }
}

function ignore(): void {}

function acceptAny(): null {
  return null;
}
