/** Headers that keep a browser from doing more with an answer than show it. */
import type { FastifyReply } from 'fastify';

/** No script, no style, no frame: for answers that are no pages. */
const nothingAllowed = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** For the API page: its own files, and requests to this gateway. */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  // One style element that swagger-ui makes itself; a browser test tells when it is another one.
  "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** For every answer of ours; a page sets a policy of its own over it. */
export function secure(reply: FastifyReply): FastifyReply {
  return reply
    .header('content-security-policy', nothingAllowed)
    .header('x-content-type-options', 'nosniff')
    .header('referrer-policy', 'no-referrer')
    .header('x-frame-options', 'DENY')
    .header('cross-origin-resource-policy', 'same-origin');
}
