/** The table of what the environment can give to the `holdfast` command: HOLDFAST_... */
import { type TSchema, Type } from 'typebox';
import { tokenPattern } from './admin/settings.ts';
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

const keys = CommandSchema.properties;
const tls = keys.tls.properties;
const backendTls = keys.backendTls.properties;
const token = Type.String({ pattern: tokenPattern });
const listen = keys.admin.properties.listen.properties;
const dns = keys.discovery.properties.dns.properties;
const cluster = keys.cluster.properties;
const redis = keys.redis.properties;
const redisTls = redis.tls.properties;
const heartbeat = keys.heartbeat.properties.client.properties;

export const variables: readonly Variable[] = [
  { name: 'HOLDFAST_HOST', keys: ['host'], schema: keys.host, help: 'address to listen on (127.0.0.1)' },
  { name: 'HOLDFAST_PORT', keys: ['port'], schema: keys.port, help: 'port, 0 = any (8080)' },
  {
    name: 'HOLDFAST_WORKERS',
    keys: ['workers'],
    schema: Type.String(),
    help: 'processes that serve the clients, auto = one for each core, 0 = this one does it all (0)',
    read: readWorkers,
  },
  { name: 'HOLDFAST_PATH', keys: ['path'], schema: keys.path, help: 'route of the clients (/ws)' },
  {
    name: 'HOLDFAST_BACKENDS',
    keys: ['backends'],
    schema: Type.String(),
    help: 'ws:// or wss:// urls, comma separated',
    read: listOf,
  },
  {
    name: 'HOLDFAST_ALLOWED_ORIGINS',
    keys: ['allowedOrigins'],
    schema: Type.String(),
    help: 'pages that may connect, by their Origin, comma separated (same-origin,loopback)',
    read: listOf,
  },
  {
    name: 'HOLDFAST_TRUST_PROXY',
    keys: ['trustProxy'],
    schema: Type.String(),
    help: 'addresses and subnets of the proxies in front, comma separated; true = whoever connects (false)',
    read: (text) => (text === 'true' || text === 'false' ? text === 'true' : listOf(text)),
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_NAME',
    keys: ['discovery.dns.name'],
    schema: dns.name,
    help: 'full name whose addresses are backends as well',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_PORT',
    keys: ['discovery.dns.port'],
    schema: dns.port,
    help: 'their port, unless SRV records have it',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_RECORDS',
    keys: ['discovery.dns.records'],
    schema: dns.records,
    help: 'address, a, aaaa or srv (address = A and AAAA)',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_SCHEME',
    keys: ['discovery.dns.scheme'],
    schema: dns.scheme,
    help: 'their scheme, ws or wss (ws)',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_PATH',
    keys: ['discovery.dns.path'],
    schema: dns.path,
    help: 'their path (/)',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_INTERVAL_MS',
    keys: ['discovery.dns.intervalMs'],
    schema: dns.intervalMs,
    help: 'milliseconds between two lookups (5000)',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_GRACE_MS',
    keys: ['discovery.dns.graceMs'],
    schema: dns.graceMs,
    help: 'how long one may be missing before it is drained (10000)',
  },
  {
    name: 'HOLDFAST_DISCOVERY_DNS_SERVERS',
    keys: ['discovery.dns.servers'],
    schema: Type.String(),
    help: 'DNS servers, comma separated (those of the system)',
    read: listOf,
  },
  {
    name: 'HOLDFAST_ADMIN_TOKEN',
    keys: ['admin.tokens'],
    schema: token,
    help: 'token of the admin API, at least 8 characters (one is made up and printed)',
    read: (text) => [named('write', text)],
  },
  {
    name: 'HOLDFAST_ADMIN_TOKEN_FILE',
    keys: ['admin.tokens'],
    schema: Type.String({ minLength: 1 }),
    help: 'file with that token, so that it stands in no environment',
    read: (text, name) => [named('write', readToken(text, name))],
  },
  {
    name: 'HOLDFAST_ADMIN_READ_TOKEN',
    keys: ['admin.tokens'],
    schema: token,
    help: 'token that may only read, for Prometheus and dashboards',
    read: (text) => [named('read', text)],
  },
  {
    name: 'HOLDFAST_ADMIN_READ_TOKEN_FILE',
    keys: ['admin.tokens'],
    schema: Type.String({ minLength: 1 }),
    help: 'file with that token',
    read: (text, name) => [named('read', readToken(text, name))],
  },
  {
    name: 'HOLDFAST_ADMIN_HOST',
    keys: ['admin.listen.host'],
    schema: listen.host,
    help: 'address of the admin port (127.0.0.1)',
  },
  {
    name: 'HOLDFAST_ADMIN_PORT',
    keys: ['admin.listen.port'],
    schema: listen.port,
    help: 'port for the admin API alone (that of the clients)',
  },
  {
    name: 'HOLDFAST_ADMIN_TLS_CERT',
    keys: ['admin.listen.tls.cert'],
    schema: listen.tls.properties.cert,
    help: 'certificate of the admin port: a PEM file',
  },
  {
    name: 'HOLDFAST_ADMIN_TLS_KEY',
    keys: ['admin.listen.tls.key'],
    schema: listen.tls.properties.key,
    help: 'its private key: a PEM file',
  },
  {
    name: 'HOLDFAST_TLS_CERT',
    keys: ['tls.cert'],
    schema: tls.cert,
    help: 'certificate to serve https and wss with: a PEM file',
  },
  { name: 'HOLDFAST_TLS_KEY', keys: ['tls.key'], schema: tls.key, help: 'its private key: a PEM file' },
  { name: 'HOLDFAST_TLS_PASSPHRASE', keys: ['tls.passphrase'], schema: tls.passphrase, help: 'opens that key' },
  {
    name: 'HOLDFAST_TLS_CLIENT_CA',
    keys: ['tls.clientCa'],
    schema: tls.clientCa,
    help: 'who may have signed the certificates that all callers must show: a PEM file',
  },
  {
    name: 'HOLDFAST_BACKEND_TLS_CA',
    keys: ['backendTls.ca'],
    schema: backendTls.ca,
    help: 'who may have signed the certificates of wss backends: a PEM file',
  },
  {
    name: 'HOLDFAST_BACKEND_TLS_CERT',
    keys: ['backendTls.cert'],
    schema: backendTls.cert,
    help: 'certificate to show to wss backends: a PEM file',
  },
  {
    name: 'HOLDFAST_BACKEND_TLS_KEY',
    keys: ['backendTls.key'],
    schema: backendTls.key,
    help: 'its private key: a PEM file',
  },
  {
    name: 'HOLDFAST_BACKEND_TLS_PASSPHRASE',
    keys: ['backendTls.passphrase'],
    schema: backendTls.passphrase,
    help: 'opens that key',
  },
  {
    name: 'HOLDFAST_HEARTBEAT_INTERVAL_MS',
    keys: ['heartbeat.client.intervalMs', 'heartbeat.backend.intervalMs'],
    schema: heartbeat.intervalMs,
    help: 'milliseconds between pings, both hops, 0 = off (25000)',
  },
  {
    name: 'HOLDFAST_HEARTBEAT_TIMEOUT_MS',
    keys: ['heartbeat.client.timeoutMs', 'heartbeat.backend.timeoutMs'],
    schema: heartbeat.timeoutMs.anyOf[0],
    help: 'silence after which a link is given up, both hops (3 x interval)',
  },
  {
    name: 'HOLDFAST_BUFFER_MAX_BYTES_PER_PIPE',
    keys: ['buffer.maxBytesPerPipe'],
    schema: keys.buffer.properties.maxBytesPerPipe,
    help: 'most bytes kept of one client (5242880)',
  },
  {
    name: 'HOLDFAST_MAX_MESSAGE_BYTES',
    keys: ['maxMessageBytes'],
    schema: keys.maxMessageBytes,
    help: 'largest message (half of the buffer)',
  },
  {
    name: 'HOLDFAST_DELIVERY',
    keys: ['delivery'],
    schema: keys.delivery,
    help: 'at-least-once or at-most-once (at-least-once)',
  },
  {
    name: 'HOLDFAST_REDIS_URL',
    keys: ['redis.url'],
    schema: redis.url,
    help: 'redis:// or rediss:// of the store that several gateways share (none)',
  },
  {
    name: 'HOLDFAST_REDIS_URL_FILE',
    keys: ['redis.url'],
    schema: Type.String({ minLength: 1 }),
    help: 'file with that url, so that its password stands in no environment',
    read: (text, name) => readSecret(text, name, 'one url'),
  },
  {
    name: 'HOLDFAST_REDIS_USERNAME',
    keys: ['redis.username'],
    schema: redis.username,
    help: 'user of its ACL (that of the url)',
  },
  {
    name: 'HOLDFAST_REDIS_PASSWORD',
    keys: ['redis.password'],
    schema: redis.password,
    help: 'password (that of the url)',
  },
  {
    name: 'HOLDFAST_REDIS_PASSWORD_FILE',
    keys: ['redis.password'],
    schema: Type.String({ minLength: 1 }),
    help: 'file with that password',
    read: (text, name) => readSecret(text, name, 'one password'),
  },
  {
    name: 'HOLDFAST_REDIS_PREFIX',
    keys: ['redis.prefix'],
    schema: redis.prefix,
    help: 'before every key and channel; who has the same belong together (holdfast:)',
  },
  {
    name: 'HOLDFAST_REDIS_TLS_CA',
    keys: ['redis.tls.ca'],
    schema: redisTls.ca,
    help: 'who may have signed the certificate of a rediss:// store: a PEM file',
  },
  {
    name: 'HOLDFAST_REDIS_TLS_CERT',
    keys: ['redis.tls.cert'],
    schema: redisTls.cert,
    help: 'certificate to show to it: a PEM file',
  },
  {
    name: 'HOLDFAST_REDIS_TLS_KEY',
    keys: ['redis.tls.key'],
    schema: redisTls.key,
    help: 'its private key: a PEM file',
  },
  {
    name: 'HOLDFAST_REDIS_TLS_PASSPHRASE',
    keys: ['redis.tls.passphrase'],
    schema: redisTls.passphrase,
    help: 'opens that key',
  },
  {
    name: 'HOLDFAST_GATEWAY_NAME',
    keys: ['cluster.name'],
    schema: cluster.name,
    help: 'name of this gateway among several (gateway)',
  },
  {
    name: 'HOLDFAST_GATEWAY_ADDRESS',
    keys: ['cluster.address'],
    schema: cluster.address,
    help: 'where its HTTP can be reached, for GET /gateways (not told)',
  },
  {
    name: 'HOLDFAST_LOG_LEVEL',
    keys: ['logLevel'],
    schema: keys.logLevel,
    help: 'trace to fatal, or silent (info)',
  },
];
