/**
 * Judges what may be a backend, so that who may register one cannot make the gateway speak to whatever it can reach. The url is judged at
 * registration; the address that is really connected to at each dial, since a name may lead elsewhere by then (DNS rebinding).
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { OptionsInvalid } from '../errors.ts';
import { type AllowedBackendsSettings, defaultAllowedBackends } from './allowed-backends-settings.ts';

/** Refused unless `linkLocal`. */
const special: readonly (readonly [kind: string, networks: readonly string[]])[] = [
  ['is link-local', ['169.254.0.0/16', 'fe80::/10']],
  [
    'belongs to a cloud metadata service',
    [
      // AWS, and its EKS pod identity; Google; Oracle; Scaleway.
      'fd00:ec2::254',
      'fd00:ec2::23',
      'fd20:ce::254',
      'fd00:c1::a9fe:a9fe',
      'fd00:42::42',
      // Alibaba; the host agent of Azure; Oracle Classic.
      '100.100.100.200',
      '168.63.129.16',
      '192.0.0.192',
    ],
  ],
  ['is no address of one machine', ['0.0.0.0/8', '::', '224.0.0.0/4', 'ff00::/8', '255.255.255.255']],
];

type Ports = readonly (readonly [from: number, to: number])[];
type DeepReadonly<T> = { readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? readonly E[] : T[K] };

export class AllowedBackends {
  readonly #schemes: readonly string[];
  readonly #names: readonly string[];
  readonly #anyHost: boolean;
  readonly #literals: BlockList;
  readonly #addresses: BlockList;
  readonly #except: BlockList;
  readonly #special: readonly (readonly [kind: string, networks: BlockList])[];
  readonly #ports: Ports;

  /**
   * @throws HOLDFAST_ERR_OPTIONS for an entry that cannot be read.
   */
  constructor(settings: DeepReadonly<AllowedBackendsSettings> = defaultAllowedBackends) {
    const { schemes, hosts, addresses, exceptAddresses, linkLocal, ports } = settings;
    this.#schemes = schemes.map((scheme) => `${scheme}:`);
    this.#anyHost = hosts.includes('*');
    const literals = hosts.filter(isNetwork);
    this.#literals = networksOf('hosts', literals);
    this.#names = hosts
      .map((host, index) => [host, index] as const)
      .filter(([host]) => host !== '*' && !isNetwork(host))
      .map(([host, index]) => nameOf(host, index));
    this.#addresses = networksOf('addresses', addresses);
    this.#except = networksOf('exceptAddresses', exceptAddresses);
    this.#special = linkLocal ? [] : special.map(([kind, networks]) => [kind, networksOf('', networks)]);
    this.#ports = ports.map(portsOf);
  }

  /** Why this ws: or wss: url may not be registered; null = it may. A name is not resolved here. */
  refuseUrl(url: URL): string | null {
    if (!this.#schemes.includes(url.protocol)) return `${url.protocol}// is not in allowedBackends.schemes`;
    const port = url.port === '' ? (url.protocol === 'wss:' ? 443 : 80) : Number(url.port);
    if (!this.#ports.some(([from, to]) => port >= from && port <= to))
      return `port ${port} is not in allowedBackends.ports`;
    const host = hostOf(url);
    if (!this.#allowsHost(host)) return `${host} is not in allowedBackends.hosts`;
    return isIP(host) === 0 ? null : this.refuseAddress(host);
  }

  /** Why this IPv4 or IPv6 address may not be connected to; null = it may. */
  refuseAddress(text: string): string | null {
    // What a resolver answers may have a zone: fe80::1%eth0.
    const address = text.replace(/%.*$/s, '');
    if (isIP(address) === 0) return 'is no address';
    const forms = [address, ...embeddedIpv4(address)];
    for (const [kind, networks] of this.#special)
      if (forms.some((form) => has(networks, form))) return `${address} ${kind}`;
    if (forms.some((form) => has(this.#except, form))) return `${address} is in allowedBackends.exceptAddresses`;
    return has(this.#addresses, address) ? null : `${address} is not in allowedBackends.addresses`;
  }

  #allowsHost(host: string): boolean {
    if (this.#anyHost) return true;
    if (isIP(host) !== 0) return has(this.#literals, host);
    return this.#names.some((name) => (name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name));
  }
}

/** The host of a url as net.connect wants it: an IPv6 address without brackets, a name without the dot of the root. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/(?<=[^.])\.$/, '');
}

/** Addresses of the old world inside one of the new: what a translator or tunnel on the way would lead to. */
function embeddedIpv4(address: string): string[] {
  if (!isIPv6(address)) return [];
  const groups = groupsOf(address);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const last = dotted(g, h);
  const leadingZeros = groups.findIndex((group) => group !== 0);
  // RFC 4291: compatible ::a.b.c.d, mapped ::ffff:a.b.c.d; RFC 2765: translated ::ffff:0:a.b.c.d.
  if (leadingZeros === 6 || (leadingZeros === 5 && f === 0xffff)) return [last];
  if (leadingZeros === 4 && e === 0xffff && f === 0) return [last];
  // RFC 6052 and RFC 8215: NAT64; a prefix of one's own may be of any of these lengths. RFC 3056: 6to4. RFC 4380: Teredo. RFC 5214: ISATAP.
  if (a === 0x64 && b === 0xff9b && c === 1) {
    const others = [
      dotted(d, (low(e) << 8) | high(f)),
      dotted((low(d) << 8) | low(e), f),
      dotted((low(e) << 8) | high(f), (low(f) << 8) | high(g)),
    ];
    // 0.0.0.0/8 leads nowhere: zeros before or behind an address of another length.
    return [last, ...others.filter((other) => !other.startsWith('0.'))];
  }
  if (a === 0x64 && b === 0xff9b) return [last];
  if ((e === 0 || e === 0x200) && f === 0x5efe) return [last];
  if (a === 0x2002) return [dotted(b, c)];
  if (a === 0x2001 && b === 0) return [dotted(c, d), dotted(g ^ 0xffff, h ^ 0xffff)];
  return [];
}

function groupsOf(address: string): number[] {
  // The parser of URLs writes every notation in one way, without dots.
  const plain = new URL(`ws://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const numbers = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((part) => Number.parseInt(part, 16));
  const first = numbers(head);
  if (tail === undefined) return first;
  const second = numbers(tail);
  return [...first, ...new Array<number>(8 - first.length - second.length).fill(0), ...second];
}

function dotted(first: number, second: number): string {
  return [high(first), low(first), high(second), low(second)].join('.');
}

function high(group: number): number {
  return group >> 8;
}

function low(group: number): number {
  return group & 255;
}

function has(networks: BlockList, address: string): boolean {
  return networks.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function isNetwork(text: string): boolean {
  return isIP(text.replace(/\/.*$/s, '')) !== 0;
}

function networksOf(key: string, texts: readonly string[]): BlockList {
  const networks = new BlockList();
  for (const text of texts) {
    const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : Number(bits);
    if (family === 0 || prefix > most)
      throw new OptionsInvalid(
        `allowedBackends.${key}: ${text} is neither an address nor a network such as 10.0.0.0/8.`,
      );
    networks.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return networks;
}

/** A pattern as url hosts are written: lower case, punycode. */
function nameOf(text: string, index: number): string {
  const [, star = '', rest = ''] = /^(\*\.)?(.*?)\.?$/s.exec(text) ?? [];
  const name = domainToASCII(rest);
  if (name === '' || /[*/:\s]/.test(rest))
    throw new OptionsInvalid(
      `allowedBackends.hosts[${index}] is neither a name, nor *.name, nor an address or network, nor *.`,
    );
  return star + name;
}

function portsOf(text: string, index: number): [number, number] {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const from = Number(first);
  const to = Number(last);
  if (first === undefined || from < 1 || to > 65_535 || from > to)
    throw new OptionsInvalid(`allowedBackends.ports[${index}] must be a port or a range such as 9000-9100.`);
  return [from, to];
}
