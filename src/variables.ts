/** The table of what the environment can give to the `holdfast` command: HOLDFAST_... */
import { type TSchema, Type } from 'typebox';
import { type AdminRole, tokenPattern } from './admin/settings.ts';
import { CommandSchema } from './command-schema.ts';
import { listOf, named, readSecret, readToken, readWorkers } from './variable-texts.ts';

export interface Variable {
  readonly name: string;
  /** Where it goes, as dotted paths. */
  readonly keys: readonly string[];
  readonly schema: TSchema;
  readonly help: string;
  /** What is set, of the text that was given. @throws ConfigInvalid */
  readonly read?: (text: string, name: string) => unknown;
}

/** How a text is taken that does not look like the value of its key. */
type Form = Pick<Variable, 'schema' | 'read'>;

const list: Form = { schema: Type.String(), read: listOf };
const workers: Form = { schema: Type.String(), read: readWorkers };
const proxies: Form = {
  schema: Type.String(),
  read: (text) => (text === 'true' || text === 'false' ? text === 'true' : listOf(text)),
};
const token = (role: AdminRole): Form => ({
  schema: Type.String({ pattern: tokenPattern }),
  read: (text) => [named(role, text)],
});
const FileName = Type.String({ minLength: 1 });
const tokenFile = (role: AdminRole): Form => ({
  schema: FileName,
  read: (file, name) => [named(role, readToken(file, name))],
});
const secretFile = (what: string): Form => ({
  schema: FileName,
  read: (file, name) => readSecret(file, name, what),
});
/** The number alone: null is for the file. */
const timeout: Form = { schema: CommandSchema.properties.heartbeat.properties.client.properties.timeoutMs.anyOf[0] };

/** Name, key or keys, help, and the form of the text where it is not that of the key. */
const rows: readonly (readonly [string, string | readonly string[], string, Form?])[] = [
  ['HOLDFAST_HOST', 'host', 'address to listen on (127.0.0.1)'],
  ['HOLDFAST_PORT', 'port', 'port, 0 = any (8080)'],
  [
    'HOLDFAST_WORKERS',
    'workers',
    'processes that serve the clients, auto = one for each core, 0 = this one does it all (0)',
    workers,
  ],
  ['HOLDFAST_PATH', 'path', 'route of the clients (/ws)'],
  ['HOLDFAST_BACKENDS', 'backends', 'ws:// or wss:// urls, comma separated', list],
  [
    'HOLDFAST_ALLOWED_ORIGINS',
    'allowedOrigins',
    'pages that may connect, by their Origin, comma separated (same-origin,loopback)',
    list,
  ],
  [
    'HOLDFAST_TRUST_PROXY',
    'trustProxy',
    'addresses and subnets of the proxies in front, comma separated; true = whoever connects (false)',
    proxies,
  ],
  ['HOLDFAST_DISCOVERY_DNS_NAME', 'discovery.dns.name', 'full name whose addresses are backends as well'],
  ['HOLDFAST_DISCOVERY_DNS_PORT', 'discovery.dns.port', 'their port, unless SRV records have it'],
  ['HOLDFAST_DISCOVERY_DNS_RECORDS', 'discovery.dns.records', 'address, a, aaaa or srv (address = A and AAAA)'],
  ['HOLDFAST_DISCOVERY_DNS_SCHEME', 'discovery.dns.scheme', 'their scheme, ws or wss (ws)'],
  ['HOLDFAST_DISCOVERY_DNS_PATH', 'discovery.dns.path', 'their path (/)'],
  ['HOLDFAST_DISCOVERY_DNS_INTERVAL_MS', 'discovery.dns.intervalMs', 'milliseconds between two lookups (5000)'],
  [
    'HOLDFAST_DISCOVERY_DNS_GRACE_MS',
    'discovery.dns.graceMs',
    'how long one may be missing before it is drained (10000)',
  ],
  [
    'HOLDFAST_DISCOVERY_DNS_SERVERS',
    'discovery.dns.servers',
    'DNS servers, comma separated (those of the system)',
    list,
  ],
  [
    'HOLDFAST_ADMIN_TOKEN',
    'admin.tokens',
    'token of the admin API, at least 8 characters (one is made up and printed)',
    token('write'),
  ],
  [
    'HOLDFAST_ADMIN_TOKEN_FILE',
    'admin.tokens',
    'file with that token, so that it stands in no environment',
    tokenFile('write'),
  ],
  [
    'HOLDFAST_ADMIN_READ_TOKEN',
    'admin.tokens',
    'token that may only read, for Prometheus and dashboards',
    token('read'),
  ],
  ['HOLDFAST_ADMIN_READ_TOKEN_FILE', 'admin.tokens', 'file with that token', tokenFile('read')],
  ['HOLDFAST_ADMIN_HOST', 'admin.listen.host', 'address of the admin port (127.0.0.1)'],
  ['HOLDFAST_ADMIN_PORT', 'admin.listen.port', 'port for the admin API alone (that of the clients)'],
  ['HOLDFAST_ADMIN_TLS_CERT', 'admin.listen.tls.cert', 'certificate of the admin port: a PEM file'],
  ['HOLDFAST_ADMIN_TLS_KEY', 'admin.listen.tls.key', 'its private key: a PEM file'],
  ['HOLDFAST_TLS_CERT', 'tls.cert', 'certificate to serve https and wss with: a PEM file'],
  ['HOLDFAST_TLS_KEY', 'tls.key', 'its private key: a PEM file'],
  ['HOLDFAST_TLS_PASSPHRASE', 'tls.passphrase', 'opens that key'],
  [
    'HOLDFAST_TLS_CLIENT_CA',
    'tls.clientCa',
    'who may have signed the certificates that all callers must show: a PEM file',
  ],
  ['HOLDFAST_BACKEND_TLS_CA', 'backendTls.ca', 'who may have signed the certificates of wss backends: a PEM file'],
  ['HOLDFAST_BACKEND_TLS_CERT', 'backendTls.cert', 'certificate to show to wss backends: a PEM file'],
  ['HOLDFAST_BACKEND_TLS_KEY', 'backendTls.key', 'its private key: a PEM file'],
  ['HOLDFAST_BACKEND_TLS_PASSPHRASE', 'backendTls.passphrase', 'opens that key'],
  [
    'HOLDFAST_HEARTBEAT_INTERVAL_MS',
    ['heartbeat.client.intervalMs', 'heartbeat.backend.intervalMs'],
    'milliseconds between pings, both hops, 0 = off (25000)',
  ],
  [
    'HOLDFAST_HEARTBEAT_TIMEOUT_MS',
    ['heartbeat.client.timeoutMs', 'heartbeat.backend.timeoutMs'],
    'silence after which a link is given up, both hops (3 x interval)',
    timeout,
  ],
  ['HOLDFAST_BUFFER_MAX_BYTES_PER_PIPE', 'buffer.maxBytesPerPipe', 'most bytes kept of one client (5242880)'],
  ['HOLDFAST_MAX_MESSAGE_BYTES', 'maxMessageBytes', 'largest message (half of the buffer, as it is at any time)'],
  ['HOLDFAST_DELIVERY', 'delivery', 'at-least-once or at-most-once (at-least-once)'],
  ['HOLDFAST_REDIS_URL', 'redis.url', 'redis:// or rediss:// of the store that several gateways share (none)'],
  [
    'HOLDFAST_REDIS_URL_FILE',
    'redis.url',
    'file with that url, so that its password stands in no environment',
    secretFile('one url'),
  ],
  ['HOLDFAST_REDIS_USERNAME', 'redis.username', 'user of its ACL (that of the url)'],
  ['HOLDFAST_REDIS_PASSWORD', 'redis.password', 'password (that of the url)'],
  ['HOLDFAST_REDIS_PASSWORD_FILE', 'redis.password', 'file with that password', secretFile('one password')],
  [
    'HOLDFAST_REDIS_PREFIX',
    'redis.prefix',
    'before every key and channel; who has the same belong together (holdfast:)',
  ],
  ['HOLDFAST_REDIS_TLS_CA', 'redis.tls.ca', 'who may have signed the certificate of a rediss:// store: a PEM file'],
  ['HOLDFAST_REDIS_TLS_CERT', 'redis.tls.cert', 'certificate to show to it: a PEM file'],
  ['HOLDFAST_REDIS_TLS_KEY', 'redis.tls.key', 'its private key: a PEM file'],
  ['HOLDFAST_REDIS_TLS_PASSPHRASE', 'redis.tls.passphrase', 'opens that key'],
  ['HOLDFAST_GATEWAY_NAME', 'cluster.name', 'name of this gateway among several (gateway)'],
  ['HOLDFAST_GATEWAY_ADDRESS', 'cluster.address', 'where its HTTP can be reached, for GET /gateways (not told)'],
  ['HOLDFAST_LOG_LEVEL', 'logLevel', 'trace to fatal, or silent (info)'],
];

export const variables: readonly Variable[] = rows.map(([name, key, help, form]) => {
  const keys = typeof key === 'string' ? [key] : key;
  return { name, keys, help, ...(form ?? { schema: schemaOf(keys[0] ?? '') }) };
});

/** Of the key at a dotted path. */
function schemaOf(path: string): TSchema {
  let schema: TSchema = CommandSchema;
  for (const key of path.split('.')) {
    const { properties } = schema as { properties?: Readonly<Record<string, TSchema>> };
    const inner = properties?.[key];
    if (inner === undefined) throw new Error(`there is no key ${path}`);
    schema = inner;
  }
  return schema;
}
