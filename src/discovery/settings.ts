/** Backends that are found by DNS: what can be set about it. */
import { isIPv4, isIPv6 } from 'node:net';
import { type Static, Type } from 'typebox';
import { OptionsInvalid } from '../errors.ts';
import { removalModes } from '../pool/settings.ts';
import { ms } from '../settings.ts';

const strict = { additionalProperties: false } as const;

export const DnsDiscoverySchema = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$',
      description:
        'Full name that is looked up, such as chat-backends.default.svc.cluster.local; no search list is used.',
    }),
    records: Type.Enum(['address', 'a', 'aaaa', 'srv'], {
      default: 'address',
      description: 'What is asked for: address = A and AAAA. SRV records have ports and weights of their own.',
    }),
    port: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_535, description: 'Port of every backend; not with SRV records.' }),
    ),
    scheme: Type.Enum(['ws', 'wss'], {
      default: 'ws',
      description: 'Scheme of every backend; for wss give backendTls.servername, since their urls have addresses.',
    }),
    path: Type.String({
      default: '/',
      pattern: '^/[^#]*$',
      maxLength: 1024,
      description: 'Path of every backend, with a query string if need be.',
    }),
    weight: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'Weight of every backend; left out: that of the SRV record, where they differ, else 1.',
      }),
    ),
    maxConnections: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description: 'Most pipes of each at one time; left out: no limit.',
      }),
    ),
    intervalMs: ms(
      5000,
      'Time between two lookups, give or take a tenth. Times to live are for the resolver to keep.',
      100,
    ),
    timeoutMs: ms(3000, 'Longest time for a lookup; over it nothing changes until the next one.', 100),
    graceMs: ms(10_000, 'A backend that is missing from the answers for this long is taken out.'),
    removal: Type.Enum(removalModes, {
      default: 'migrate',
      description: 'How: migrate = it drains, its pipes move first; force = they fail over now.',
    }),
    onEmpty: Type.Enum(['keep', 'remove'], {
      default: 'keep',
      description: 'An answer without any address: keep = all stay, as when DNS fails; remove = all are missing.',
    }),
    maxBackends: Type.Integer({
      default: 256,
      minimum: 1,
      maximum: 10_000,
      description: 'Most backends that are taken from an answer; those that are there already come first.',
    }),
    servers: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
      default: [],
      maxItems: 8,
      description: 'DNS servers as address, address:port or [address]:port; none = those of the system.',
    }),
  },
  { ...strict, description: 'Backends are the addresses of a name; each gateway finds them by itself.' },
);
type Given = Static<typeof DnsDiscoverySchema>;
export type DnsDiscoverySettings = Readonly<Omit<Given, 'servers'>> & { readonly servers: readonly string[] };

export const DiscoverySchema = Type.Object(
  { dns: Type.Optional(DnsDiscoverySchema) },
  { ...strict, description: 'Backends that are found, beside those that are registered.' },
);

/** What no schema can say. @throws HOLDFAST_ERR_OPTIONS */
export function checkDnsDiscovery({ records, port, servers }: DnsDiscoverySettings): void {
  if (records === 'srv' && port !== undefined)
    throw new OptionsInvalid(
      'discovery.dns.port cannot be set with discovery.dns.records "srv": the records have ports.',
    );
  if (records !== 'srv' && port === undefined)
    throw new OptionsInvalid('discovery.dns.port is missing: addresses have none (discovery.dns.records).');
  for (const [index, server] of servers.entries())
    if (!isServer(server))
      throw new OptionsInvalid(
        `discovery.dns.servers[${index}] must be an address, address:port or [address]:port, such as 10.0.0.10:53.`,
      );
}

function isServer(text: string): boolean {
  if (isIPv4(text) || isIPv6(text)) return true;
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) return false;
  return six === undefined ? isIPv4(four ?? '') : isIPv6(six);
}
