/** Opening handshake of RFC 6455 section 4: what is checked of a request and of an answer. Pure. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const keyPattern = /^[+/0-9A-Za-z]{22}==$/;
const tokenCharacter = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
const tokenPattern = new RegExp(`^${tokenCharacter}+$`);
/** Section 9.1: a token, then parameters whose value, also where it is quoted, is a token. */
const extensionPattern = new RegExp(
  `^${tokenCharacter}+(?:[ \\t]*;[ \\t]*${tokenCharacter}+(?:[ \\t]*=[ \\t]*(?:${tokenCharacter}+|"(?:\\\\?${tokenCharacter})+"))?)*$`,
);

/** The Sec-WebSocket-Accept that answers `key`. */
export function acceptKey(key: string): string {
  return createHash('sha1')
    .update(key + guid)
    .digest('base64');
}

export interface HandshakeProblem {
  /** 400, 405 or 426. */
  readonly statusCode: 400 | 405 | 426;
  readonly detail: string;
}

/** What is looked at of a client's request; an IncomingMessage has it. */
export interface UpgradeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. Left out where nothing came over a network (@fastify/websocket's injectWS). */
  readonly rawHeaders?: readonly string[];
}

/** Checks a client's upgrade request (section 4.2.1). @returns the offered subprotocols in order, or what is wrong. */
export function checkRequest({
  method,
  url = '',
  httpVersion,
  headers,
  rawHeaders,
}: UpgradeRequest): readonly string[] | HandshakeProblem {
  if (method !== 'GET') return { statusCode: 405, detail: `the method is ${method}, not GET` };
  if (httpVersion === '1.0') return { statusCode: 400, detail: 'HTTP/1.0 knows no Upgrade' };
  if (url.includes('#')) return { statusCode: 400, detail: 'the url has a fragment' };
  if (rawHeaders !== undefined && hostsIn(rawHeaders) !== 1)
    return { statusCode: 400, detail: 'there must be one Host header' };
  // Its bytes would be read as frames here, and as a body by a proxy in between.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
    return { statusCode: 400, detail: 'it has a body' };
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { statusCode: 400, detail: 'the Upgrade header is not "websocket"' };
  const key = headers['sec-websocket-key'];
  if (key === undefined || !keyPattern.test(key))
    return { statusCode: 400, detail: 'Sec-WebSocket-Key is missing or is not 16 bytes in base64' };
  // A number with @fastify/websocket's injectWS.
  if (`${headers['sec-websocket-version']}` !== '13')
    return { statusCode: 426, detail: 'Sec-WebSocket-Version is not 13' };
  if (!areExtensions(headers['sec-websocket-extensions']))
    return { statusCode: 400, detail: 'Sec-WebSocket-Extensions is not a list of extensions' };
  return (
    parseProtocols(headers['sec-websocket-protocol']) ?? {
      statusCode: 400,
      detail: 'Sec-WebSocket-Protocol is not a list of different tokens',
    }
  );
}

function hostsIn(rawHeaders: readonly string[]): number {
  return rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
}

/** Whether an offer keeps the grammar: none is accepted, but one that does not must fail the handshake (section 9.1). */
function areExtensions(header: string | undefined): boolean {
  const extensions = (header ?? '').split(',').map((extension) => extension.trim());
  return extensions.every((extension) => extension === '' || extensionPattern.test(extension));
}

/** The subprotocols of a header, or null where it breaks the grammar. */
function parseProtocols(header: string | undefined): readonly string[] | null {
  if (header === undefined) return [];
  const protocols = header.split(',').map((protocol) => protocol.trim());
  const valid =
    protocols.every((protocol) => tokenPattern.test(protocol)) && new Set(protocols).size === protocols.length;
  return valid ? protocols : null;
}

/**
 * Checks a backend's 101 answer to `key` and the `offered` subprotocols.
 * @returns the agreed subprotocol ('' = none), or what is wrong.
 */
export function checkResponse(
  headers: IncomingHttpHeaders,
  key: string,
  offered: readonly string[],
): string | { readonly detail: string } {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return { detail: 'its Upgrade header is not "websocket"' };
  if (headers['sec-websocket-accept'] !== acceptKey(key))
    return { detail: 'its Sec-WebSocket-Accept does not fit the key' };
  if (headers['sec-websocket-extensions']) return { detail: 'it answered with an extension that was not offered' };
  const protocol = headers['sec-websocket-protocol'] ?? '';
  if (protocol !== '' && !offered.includes(protocol)) return { detail: 'it chose a subprotocol that was not offered' };
  return protocol;
}
