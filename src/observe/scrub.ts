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
  [/\b((?:set-)?cookie2?|(?:proxy-)?authorization)\b\s{0,3}["']?\s{0,3}[:=].*$/gi, '$1: ***'],
  [/\b(bearer|basic|digest|negotiate)\s+\S+/gi, '$1 ***'],
  [
    /((?:token|secret|passw(?:or)?d|api[-_]?key|session[-_]?id|signature)[\w-]{0,20})(["']?\s{0,3}[:=]\s{0,3})\S+/gi,
    '$1$2***',
  ],
  [/\/\/[^\s/@]*@/g, '//***@'],
  [/\?[^\s"'<>]+/g, '?***'],
];
/** Keys, tokens, payloads in hex or base64. */
const longRun = /[A-Za-z0-9_+=~-]{32,}/g;
/** Such as ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED. */
const errorName = /^[A-Z0-9_]+$/;

/** One line of at most 200 characters without query strings, credentials, cookies and what looks like a token. */
export function scrubText(text: string): string {
  // What is cut off anyway need not be read; some more than is kept, so that no secret is cut in two.
  let clean = text.slice(0, 4 * maxTextLength);
  for (const [pattern, replacement] of rules) clean = clean.replace(pattern, replacement);
  clean = clean.replace(longRun, (run) => (errorName.test(run) ? run : '***')).trim();
  return clean.length > maxTextLength ? `${clean.slice(0, maxTextLength)}...` : clean;
}

const maxPathLength = 300;

/** What is to be the path of a file: whoever sets it to what was meant to be in the file does not read that in the log. */
export function scrubPath(text: string): string {
  const path = text.length <= maxPathLength && /[/\\.]/.test(text) && !/:\/\/|\p{Cc}/u.test(text);
  return path && text.search(longRun) < 0 ? text : '(not shown, as it looks like no path)';
}

export function scrubProtocol(protocol: string): string {
  return protocol.length > maxProtocolLength ? `(${protocol.length} characters)` : protocol;
}
