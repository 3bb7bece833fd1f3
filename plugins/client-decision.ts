/**
 * Whether a client may connect, and who it is: what the options and the host's hooks say of its upgrade request. All hooks together have
 * limits.hooksTimeoutMs, and are told by a signal when nobody waits for them any more.
 */
import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { AllowedOrigins } from '../src/access/allowed-origins.ts';
import { type Principal, principalOf } from '../src/access/principal.ts';
import { ClientGone, ClientIdInvalid, ClientUnauthenticated, HooksTimeout, OriginNotAllowed } from '../src/errors.ts';
import type { ClientRequest } from '../src/pipe/client-request.ts';
import type { PipeManager } from '../src/pipe/pipe-manager.ts';
import { addressOf } from './request-address.ts';
import { isGone } from './upgrade-request.ts';

/** What is known of a client once it may connect. */
export type DecidedClient = Pick<ClientRequest, 'clientId' | 'clientIdGiven' | 'principal'>;

export class ClientDecision {
  readonly #manager: PipeManager;
  readonly #origins: AllowedOrigins;

  constructor(manager: PipeManager) {
    this.#manager = manager;
    this.#origins = new AllowedOrigins(manager.options.allowedOrigins);
  }

  /**
   * Decided at once where no function of the host is asked.
   * @throws HOLDFAST_ERR_ORIGIN_NOT_ALLOWED, HOLDFAST_ERR_CLIENT_UNAUTHENTICATED, HOLDFAST_ERR_CLIENT_ID_INVALID,
   * HOLDFAST_ERR_HOOKS_TIMEOUT, HOLDFAST_ERR_CLIENT_GONE, and what the hooks throw.
   */
  decide(request: FastifyRequest, socket: Duplex): DecidedClient | Promise<DecidedClient> {
    const { allowedOrigins, authenticate, clientId } = this.#manager.options.hooks;
    if (allowedOrigins !== undefined || authenticate !== undefined || clientId !== undefined)
      return this.#ask(request, socket);
    if (!this.#originListed(request)) throw new OriginNotAllowed();
    return this.#decided(request, namedClientId(request) ?? randomUUID(), null);
  }

  async #ask(request: FastifyRequest, socket: Duplex): Promise<DecidedClient> {
    const time = new HooksTime(this.#manager, socket, addressOf(request));
    try {
      const allowed: unknown = await time.within(() => this.#originAllowed(request));
      if (allowed !== true) throw new OriginNotAllowed();
      const principal = await time.within(() => this.#authenticate(request, time.signal));
      const clientId: unknown = await time.within(() => this.#clientIdOf(request, principal));
      return this.#decided(request, clientId, principal);
    } finally {
      time.dispose();
    }
  }

  #originAllowed(request: FastifyRequest): boolean | Promise<boolean> {
    const own = this.#manager.options.hooks.allowedOrigins;
    return own === undefined ? this.#originListed(request) : own(request.raw.headers.origin, request);
  }

  #originListed(request: FastifyRequest): boolean {
    // With injectWS there is no socket to tell the protocol by.
    const protocol = request.raw.socket === undefined ? 'http' : request.protocol;
    // Some proxies say ws and wss.
    const secure = /^(?:http|ws)s$/.test(protocol);
    return this.#origins.allows(request.raw.headers.origin, { host: request.host ?? '', secure });
  }

  async #authenticate(request: FastifyRequest, signal: AbortSignal): Promise<Principal | null> {
    const { authenticate } = this.#manager.options.hooks;
    if (authenticate === undefined) return null;
    const principal = principalOf(await authenticate(request, { signal }));
    if (principal === undefined) throw new ClientUnauthenticated();
    return principal;
  }

  async #clientIdOf(request: FastifyRequest, principal: Principal | null): Promise<string> {
    const own = this.#manager.options.hooks.clientId;
    return own === undefined ? (namedClientId(request) ?? randomUUID()) : await own(request, { principal });
  }

  #decided(request: FastifyRequest, clientId: unknown, principal: Principal | null): DecidedClient {
    if (typeof clientId !== 'string')
      throw new ClientIdInvalid(`it is ${clientId === null ? 'null' : typeof clientId}`);
    if (!/^[^\p{Cc}\p{Cs}]{1,256}$/u.test(clientId))
      throw new ClientIdInvalid('it is empty, too long, or has control characters');
    const given = this.#manager.options.hooks.clientId !== undefined || namedClientId(request) !== undefined;
    return { clientId, clientIdGiven: given, principal };
  }
}

/** The one in the path. */
function namedClientId(request: FastifyRequest): string | undefined {
  return (request.params as { readonly clientId?: string }).clientId;
}

/** The time all hooks of one upgrade have. */
class HooksTime {
  readonly #socket: Duplex;
  readonly #controller = new AbortController();
  /** Rejects when nobody waits any more. */
  readonly #over: Promise<never>;
  readonly #timer;
  readonly #gone: () => void;

  constructor({ options, wheel, tally }: PipeManager, socket: Duplex, clientIp: string) {
    this.#socket = socket;
    const { hooksTimeoutMs } = options.limits;
    const { promise, reject } = withReject();
    this.#over = promise;
    const end = (error: Error): void => {
      reject(error);
      this.#controller.abort(error);
    };
    this.#gone = () => end(new ClientGone());
    const timeOut = (): void => {
      tally.hit('hooks-time', { clientIp });
      end(new HooksTimeout(hooksTimeoutMs));
    };
    this.#timer = wheel.timer({ timerFired: timeOut }, 'hooks');
    if (hooksTimeoutMs > 0) this.#timer.start(hooksTimeoutMs);
    socket.once('close', this.#gone).once('end', this.#gone);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What `hook` answers, if it does so in time. */
  async within<T>(hook: () => T | Promise<T>): Promise<T> {
    if (isGone(this.#socket)) throw new ClientGone();
    return Promise.race([hook(), this.#over]);
  }

  dispose(): void {
    this.#timer.stop();
    this.#socket.off('close', this.#gone).off('end', this.#gone);
  }
}

function withReject(): { readonly promise: Promise<never>; readonly reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<never>((_resolve, rejected) => {
    reject = rejected;
  });
  // Nobody may be waiting at that moment.
  promise.catch(() => {});
  return { promise, reject };
}
