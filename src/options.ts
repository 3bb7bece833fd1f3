/**
 * Every option of the plugin and of the config file: one TypeBox schema with units in the names, defaults filled in once
 * at the edge, the result frozen. The sections that are long are with the code they are for; functions are in hooks.ts.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AllowedOrigins } from './access/allowed-origins.ts';
import type { AdminTokens } from './admin/admin-tokens.ts';
import type { AdminSettings, AdminToken } from './admin/settings.ts';
import { clusterProperties } from './cluster/settings.ts';
import type { ClusterStore } from './cluster/store.ts';
import { checkDnsDiscovery, DiscoverySchema } from './discovery/settings.ts';
import { OptionsInvalid } from './errors.ts';
import { defaultHeartbeat, HeartbeatPatch, type HeartbeatSettings, mergeHeartbeat } from './heartbeat/settings.ts';
import type { AllowedOriginsFunction, HoldfastHooks } from './hooks.ts';
import { AddressList } from './limits/address-list.ts';
import { limitProperties } from './limits/settings.ts';
import { BackendTls } from './link/backend-tls.ts';
import { BackendTlsSchema, type BackendTlsSettings } from './link/tls-settings.ts';
import { bufferProperties, mergeBuffer } from './pipe/buffer-settings.ts';
import { closingProperties, drainProperties, failoverProperties, resumeProperties } from './pipe/settings.ts';
import { AllowedBackendsOption } from './pool/allowed-backends-settings.ts';
import { checkHealthOption } from './pool/health-settings.ts';
import { BackendInput, poolProperties } from './pool/settings.ts';
import { describeSchemaError } from './schema-error.ts';
import { ms, oneOf, section } from './settings.ts';

const strict = { additionalProperties: false } as const;
/** What the router takes and a request can have: no wildcard, optional part or expression of the router's, no query, no fragment. */
const route = '^/[^*?#()]*$';

export const HoldfastOptionsSchema = Type.Object(
  {
    path: Type.String({
      default: '/ws',
      pattern: route,
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
        description:
          'Largest message in bytes, at most half of buffer.maxBytesPerPipe. Default: that half, also after PATCH /config/buffer.',
      }),
    ),
    buffer: section(bufferProperties, 'Memory bounds.'),
    heartbeat: Type.Optional(HeartbeatPatch),
    failover: section(failoverProperties, 'What happens when a backend fails.'),
    pool: section(poolProperties, 'Choice and health of backends.'),
    backendTls: Type.Optional(BackendTlsSchema),
    drain: section(drainProperties, 'Moving pipes away from a backend.'),
    closing: section(closingProperties, 'Closing handshake.'),
    resume: section(resumeProperties, 'Clients that come back to their own pipe.'),
    client: section(
      {
        serve: Type.Boolean({ default: true, description: 'Serve the browser library as client.js and status.js.' }),
        path: Type.String({ default: '/holdfast', pattern: route, description: 'Where it is served.' }),
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
   * As AdminTokens they can be replaced later. Or a hook of your own, which throws or answers (`return reply`) when the caller may not pass. It
   * returns an AdminIdentity; `true`, nothing, or an object without name and role counts as `{ name: 'host', role: 'write' }`, and anything
   * else (false, null, a text, a number, an array) is 401. Required.
   */
  readonly auth?:
    | { readonly tokens: readonly (string | AdminToken)[] | AdminTokens }
    | ((request: FastifyRequest, reply: FastifyReply) => Promise<unknown>);
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
  /** Null = half of `buffer.maxBytesPerPipe`, as it is at any time. */
  readonly maxMessageBytes: number | null;
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
  const { heartbeat, maxMessageBytes = null, backends, backendTls: tls, ...rest } = filled;
  try {
    mergeBuffer(rest.buffer, {}, maxMessageBytes);
  } catch (error) {
    throw new OptionsInvalid((error as Error).message);
  }
  // What cannot be said by the schema: both throw where an entry is wrong.
  new AllowedOrigins(rest.allowedOrigins);
  new AddressList(rest.limits.exemptAddresses, 'limits.exemptAddresses');
  if (rest.discovery?.dns !== undefined) checkDnsDiscovery(rest.discovery.dns);
  checkHealthOption(rest.pool.health);
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
    maxMessageBytes,
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
