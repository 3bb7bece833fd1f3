/**
 * One request to a backend on a connection of its own, made by the rules of all such connections: addresses that may be connected to, TLS,
 * what is said where it fails. What an answer means is for those who extend it: an upgrade, or a plain GET.
 */
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  maxHeaderSize,
  type OutgoingHttpHeaders,
} from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { AddressBlocked, checkedLookup, type RefuseAddress } from './checked-lookup.ts';
import { type DialError, type DialStage, describeEnd, describeError, describeTimeout } from './dial-failure.ts';
import { boundKeyUpdates } from './key-updates.ts';
import { noRenegotiation } from './tls-files.ts';

export interface BackendTarget {
  /** ws: or wss: url of the backend. */
  readonly url: URL;
  /** Request target: path and query as they are to be sent. */
  readonly path: string;
  readonly tls?: ConnectionOptions | undefined;
  /** Asked for each address a name leads to, and for one that stands in the url; the attempt fails as 'blocked' where none is left. */
  readonly refuseAddress?: RefuseAddress;
}

export interface DialAttempt {
  /** Ends the attempt; no handler is called. */
  abort(): void;
  /** Gives the attempt up for its time: reported as a failure. */
  timeOut(timeoutMs: number): void;
}

export interface FailureHandler {
  dialFailed(error: DialError): void;
}

/** Node parses these one after the other, as many as a read brings, and bounds only the length of each. */
const maxInterimAnswers = 8;
/** More than those and the answer may have; what comes with the answer is not counted. */
const maxBytesBefore = (maxInterimAnswers + 2) * maxHeaderSize;

/** Begins with its construction; exactly one of its handlers is called, once and not before that is done, unless it is aborted. */
export abstract class BackendRequest<H extends FailureHandler> implements DialAttempt {
  #handlers: H | null;
  #request: ClientRequest | null;
  #stage: DialStage;
  #interimAnswers = 0;
  #bytesBefore = 0;
  readonly #countInterim = (): void => {
    this.#interimAnswers += 1;
    if (this.#interimAnswers > maxInterimAnswers)
      this.#giveUp({ failure: 'bad-handshake', detail: 'too many interim answers (1xx)' });
  };

  /** Line ends before an answer are nothing to the parser: no limit of its own holds them. */
  readonly #countBytes = (chunk: Buffer): void => {
    this.#bytesBefore += chunk.length;
    if (this.#bytesBefore > maxBytesBefore)
      this.#giveUp({ failure: 'bad-handshake', detail: 'it sends, but no answer' });
  };

  /** @param headers beside Host. */
  constructor(target: BackendTarget, headers: OutgoingHttpHeaders, handlers: H) {
    this.#handlers = handlers;
    const { url, path } = target;
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
      process.nextTick(() => this.fail({ failure: 'blocked', detail: blocked }));
      return;
    }
    const lookup = checkedLookup(refuse);
    this.#request = httpRequest({
      createConnection: () => {
        const socket = secure
          ? connectTls({
              servername: /^[\d.]+$|:/.test(host) ? '' : host,
              ALPNProtocols: ['http/1.1'],
              secureOptions: noRenegotiation,
              ...target.tls,
              host,
              port,
              lookup,
            })
          : connectTcp({ host, port, lookup });
        // Not as an option: tls.connect knows none.
        socket.setNoDelay(true);
        this.#follow(socket, secure);
        return socket;
      },
      path,
      headers: Object.assign({}, headers, { host: url.host }),
    });
    // Behind the listener of the parser, so that an answer has been taken as one.
    this.#request.on('socket', (socket) => socket.on('data', this.#countBytes));
    this.#request.on('information', this.#countInterim);
    this.#request.on('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.off('data', this.#countBytes);
      this.upgraded(response, socket, head);
    });
    this.#request.on('response', (response) => {
      response.destroy();
      this.answered(response.statusCode ?? 0);
    });
    this.#request.on('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof AddressBlocked) {
        this.fail({ failure: 'blocked', detail: error.message });
        return;
      }
      this.fail(describeError(error, this.#stage, secure));
    });
    this.#request.on('close', () => this.fail(describeEnd(this.#stage, secure)));
    this.#request.end();
  }

  abort(): void {
    const request = this.#request;
    this.settle();
    request?.destroy();
  }

  timeOut(timeoutMs: number): void {
    this.#giveUp(describeTimeout(this.#stage, timeoutMs));
  }

  /** The answer was 101, and the socket is ours; also where it is too late for that. */
  protected abstract upgraded(response: IncomingMessage, socket: Duplex, head: Buffer): void;

  /** Any other answer. The rest of it is not read. */
  protected abstract answered(statusCode: number): void;

  protected get settled(): boolean {
    return this.#handlers === null;
  }

  protected fail(error: DialError): void {
    this.settle()?.dialFailed(error);
  }

  /** Whom to tell how it ended; null = it is too late for that. */
  protected settle(): H | null {
    const handlers = this.#handlers;
    this.#handlers = null;
    this.#request = null;
    return handlers;
  }

  #giveUp(error: DialError): void {
    const request = this.#request;
    this.fail(error);
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
    if (secure) socket.once('secureConnect', reached('answer')).once('secureConnect', () => boundKeyUpdates(socket));
  }
}

function acceptAny(): null {
  return null;
}
