/** What can be set about the admin API without code: the part of the option `admin` that a file may hold too. Pure. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { OptionsInvalid } from '../errors.ts';
import { trustProxySchema } from '../limits/trust-proxy-settings.ts';
import { ListenerTlsSchema } from '../link/tls-settings.ts';
import { describeSchemaError } from '../schema-error.ts';

const strict = { additionalProperties: false } as const;

export const tokenPattern = '^[!-~]{8,}$';
export const adminRoles = ['read', 'write'] as const;
/** read = GET; write = that and every change. */
export type AdminRole = (typeof adminRoles)[number];

/** Who calls the admin API. */
export interface AdminIdentity {
  /** For the audit: at most 64 characters. */
  readonly name: string;
  readonly role: AdminRole;
}

export const AdminTokenSchema = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9._@-]{1,64}$',
      description: 'Who has it, for the audit: 1 to 64 of A-Z a-z 0-9 . _ @ -.',
    }),
    role: Type.Enum(adminRoles, { description: 'read = GET only; write = changes too.' }),
    token: Type.Optional(Type.String({ pattern: tokenPattern, description: 'The token, or give sha256.' })),
    sha256: Type.Optional(
      Type.String({
        pattern: '^[0-9a-fA-F]{64}$',
        description: 'Its SHA-256 in hex, so that the token itself is nowhere.',
      }),
    ),
  },
  strict,
);
export type AdminToken = Readonly<Static<typeof AdminTokenSchema>>;

export const AdminListenSchema = Type.Object(
  {
    host: Type.Optional(Type.String({ minLength: 1, description: 'Address of the admin port; default 127.0.0.1.' })),
    port: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 65_535, description: 'Admin port; 0 = any that is free.' }),
    ),
    path: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: 'Unix socket, in place of host and port.' }),
    ),
    tls: Type.Optional(ListenerTlsSchema),
    trustProxy: Type.Optional(
      trustProxySchema(
        'Whose X-Forwarded-For names the caller of this port: addresses and subnets of the proxies in front; true = of whoever connects, where only a proxy can that overwrites the header.',
      ),
    ),
  },
  { ...strict, description: 'A port for the admin API alone; left out = it is served where the clients connect.' },
);
export type AdminListen = Readonly<Static<typeof AdminListenSchema>>;

export const adminProperties = {
  prefix: Type.String({
    default: '',
    pattern: '^(/[\\w.~-]+)*/?$',
    description: 'Put before every admin route, for instance /admin.',
  }),
  publicMetrics: Type.Boolean({ default: false, description: 'GET /metrics asks for no token.' }),
  maxFailures: Type.Integer({
    default: 10,
    minimum: 0,
    maximum: 1_000_000,
    description:
      'Wrong tokens from one address within admin.failureWindowMs after which it gets 429, also with the right one; 0 = no limit.',
  }),
  failureWindowMs: Type.Integer({
    default: 60_000,
    minimum: 1000,
    maximum: 86_400_000,
    description: 'Time over which wrong tokens are counted, and after which an address may try again.',
  }),
  auditLogLevel: Type.Optional(
    Type.Enum(['debug', 'info', 'warn', 'error'], {
      description: 'Level of the audit lines in the log; default: info for changes, warn for what was refused.',
    }),
  ),
  listen: Type.Optional(AdminListenSchema),
};

export const AdminSettingsSchema = Type.Object(adminProperties, strict);
/** Without `auth`, which may be code. */
export type AdminSettings = Static<typeof AdminSettingsSchema>;

/**
 * With the defaults filled in; `auth` is left out and not looked at.
 * @throws HOLDFAST_ERR_OPTIONS that names the key.
 */
export function resolveAdminSettings(given: Readonly<Record<string, unknown>>): AdminSettings {
  const { auth: _auth, ...rest } = given;
  const settings = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const filled: unknown = Value.Default(AdminSettingsSchema, structuredClone(settings));
  if (Value.Check(AdminSettingsSchema, filled)) return checkListen(filled);
  throw new OptionsInvalid(describeSchemaError(Type.Object({ admin: AdminSettingsSchema }), { admin: filled }));
}

function checkListen(settings: AdminSettings): AdminSettings {
  const { host, port, path, trustProxy } = settings.listen ?? {};
  if (path !== undefined && (host !== undefined || port !== undefined))
    throw new OptionsInvalid('admin.listen.path is given beside admin.listen.host or port. Give one or the other.');
  if (path !== undefined && Array.isArray(trustProxy))
    throw new OptionsInvalid(
      'admin.listen.trustProxy lists addresses, but whoever comes by admin.listen.path has none. Give true where only a proxy can open that socket.',
    );
  if (settings.listen !== undefined && path === undefined && port === undefined)
    throw new OptionsInvalid(
      `${host === undefined ? 'admin.listen' : 'admin.listen.host'} needs admin.listen.port, or give admin.listen.path for a Unix socket.`,
    );
  return settings;
}
