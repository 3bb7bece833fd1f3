/** Opens a WebSocket connection to a backend: a request with Upgrade, and every check of the answer. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { checkResponse } from '../wire/handshake.ts';
import { BackendRequest, type BackendTarget, type DialAttempt, type FailureHandler } from './backend-request.ts';
import { describeStatus } from './dial-failure.ts';

export type { DialAttempt } from './backend-request.ts';
export type { DialError } from './dial-failure.ts';

/** `path`: the url's own path and query were merged with the client's. */
export interface DialRequest extends BackendTarget {
  /** Headers beside those of the handshake. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Subprotocols to offer, in order. */
  readonly protocols: readonly string[];
}

export interface DialSuccess {
  readonly socket: Duplex;
  /** '' = none. */
  readonly protocol: string;
  /** Bytes that came behind the handshake. */
  readonly head: Buffer;
  readonly ticket: string | null;
}

export interface DialHandlers extends FailureHandler {
  dialed(success: DialSuccess): void;
}

/** Begins an attempt; exactly one of its handlers is called, once and not before it returns, unless it is aborted. */
export type DialFunction = (target: DialRequest, handlers: DialHandlers) => DialAttempt;

export const dial: DialFunction = (target, handlers) => new Dial(target, handlers);

/** A longer Holdfast-Ticket is not kept. */
const maxTicketBytes = 4096;

class Dial extends BackendRequest<DialHandlers> {
  readonly #key: string;
  readonly #protocols: readonly string[];

  constructor(target: DialRequest, handlers: DialHandlers) {
    const key = randomBytes(16).toString('base64');
    const own = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      ...(target.protocols.length === 0 ? {} : { 'sec-websocket-protocol': target.protocols.join(', ') }),
    };
    super(target, Object.assign({}, target.headers, own), handlers);
    this.#key = key;
    this.#protocols = target.protocols;
  }

  protected upgraded(response: IncomingMessage, socket: Duplex, head: Buffer): void {
    const protocol =
      response.statusCode === 101
        ? checkResponse(response.headers, this.#key, this.#protocols)
        : { detail: `status ${response.statusCode}` };
    if (this.settled || typeof protocol !== 'string') {
      socket.on('error', ignore).destroy();
      if (typeof protocol !== 'string') this.fail({ failure: 'bad-handshake', detail: protocol.detail });
      return;
    }
    const ticket = response.headers['holdfast-ticket'];
    this.settle()?.dialed({
      socket,
      protocol,
      head,
      ticket: typeof ticket === 'string' && ticket.length <= maxTicketBytes ? ticket : null,
    });
  }

  protected answered(statusCode: number): void {
    // Without Upgrade and Connection it is no upgrade for node:http.
    if (statusCode === 101) this.fail({ failure: 'bad-handshake', detail: 'its 101 upgrades nothing' });
    this.fail(describeStatus(statusCode));
  }
}

function ignore(): void {}
