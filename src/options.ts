/**
 * Every option of the plugin and of the config file: one TypeBox schema with units in the names, defaults filled in once
 * at the edge, the result frozen. Functions cannot come from a file and are listed in HoldfastHooks.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AllowedOrigins } from './access/allowed-origins.ts';
import type { Principal } from './access/principal.ts';
import type { AdminTokens } from './admin/admin-tokens.ts';
import type { AdminSettings, AdminToken } from './admin/settings.ts';
import { clusterProperties } from './cluster/settings.ts';
import type { ClusterStore } from './cluster/store.ts';
import { checkDnsDiscovery, DiscoverySchema } from './discovery/settings.ts';
import { OptionsInvalid } from './errors.ts';
import { defaultHeartbeat, HeartbeatPatch, type HeartbeatSettings, mergeHeartbeat } from './heartbeat/settings.ts';
import { AddressList } from './limits/address-list.ts';
import { limitProperties } from './limits/settings.ts';
import { BackendTls } from './link/backend-tls.ts';
import { BackendTlsSchema, type BackendTlsSettings } from './link/tls-settings.ts';
import { bufferProperties, mergeBuffer } from './pipe/buffer-settings.ts';
import { AllowedBackendsOption } from './pool/allowed-backends-settings.ts';
import { describeSchemaError } from './schema-error.ts';

const strict = { additionalProperties: false } as const;

/** An object whose every key has a default, so that it may be left out whole or in part. */
function section<P extends Record<string, TSchema>>(properties: P, description: string) {
  return Type.Object(properties, { ...strict, description, default: {} });
}
const count = (value: number, description: string, minimum = 0) =>
  Type.Integer({ default: value, minimum, description });
const ms = (value: number, description: string, minimum = 0) =>
  Type.Integer({ default: value, minimum, maximum: 86_400_000, description });
const oneOf = <const T extends string[]>(values: readonly [...T], description: string) =>
  Type.Enum([...values] as [...T], { default: values[0] as string, description });

export const BackendInput = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 2048,
      description: 'ws:// or wss:// address of the backend, without credentials and without #fragment.',
    }),
    id: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._-]{1,64}$',
        description: 'Name in routes, logs and metrics: 1 to 64 of A-Z a-z 0-9 . _ -; made up when left out.',
      }),
    ),
    weight: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 1,
        description: 'Share of new pipes, against the other weights.',
      }),
    ),
    maxConnections: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()], {
        default: null,
        description: 'Most pipes at one time; null = no limit.',
      }),
    ),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9._/-]{1,64}$' }), Type.String({ maxLength: 256 }), {
        // Not additionalProperties: false, on which Value.Default of typebox 1.4 throws.
        propertyNames: { pattern: '^[A-Za-z0-9._/-]{1,64}$' },
        maxProperties: 32,
        description: 'Notes of your own, shown in GET /backends; keys are 1 to 64 of A-Z a-z 0-9 . _ / -.',
      }),
    ),
  },
  strict,
);
export type BackendInput = Static<typeof BackendInput>;

export const HoldfastOptionsSchema = Type.Object(
  {
    path: Type.String({
      default: '/ws',
      pattern: '^/',
      description:
        'Route of the clients; the route and all below it is served, what follows is appended to the path of the backend.',
    }),
    backends: Type.Array(Type.Union([Type.String(), BackendInput]), {
      default: [],
      description: 'Backends registered at the start.',
    }),
    discovery: Type.Optional(DiscoverySchema),
    allowedBackends: AllowedBackendsOption,
    delivery: oneOf(
      ['at-least-once', 'at-most-once'],
      'What a failover does with messages the dead backend may have received: send them again, or never.',
    ),
    maxMessageBytes: Type.Optional(
      Type.Integer({
        minimum: 125,
        description: 'Largest message in bytes; default and most: half of buffer.maxBytesPerPipe.',
      }),
    ),
    buffer: section(bufferProperties, 'Memory bounds.'),
    heartbeat: Type.Optional(HeartbeatPatch),
    failover: section(
      {
        codes: Type.Array(Type.Integer({ minimum: 1000, maximum: 4999 }), {
          default: [1001, 1006, 1011, 1012, 1013, 1014],
          description: 'Close codes of a backend that mean "take the next one"; 1006 = gone without a Close.',
        }),
        handshakeWaitMs: ms(2000, 'How long an upgrade waits for the first backend.'),
        maxInterruptionMs: ms(
          120_000,
          'Longest time without a backend before the client is closed with 1013; 0 = no limit.',
        ),
        maxReplays: count(
          3,
          'Links in a row that may fail with the same oldest message before the client is closed with 1011.',
          1,
        ),
        attachTimeoutMs: ms(5000, 'Longest time for the onAttach hook.', 1),
        probationMs: ms(1000, 'A link that fails sooner counts as a failure of its backend.'),
        backoffBaseMs: ms(50, 'First retry delay, full jitter.', 1),
        backoffMaxMs: ms(2000, 'Longest retry delay.', 1),
      },
      'What happens when a backend fails.',
    ),
    pool: section(
      {
        balancing: oneOf(
          ['least-connections', 'round-robin', 'random-two', 'hash'],
          'How the next backend is chosen; hash = by client id.',
        ),
        maxConcurrentDials: count(64, 'Handshakes under way at one time, per backend.', 1),
        dialTimeoutMs: ms(5000, 'Longest time for connection and handshake with a backend.', 1),
        maxErrors: count(0, 'Failures without a success between them that remove a backend for good; 0 = never.'),
        ejectAfter: count(5, 'Consecutive failures that leave a backend out for a while; 0 = never.'),
        ejectBaseMs: ms(1000, 'First time left out; doubled each further time.', 1),
        ejectMaxMs: ms(60_000, 'Longest time left out.', 1),
        maxEjectionPercent: Type.Integer({
          default: 50,
          minimum: 0,
          maximum: 100,
          description: 'Most of the pool that may be left out at one time.',
        }),
        slowStartMs: ms(
          0,
          'A backend that joins or returns gets its full share of new pipes only after this time; 0 = at once.',
        ),
      },
      'Choice and health of backends.',
    ),
    backendTls: Type.Optional(BackendTlsSchema),
    drain: section(
      {
        quietMs: ms(200, 'An old link is left when nothing came from it for this long after its barrier.'),
        tailMs: ms(2000, 'Longest time an old link is read on after its barrier.'),
        timeoutMs: ms(30_000, 'Pipes that have not moved by then fail over.', 1),
        pipesPerSecond: count(500, 'Pipes moved per second.', 1),
      },
      'Moving pipes away from a backend.',
    ),
    closing: section(
      {
        handshakeMs: ms(5000, 'Longest wait for the answer to a Close before the connection is dropped.', 1),
        lingerMs: ms(10_000, 'How long messages of a client that is gone are still brought to a backend.'),
      },
      'Closing handshake.',
    ),
    resume: section(
      {
        windowMs: ms(
          60_000,
          'How long a resumable client (holdfast.v1) may be away before its pipe is closed; 0 = not at all.',
        ),
        startTimeoutMs: ms(10_000, 'How long a resumable client may take to say what it wants.', 1),
      },
      'Clients that come back to their own pipe.',
    ),
    client: section(
      {
        serve: Type.Boolean({ default: true, description: 'Serve the browser library as client.js and status.js.' }),
        path: Type.String({ default: '/holdfast', pattern: '^/', description: 'Where it is served.' }),
      },
      'The browser library.',
    ),
    shutdown: section(
      { spreadMs: ms(2000, 'Clients are closed with 1012 spread over this time.') },
      'End of the gateway.',
    ),
    allowedOrigins: Type.Array(Type.String({ minLength: 1, maxLength: 300 }), {
      default: ['same-origin', 'loopback'],
      description:
        'Pages that may connect, by their Origin: "same-origin", "loopback" (pages of this machine, where the client connects to a loopback name: a development server), origins such as https://app.example.com or https://*.example.com, "null", or "*" for all. Clients that send no Origin are no pages and may connect.',
    }),
    cluster: section(clusterProperties, 'Several gateways as one; takes effect with a store that they share.'),
    limits: section(limitProperties, 'What clients may do.'),
    onDuplicateClient: oneOf(
      ['reject', 'replace'],
      'A second client with the id of a live one, at whatever gateway of the cluster: refused with 409, or takes its place (the older is closed with 4409).',
    ),
  },
  strict,
);
type Parsed = Static<typeof HoldfastOptionsSchema>;

/** What the file, the environment and the plugin may say; every key has a default. */
export type HoldfastSettings = DeepPartial<Parsed>;
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T;

/** The admin REST API; what is missing has the default of AdminSettings. */
export interface AdminOptions extends Partial<AdminSettings> {
  /**
   * Bearer tokens: `{ name, role: 'read' | 'write', token }`, or `sha256` (hex) in place of `token`; a string alone has the role write.
   * As AdminTokens they can be replaced later. Or a hook of your own that throws, answers, or returns false when the caller may not pass, else an AdminIdentity; anything else it
   * returns counts as `{ name: 'host', role: 'write' }`. Required.
   */
  readonly auth?:
    | { readonly tokens: readonly (string | AdminToken)[] | AdminTokens }
    | ((request: FastifyRequest, reply: FastifyReply) => Promise<unknown>);
}

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
 * Names the client of an upgrade request. Default: the path parameter `clientId`, else a random UUID. `principal` is what `authenticate`
 * said; null = nothing. Deadline: limits.hooksTimeoutMs.
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

/** Options that are code and so cannot come from a file. */
export interface HoldfastHooks {
  readonly authenticate?: AuthenticateFunction;
  readonly clientId?: ClientIdFunction;
  readonly backoff?: BackoffFunction;
  readonly requestHeaders?: RequestHeadersFunction;
  readonly onAttach?: OnAttachFunction;
}

export interface MetricsOptions {
  /** The host's own prom-client registry, to show its metrics and ours on one page. Default: one of our own. */
  readonly registry?: Registry;
  /** What GET /metrics answers instead of the registry of this process: for instance that of several processes together. */
  readonly page?: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

/** In code, PEM may also be given as it was read. */
export type BackendTlsOptions = {
  readonly [K in keyof BackendTlsSettings]?:
    | BackendTlsSettings[K]
    | (K extends PemKey ? Uint8Array : never)
    | undefined;
};
type PemKey = (typeof pemKeys)[number];
const pemKeys = ['ca', 'cert', 'key'] as const;

export interface HoldfastOptions
  extends Omit<HoldfastSettings, 'backendTls' | 'allowedOrigins' | 'cluster'>,
    HoldfastHooks {
  /** A list as in the file, or a function. */
  readonly allowedOrigins?: readonly string[] | AllowedOriginsFunction | undefined;
  /** TLS towards wss:// backends: own CA, client certificate, name; `app.pipeManager.reloadTls()` reads the files anew. */
  readonly backendTls?: BackendTlsOptions | undefined;
  /**
   * Several gateways as one. `store` is what they share: redisStore() of `fastify-holdfast/redis`, or another ClusterStore. Without it this
   * gateway is alone.
   */
  readonly cluster?:
    | (NonNullable<HoldfastSettings['cluster']> & { readonly store?: ClusterStore | undefined })
    | undefined;
  /** The admin REST API; false leaves it out. Without it and without auth the plugin refuses to start. */
  readonly admin?: AdminOptions | false;
  /** GET /metrics of the admin API. */
  readonly metrics?: MetricsOptions;
}

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** All options with their defaults, frozen. `heartbeat` is the start value; the live one is with the PipeManager. */
export type ResolvedOptions = DeepReadonly<
  Omit<Parsed, 'heartbeat' | 'maxMessageBytes' | 'backends' | 'backendTls'>
> & {
  readonly backends: readonly BackendInput[];
  readonly maxMessageBytes: number;
  readonly heartbeat: HeartbeatSettings;
  /** With the files as they were read; null = TLS with the usual authorities. */
  readonly backendTls: BackendTls | null;
  readonly hooks: HoldfastHooks & { readonly allowedOrigins?: AllowedOriginsFunction };
};

const hookNames = ['authenticate', 'clientId', 'backoff', 'requestHeaders', 'onAttach'] as const;

/**
 * Checks the options, fills in the defaults and reads certificates; the given object is not changed.
 * @throws HOLDFAST_ERR_OPTIONS with one line that names the key.
 */
export function resolveOptions(given: HoldfastOptions): ResolvedOptions {
  const {
    admin: _admin,
    metrics: _metrics,
    allowedOrigins: origins,
    authenticate,
    clientId,
    backoff,
    requestHeaders,
    onAttach,
    backendTls,
    cluster,
    ...settings
  } = given;
  const allowedOrigins = typeof origins === 'function' ? origins : undefined;
  const hooks: ResolvedOptions['hooks'] = dropUndefined({
    authenticate,
    allowedOrigins,
    clientId,
    backoff,
    requestHeaders,
    onAttach,
  });
  for (const name of hookNames) {
    if (hooks[name] !== undefined && typeof hooks[name] !== 'function')
      throw new OptionsInvalid(`${name} must be a function.`);
  }
  const filled: unknown = Value.Default(
    HoldfastOptionsSchema,
    copyOf(
      dropUndefined({
        ...settings,
        cluster: withoutStore(cluster),
        allowedOrigins: allowedOrigins === undefined ? origins : undefined,
        backendTls: withPemText(backendTls),
      }),
    ),
  );
  assertOptions(filled);
  const { heartbeat, maxMessageBytes, backends, backendTls: tls, ...rest } = filled;
  const maxMessage = maxMessageBytes ?? Math.floor(rest.buffer.maxBytesPerPipe / 2);
  try {
    mergeBuffer(rest.buffer, {}, maxMessage);
  } catch (error) {
    throw new OptionsInvalid((error as Error).message);
  }
  // What cannot be said by the schema: both throw where an entry is wrong.
  new AllowedOrigins(rest.allowedOrigins);
  new AddressList(rest.limits.exemptAddresses, 'limits.exemptAddresses');
  if (rest.discovery?.dns !== undefined) checkDnsDiscovery(rest.discovery.dns);
  if (rest.cluster.memberTtlMs < 3 * rest.cluster.beatMs) {
    throw new OptionsInvalid(
      `cluster.memberTtlMs (${rest.cluster.memberTtlMs}) is below 3 x cluster.beatMs (${rest.cluster.beatMs}): a gateway would be taken for gone when one beat is late.`,
    );
  }
  if (rest.failover.backoffMaxMs < rest.failover.backoffBaseMs) {
    throw new OptionsInvalid(
      `failover.backoffMaxMs (${rest.failover.backoffMaxMs}) is below failover.backoffBaseMs (${rest.failover.backoffBaseMs}).`,
    );
  }
  return deepFreeze({
    ...rest,
    backends: backends.map((backend) => (typeof backend === 'string' ? { url: backend } : backend)),
    maxMessageBytes: maxMessage,
    heartbeat: mergeHeartbeat(defaultHeartbeat, heartbeat ?? {}),
    backendTls: tls === undefined ? null : new BackendTls(tls),
    hooks,
  });
}

function assertOptions(value: unknown): asserts value is Parsed {
  if (Value.Check(HoldfastOptionsSchema, value)) return;
  throw new OptionsInvalid(describeSchemaError(HoldfastOptionsSchema, value));
}

/** The store is an object with a life of its own: neither copied nor frozen. */
function withoutStore(given: HoldfastOptions['cluster']): Omit<typeof given, 'store'> | undefined {
  if (typeof given !== 'object' || given === null) return given;
  const { store, ...rest } = given;
  if (store !== undefined && (typeof store !== 'object' || store === null || typeof store.beat !== 'function'))
    throw new OptionsInvalid('cluster.store must be a store, as redisStore() of fastify-holdfast/redis makes one.');
  return rest;
}

function withPemText(given: BackendTlsOptions | undefined): BackendTlsOptions | undefined {
  if (typeof given !== 'object' || given === null) return given;
  const texts = pemKeys.map((key) => [key, given[key]] as const).filter(([, value]) => value instanceof Uint8Array);
  return dropUndefined({
    ...given,
    ...Object.fromEntries(texts.map(([key, value]) => [key, Buffer.from(value as Uint8Array).toString()])),
  });
}

/** Every place gets a copy of its own, also where the caller gave one object for several. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]));
}

function dropUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
