/** What is kept of a client's upgrade request, and the request to a backend made of it for each dial. Pure. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Principal } from '../access/principal.ts';

export interface ClientRequest {
  readonly clientId: string;
  /** It came from the request: a path parameter or the clientId function; false = it was made up. */
  readonly clientIdGiven: boolean;
  readonly clientIp: string;
  /** Who the host's `authenticate` says it is; null = it does not say. */
  readonly principal: Principal | null;
  /** Origin header; '' = none. */
  readonly origin: string;
  /** What follows the gateway's route, raw: '' or '/...'. */
  readonly suffix: string;
  /** With '?', or ''. */
  readonly query: string;
  /** Subprotocols offered. */
  readonly protocols: readonly string[];
  /** Headers for the backend: hop-by-hop and handshake headers are left out, X-Forwarded-* is set. */
  readonly headers: Readonly<Record<string, string>>;
}

const leftOut = new Set([
  'connection',
  'upgrade',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'content-length',
  'expect',
  'http2-settings',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-accept',
  'sec-websocket-protocol',
]);

export interface Forwarded {
  readonly for: string;
  readonly proto: string;
  readonly host: string;
  /** The peer is a proxy whose word counts: what else it says of forwarding is passed on. */
  readonly trusted: boolean;
}

/** What proxies say of the client, and a client must not say of itself. */
const forwardingPattern = /^(?:x-forwarded-.*|forwarded|x-real-ip)$/;

/** CGI, WSGI and Rack make one name of a dash and of what else is none of these: X_Real_IP would be taken for X-Real-IP. */
const plainName = /^[a-z0-9-]+$/;

/** The client's headers as a backend gets them; names in lower case, several of one name joined with ", ". */
export function forwardedHeaders(headers: IncomingHttpHeaders, forwarded: Forwarded): Record<string, string> {
  // RFC 9110 section 7.6.1: what Connection names is for this hop alone.
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || leftOut.has(name) || named.has(name) || name.startsWith('holdfast-')) continue;
    if (!plainName.test(name)) continue;
    if (!forwarded.trusted && forwardingPattern.test(name)) continue;
    result[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  result['x-forwarded-for'] = forwarded.for;
  result['x-forwarded-proto'] = forwarded.proto;
  result['x-forwarded-host'] = forwarded.host;
  return result;
}

/** A dot segment, plain or encoded, would leave the backend's own path; some readers decode before they look, and end a segment at these as well. */
const dotSegment = /(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\#;?]|$)/i;
const encodedEnd = /%(?:2f|5c|23|3b|3f)/gi;
/** They pass over them, or end at them. */
const encodedControl = /%(?:[01][0-9a-f]|7f)/i;

/** Scheme and authority of a request target in absolute form (RFC 9112 section 3.2.2). */
const originPattern = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/**
 * The part of a request target that follows a route of `depth` path segments.
 * @returns null where it would climb out of the backend's path, or has an encoded control character.
 */
export function suffixOf(target: string, depth: number): { readonly suffix: string; readonly query: string } | null {
  const origin = target.startsWith('/') ? '' : (originPattern.exec(target)?.[0] ?? '');
  const local = target.slice(origin.length);
  const question = local.indexOf('?');
  const path = question < 0 ? local : local.slice(0, question);
  let at = 0;
  for (let i = 0; i < depth && at >= 0; i += 1) at = path.indexOf('/', at + 1);
  const suffix = at < 0 ? '' : path.slice(at);
  if (encodedControl.test(suffix)) return null;
  if (dotSegment.test(suffix.replaceAll(encodedEnd, decodeURIComponent))) return null;
  return { suffix: suffix === '/' ? '' : suffix, query: question < 0 ? '' : local.slice(question) };
}

/** Request target at a backend: its own path, what followed the route, both queries. */
export function backendTarget(backend: URL, request: Pick<ClientRequest, 'suffix' | 'query'>): string {
  const base =
    request.suffix !== '' && backend.pathname.endsWith('/') ? backend.pathname.slice(0, -1) : backend.pathname;
  const own = backend.search.slice(1);
  const query = [own, request.query.slice(1)].filter(Boolean).join('&');
  return `${base}${request.suffix}${query === '' ? '' : `?${query}`}`;
}
