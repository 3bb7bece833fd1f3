/**
 * Which pages may connect. A browser sends the cookies of a site with every WebSocket to it, whichever page opened it, and no rule of the
 * browser keeps that page from reading the answers (cross-site WebSocket hijacking); what it cannot do is to send another Origin. Pure.
 */
import { domainToASCII } from 'node:url';
import { OptionsInvalid } from '../errors.ts';

/** Scheme, host and port; what browsers send, and what an option lists. */
const originPattern = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?(\[[0-9a-f:.]+\]|[^/:?#@[\]\s*]+)(?::(\d{1,5}))?$/i;
const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

interface Origin {
  readonly scheme: string;
  readonly host: string;
  /** '' = that of the scheme, where it has one. */
  readonly port: string;
}
interface Pattern extends Origin {
  /** All hosts below this one, not the host itself. */
  readonly subdomains: boolean;
}

/** Where the request came to, as the client named it. */
export interface RequestTarget {
  /** Host header, or what a trusted proxy says it was. */
  readonly host: string;
  /** It came by TLS, to us or to a trusted proxy; false = it did not, or a proxy before us does not say so. */
  readonly secure: boolean;
}

export class AllowedOrigins {
  readonly #any: boolean;
  readonly #same: boolean;
  readonly #loopback: boolean;
  readonly #opaque: boolean;
  readonly #patterns: readonly Pattern[];

  /**
   * @param entries 'same-origin', 'loopback' = pages of this machine where the request came to a loopback name, '*' = all, 'null' = pages without
   * an origin of their own, or origins such as 'https://app.example.com' and 'https://*.example.com'.
   * @throws HOLDFAST_ERR_OPTIONS
   */
  constructor(entries: readonly string[]) {
    this.#any = entries.includes('*');
    this.#same = entries.includes('same-origin');
    this.#loopback = entries.includes('loopback');
    this.#opaque = entries.includes('null');
    this.#patterns = entries.filter((entry) => !words.has(entry)).map(parsePattern);
  }

  /** @param origin the Origin header; undefined = none, as everything sends that is no page in a browser. */
  allows(origin: string | undefined, target: RequestTarget): boolean {
    if (origin === undefined || this.#any) return true;
    if (origin === 'null') return this.#opaque;
    const parsed = parseOrigin(origin);
    if (parsed === null) return false;
    if (this.#same && isSame(parsed, target)) return true;
    if (this.#loopback && isLocal(parsed, target)) return true;
    return this.#patterns.some((pattern) => fits(pattern, parsed));
  }
}

const words: ReadonlySet<string> = new Set(['*', 'same-origin', 'loopback', 'null']);

function parsePattern(entry: string): Pattern {
  const [, scheme = '', subdomains, host = '', port = ''] = originPattern.exec(entry) ?? [];
  const ascii = host.startsWith('[') ? host : domainToASCII(host);
  // A scheme that names no hosts, such as chrome-extension, has an id in its place.
  const known = ascii === '' ? host : ascii;
  if (scheme === '')
    throw new OptionsInvalid(
      `allowedOrigins: ${entry} is no origin. Give scheme, host and port only, as in https://app.example.com or https://*.example.com, or "same-origin", "loopback", "null" or "*".`,
    );
  return { ...normalize(scheme, known, port), subdomains: subdomains !== undefined };
}

function parseOrigin(text: string): Origin | null {
  const [, scheme, wildcard, host = '', port = ''] = originPattern.exec(text) ?? [];
  return scheme === undefined || wildcard !== undefined ? null : normalize(scheme, host, port);
}

function normalize(name: string, host: string, port: string): Origin {
  const scheme = `${name.toLowerCase()}:`;
  return { scheme, host: host.toLowerCase(), port: port === defaultPorts[scheme] ? '' : port };
}

function fits(pattern: Pattern, origin: Origin): boolean {
  if (pattern.scheme !== origin.scheme || pattern.port !== origin.port) return false;
  return pattern.subdomains ? origin.host.endsWith(`.${pattern.host}`) : origin.host === pattern.host;
}

/** The page came from where the request goes to. Without TLS of our own a proxy may have ended it: then https fits as well. */
function isSame({ scheme, host, port }: Origin, target: RequestTarget): boolean {
  const defaultPort = defaultPorts[scheme];
  if (defaultPort === undefined || (target.secure && scheme !== 'https:')) return false;
  const own = splitHost(target.host);
  return own.host !== '' && host === own.host && (port || defaultPort) === (own.port || defaultPort);
}

function splitHost(text: string): { readonly host: string; readonly port: string } {
  const [, host = '', port = ''] = /^(\[[0-9a-f:.]+\]|[^:]*)(?::(\d+))?$/i.exec(text) ?? [];
  return { host: host.toLowerCase(), port };
}

/** A page of a server on this machine, as in development, whose port is another one. A page from elsewhere cannot have such an origin. */
function isLocal({ scheme, host }: Origin, target: RequestTarget): boolean {
  return defaultPorts[scheme] !== undefined && isLoopback(host) && isLoopback(splitHost(target.host).host);
}

/** RFC 6761 section 6.3 for the name: a browser never asks anybody where it is. */
function isLoopback(host: string): boolean {
  return /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(host);
}
