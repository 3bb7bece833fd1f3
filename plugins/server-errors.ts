/** How a Fastify server of ours answers what does not even reach a route. */
import type { Socket } from 'node:net';
import createError from '@fastify/error';
import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify';
import { answerBroken } from '../routes/broken-request.ts';
import { handleError } from '../routes/error-answer.ts';

const UrlInvalid = createError(
  'HOLDFAST_ERR_URL',
  'The path of this request cannot be read. Check its % signs and length.',
  400,
);

/** The codes of node. */
const tooLate: ReadonlySet<string> = new Set(['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT']);

interface Watched {
  readonly log: () => FastifyBaseLogger | undefined;
  /** A request, its head, or the TLS handshake before it, did not come in time. */
  readonly tooSlow?: (clientIp: string | undefined) => void;
}

/** Fastify's own answers to what it cannot route repeat the url, and its log of broken requests the bytes received. */
export function serverErrors({
  log,
  tooSlow,
}: Watched): Pick<FastifyServerOptions, 'frameworkErrors' | 'clientErrorHandler'> {
  return {
    frameworkErrors: (_error, request, reply) => {
      handleError(new UrlInvalid(), request, reply);
    },
    clientErrorHandler(error, socket) {
      log()?.debug({ code: error.code }, 'a request that is not HTTP');
      if (tooLate.has(error.code)) tooSlow?.((socket as Socket).remoteAddress);
      answerBroken(socket, error.code);
    },
  };
}
