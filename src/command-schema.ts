/** Every key of the `holdfast` command's config file, in one schema. */
import { type Static, Type } from 'typebox';
import { AdminTokenSchema, adminProperties, tokenPattern } from './admin/settings.ts';
import { redisProperties } from './cluster/settings.ts';
import { trustProxySchema } from './limits/trust-proxy-settings.ts';
import { ListenerTlsSchema, RedisTlsSchema } from './link/tls-settings.ts';
import { HoldfastOptionsSchema } from './options.ts';
import { WorkersSchema } from './workers/settings.ts';

const strict = { additionalProperties: false } as const;

/** Every key of the config file: the options of the plugin, and what only the command has. */
export const CommandSchema = Type.Object(
  {
    ...HoldfastOptionsSchema.properties,
    host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on; 0.0.0.0 = all.' }),
    port: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: 'Port; 0 = any that is free.' }),
    logLevel: Type.Enum(['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'], {
      default: 'info',
      description: 'Least level that is logged; trace has every heartbeat.',
    }),
    workers: WorkersSchema,
    tls: Type.Optional(ListenerTlsSchema),
    redis: Type.Optional(
      Type.Object(
        { ...redisProperties, tls: Type.Optional(RedisTlsSchema) },
        { ...strict, description: 'The Redis that several gateways share; left out = this one is alone.' },
      ),
    ),
    trustProxy: trustProxySchema(
      'Whose word counts for X-Forwarded-For, -Proto and -Host: addresses and subnets of the proxies in front; true = of whoever connects, where only a proxy can that overwrites what a client says.',
    ),
    http: Type.Object(
      {
        headersTimeoutMs: Type.Integer({
          default: 10_000,
          minimum: 1,
          maximum: 3_600_000,
          description:
            'How long a connection may take to send the head of a request, as an upgrade is; with TLS the handshake before it has as long.',
        }),
        requestTimeoutMs: Type.Integer({
          default: 30_000,
          minimum: 1,
          maximum: 3_600_000,
          description: 'How long it may take to send a whole request. At least headersTimeoutMs.',
        }),
      },
      { ...strict, default: {}, description: 'What comes before the upgrade.' },
    ),
    admin: Type.Object(
      {
        ...adminProperties,
        tokens: Type.Optional(
          Type.Array(Type.Union([Type.String({ pattern: tokenPattern }), AdminTokenSchema]), {
            description:
              'Bearer tokens, at least 8 characters each: a string, which may write, or { name, role: read or write, token, or its sha256 }; left out: one is made up and printed.',
          }),
        ),
      },
      { ...strict, default: {}, description: 'The admin REST API.' },
    ),
  },
  strict,
);
export type CommandKeys = Static<typeof CommandSchema>;
/** What several gateways share, as the command is told. */
export type RedisSettings = NonNullable<CommandKeys['redis']>;

/** The message is one line that names the key or the file. */
export class ConfigInvalid extends Error {
  override readonly name = 'ConfigInvalid';
}
