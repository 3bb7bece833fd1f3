/** Options that are code, and so cannot come from a file. */
import type { FastifyRequest } from 'fastify';
import type { Principal } from './access/principal.ts';

/**
 * Whether a page may connect; only `true` lets it. `origin` is undefined for what is no page in a browser.
 * Deadline: limits.hooksTimeoutMs.
 */
export type AllowedOriginsFunction = (
  origin: string | undefined,
  request: FastifyRequest,
) => boolean | Promise<boolean>;
/**
 * Who the client is, before its upgrade: a Principal, or `true` for somebody who may pass; anything else is refused with 401. What it throws
 * with a `statusCode` from 400 to 499 is the answer, anything else it throws is a 500. `signal` aborts when the client has left or the time is
 * over. Deadline: limits.hooksTimeoutMs.
 */
export type AuthenticateFunction = (
  request: FastifyRequest,
  context: { readonly signal: AbortSignal },
) => Principal | boolean | null | undefined | Promise<Principal | boolean | null | undefined>;
/**
 * Names the client of an upgrade request, in 1 to 256 printable characters. Default: the path parameter `clientId` (one of over 100
 * characters Fastify's router refuses, see its maxParamLength), else a random UUID. `principal` is what `authenticate` said; null = nothing.
 * Deadline: limits.hooksTimeoutMs.
 */
export type ClientIdFunction = (
  request: FastifyRequest,
  context: { readonly principal: Principal | null },
) => string | Promise<string>;
/** Delay before retry `attempt` (1 = first), in milliseconds. Default: full jitter between backoffBaseMs and backoffMaxMs. */
export type BackoffFunction = (attempt: number) => number;
/** Headers for each dial, from those of the client's latest accepted upgrade (a copy; what is returned is sent). */
export type RequestHeadersFunction = (
  headers: Record<string, string>,
  context: {
    readonly pipeId: string;
    readonly clientId: string;
    /** What `authenticate` said of the client's latest upgrade; null = nothing. */
    readonly principal: Principal | null;
    readonly backendId: string;
    readonly generation: number;
  },
) => Record<string, string> | Promise<Record<string, string>>;

/** What `onAttach` gets. Messages sent or received in it are not journaled and not passed on. */
export interface AttachContext {
  readonly pipe: {
    readonly id: string;
    readonly clientId: string;
    /** What `authenticate` said of the client's latest upgrade; null = nothing. */
    readonly principal: Principal | null;
    /** Agreed subprotocol; '' = none. */
    readonly protocol: string;
    /** Headers as a backend gets them. */
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly backend: { readonly id: string; readonly url: string; readonly labels: Readonly<Record<string, string>> };
  /** 1 at the first backend of a pipe. */
  readonly generation: number;
  readonly reason: 'open' | 'failover' | 'migrate';
  /** Sends a message to this backend, ahead of the replay. */
  readonly send: (data: string | Uint8Array) => void;
  /** The next message of this backend: text as a string, binary as a Buffer. Rejects when the link is lost or the hook is done. */
  readonly receive: () => Promise<string | Buffer>;
}
/** Runs on each new backend link before the replay; a rejection is a failed attempt. Deadline: failover.attachTimeoutMs. */
export type OnAttachFunction = (context: AttachContext) => void | Promise<void>;

/** Beside them there is `allowedOrigins`, which may be a function or a list. */
export interface HoldfastHooks {
  readonly authenticate?: AuthenticateFunction;
  readonly clientId?: ClientIdFunction;
  readonly backoff?: BackoffFunction;
  readonly requestHeaders?: RequestHeadersFunction;
  readonly onAttach?: OnAttachFunction;
}
