/** Who may call the admin API: bearer tokens with roles, or the host's own hook; the address that fails too often waits. */
import bearerAuth from '@fastify/bearer-auth';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AdminTokens, TokensInvalid } from '../src/admin/admin-tokens.ts';
import { type AdminIdentity, type AdminRole, type AdminToken, adminRoles } from '../src/admin/settings.ts';
import {
  AdminHookRefused,
  CrossSite,
  Forbidden,
  NoAdminAuth,
  OptionsInvalid,
  TooManyFailures,
  Unauthorized,
} from '../src/errors.ts';
import type { AdminOptions } from '../src/options.ts';
import type { FailureLimit } from './admin-failures.ts';

type Auth = NonNullable<AdminOptions['auth']>;
type Hook = Extract<Auth, (...args: never[]) => unknown>;
/** The tokens, checked; or the host's hook. */
export type CheckedAuth = AdminTokens | Hook;

const identities = new WeakMap<FastifyRequest, AdminIdentity>();
/** What only reads, whoever asks. */
const readMethods: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Who sent this request; undefined where that is not known, or not yet. */
export function identityOf(request: FastifyRequest): AdminIdentity | undefined {
  return identities.get(request);
}

export function isChange(request: FastifyRequest): boolean {
  return !readMethods.has(request.method);
}

/** Lets nobody in who does not show who they are and may do this. */
export async function guard(scope: FastifyInstance, auth: CheckedAuth, failures: FailureLimit): Promise<void> {
  const identify = typeof auth === 'function' ? hostIdentity(auth) : await bearerIdentity(scope, auth);
  scope.addHook('onRequest', async (request, reply) => {
    const turn = await failures.begin(request);
    if (typeof turn === 'number') {
      reply.header('retry-after', String(turn));
      throw new TooManyFailures(turn);
    }
    let failed = false;
    let identity: AdminIdentity | 'answered' | null;
    try {
      identity = await identify(request, reply);
      // Who shows nothing guesses nothing. What a hook looks at is not known here.
      if (identity === 'answered') failed = reply.statusCode === 401;
      else failed = identity === null && (typeof auth === 'function' || request.headers.authorization !== undefined);
    } finally {
      turn.end(failed);
    }
    if (identity === 'answered') return reply;
    if (identity === null) {
      challenge(request, reply);
      throw typeof auth === 'function' ? new AdminHookRefused() : new Unauthorized();
    }
    identities.set(request, identity);
    if (!isChange(request)) return undefined;
    if (identity.role !== 'write') {
      reply.header('www-authenticate', 'Bearer realm="holdfast", error="insufficient_scope", scope="write"');
      throw new Forbidden(identity.name);
    }
    if (isForged(request)) throw new CrossSite();
    return undefined;
  });
}

function challenge(request: FastifyRequest, reply: FastifyReply): void {
  if (reply.hasHeader('www-authenticate')) return;
  const wrong = request.headers.authorization === undefined ? '' : ', error="invalid_token"';
  reply.header('www-authenticate', `Bearer realm="holdfast"${wrong}`);
}

/**
 * True for a change that a page of another site may have had the browser send (CSRF). What a browser adds by itself, such as cookies, Basic
 * and client certificates, proves nothing then; a bearer token is only sent by who knows it.
 */
function isForged(request: FastifyRequest): boolean {
  const { authorization, origin, host } = request.headers;
  if (/^bearer /i.test(authorization ?? '')) return false;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}

/** Null = nobody who may pass. answered = the caller was told already. */
type Identify = (request: FastifyRequest, reply: FastifyReply) => Promise<AdminIdentity | 'answered' | null>;

async function bearerIdentity(scope: FastifyInstance, tokens: AdminTokens): Promise<Identify> {
  await scope.register(bearerAuth, {
    auth: (given: string, request: FastifyRequest) => {
      const found = tokens.find(given);
      if (found !== null) identities.set(request, found);
      return found !== null;
    },
    keys: [],
    addHook: false,
    // rfc6749: the scheme is matched without regard to case, as RFC 9110 section 11.1 says.
    specCompliance: 'rfc6749',
    verifyErrorLogLevel: 'debug',
  });
  return (request, reply) =>
    new Promise((resolve) => {
      scope.verifyBearerAuth?.(request, reply, (error) =>
        resolve(error === undefined ? (identityOf(request) ?? null) : null),
      );
    });
}

/** It may throw (a status of its own is kept), answer by itself, let nobody pass, or say who it is. */
function hostIdentity(hook: Hook): Identify {
  return async (request, reply) => {
    const answered = watchAnswer(reply);
    let passed: unknown;
    try {
      passed = await hook(request, reply);
    } catch (thrown) {
      if (answered()) return 'answered';
      const { statusCode } = (thrown ?? {}) as { statusCode?: unknown };
      if (typeof statusCode === 'number' && statusCode >= 400 && statusCode !== 401) throw thrown;
      request.log.info({ err: thrown }, 'the admin auth hook refused a request');
      return null;
    }
    if (answered()) return 'answered';
    return lets(passed) ? identityFrom(passed) : null;
  };
}

/**
 * `reply.sent` is false until the host's own onSend hooks are done, which may take their time: a hook that has answered and does not return
 * the reply would count as one without an objection.
 * @returns whether it was answered; it is watched no longer then.
 */
function watchAnswer(reply: FastifyReply): () => boolean {
  const { send } = reply;
  let answered = false;
  reply.send = (payload) => {
    answered = true;
    return send.call(reply, payload);
  };
  return () => {
    reply.send = send;
    return answered || reply.sent;
  };
}

/** Nothing is what a hook of Fastify returns that has no objection; whoever was looked up and not found is null, 0, '' or []. */
function lets(passed: unknown): passed is undefined | true | object {
  return (
    passed === undefined || passed === true || (typeof passed === 'object' && passed !== null && !Array.isArray(passed))
  );
}

/** @throws Error, answered as our own failure, for a role that does not exist: nobody may get in by a typing error. */
function identityFrom(passed: undefined | true | object): AdminIdentity {
  const { name, role = 'write' } = (typeof passed === 'object' ? passed : {}) as {
    name?: unknown;
    role?: unknown;
  };
  if (!(adminRoles as readonly unknown[]).includes(role))
    throw new Error(`admin.auth returned a role that is neither ${adminRoles.join(' nor ')}`);
  const shown = typeof name === 'string' ? name.replace(/\p{Cc}+/gu, ' ').slice(0, 64) : '';
  return { name: shown === '' ? 'host' : shown, role: role as AdminRole };
}

/** @throws HOLDFAST_ERR_NO_ADMIN_AUTH, HOLDFAST_ERR_OPTIONS */
export function checkAuth(auth: AdminOptions['auth']): CheckedAuth {
  if (typeof auth === 'function') {
    if (auth.length > 2) {
      throw new OptionsInvalid('admin.auth must be an async function of (request, reply); done is not supported.');
    }
    return auth;
  }
  const given: unknown = auth?.tokens;
  if (given instanceof AdminTokens) return given;
  if (!Array.isArray(given)) throw new NoAdminAuth();
  try {
    return new AdminTokens(given as (string | AdminToken)[]);
  } catch (error) {
    if (!(error instanceof TokensInvalid)) throw error;
    const refused = new NoAdminAuth();
    refused.message = `${error.message} ${refused.message}`;
    throw refused;
  }
}
