/**
 * What free text loses before it is shown. Our own details hold no secrets; what a socket, a TLS library or a hook of the host says
 * in an error message might.
 */

const maxTextLength = 200;
/** Longer subprotocols are tokens in disguise, such as base64url.bearer.authorization.k8s.io.<token>. */
const maxProtocolLength = 48;

const rules: readonly (readonly [RegExp, string])[] = [
  [/\p{Cc}+/gu, ' '],
  // A header or a cookie: all that follows belongs to it.
  [/\b((?:set-)?cookie2?|(?:proxy-)?authorization)\b\s*["']?\s*[:=].*$/gi, '$1: ***'],
  [/\b(bearer|basic|digest|negotiate)\s+\S+/gi, '$1 ***'],
  [
    /([\w-]*(?:token|secret|passw(?:or)?d|api[-_]?key|session[-_]?id|signature)[\w-]*)(["']?\s*[:=]\s*)\S+/gi,
    '$1$2***',
  ],
  [/\/\/[^\s/@]*@/g, '//***@'],
  [/\?[^\s"'<>]+/g, '?***'],
  // Long runs that mix letters or digits: keys, tokens, payloads in hex or base64. Names of errors are capitals only.
  [/(?=[A-Z_]*[a-z0-9+=])[A-Za-z0-9_+=~-]{32,}/g, '***'],
];

/** One line of at most 200 characters without query strings, credentials, cookies and what looks like a token. */
export function scrubText(text: string): string {
  // What is cut off anyway need not be read; some more than is kept, so that no secret is cut in two.
  let clean = text.slice(0, 4 * maxTextLength);
  for (const [pattern, replacement] of rules) clean = clean.replace(pattern, replacement);
  clean = clean.trim();
  return clean.length > maxTextLength ? `${clean.slice(0, maxTextLength)}...` : clean;
}

export function scrubProtocol(protocol: string): string {
  return protocol.length > maxProtocolLength ? `(${protocol.length} characters)` : protocol;
}
