/** Turns whatever a route or Fastify threw into the one error shape; what is not meant for the caller is logged only. */
import { STATUS_CODES } from 'node:http';
import createError from '@fastify/error';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { secure } from './security-headers.ts';

/** The one shape of every error. */
export interface ErrorAnswer {
  readonly statusCode: number;
  readonly code: string;
  readonly error: string;
  readonly message: string;
}

export const JsonInvalid = createError(
  'HOLDFAST_ERR_BODY_JSON',
  'The body is not valid JSON. Check quotes, commas and brackets.',
  400,
);
export const BodyEmpty = createError('HOLDFAST_ERR_BODY_EMPTY', 'The body is empty. Send a JSON object.', 400);
export const BodyUnexpected = createError(
  'HOLDFAST_ERR_BODY_UNEXPECTED',
  'This request takes no body. Leave it out; settings go into the query string.',
  400,
);
export const BodyLengthWrong = createError(
  'HOLDFAST_ERR_BODY_LENGTH',
  'The body is not as long as Content-Length says.',
  400,
);
export const BodyTooLarge = createError(
  'HOLDFAST_ERR_BODY_TOO_LARGE',
  'The body is over 65536 bytes. Send a smaller one.',
  413,
);
export const MediaTypeUnsupported = createError(
  'HOLDFAST_ERR_MEDIA_TYPE',
  'The body must be JSON. Send it with "Content-Type: application/json".',
  415,
);
export const RouteNotFound = createError(
  'HOLDFAST_ERR_ROUTE_NOT_FOUND',
  'There is no such route. GET /docs under the same prefix shows those there are.',
  404,
);
export const IfMatchInvalid = createError(
  'HOLDFAST_ERR_IF_MATCH',
  'If-Match must be * or one revision, as the ETag of GET gives it, for instance "7".',
  400,
);
export const Internal = createError(
  'HOLDFAST_ERR_INTERNAL',
  'The gateway failed to answer. Its log says why, under the id of this request.',
  500,
);

const fastifyErrors: Readonly<Record<string, () => FastifyError>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: () => new JsonInvalid(),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new BodyEmpty(),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => new BodyLengthWrong(),
  FST_ERR_CTP_BODY_TOO_LARGE: () => new BodyTooLarge(),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new MediaTypeUnsupported(),
};

export function answerFor(error: FastifyError): ErrorAnswer {
  const statusCode = error.statusCode ?? 500;
  return { statusCode, code: error.code, error: STATUS_CODES[statusCode] ?? 'Error', message: error.message };
}

/** Error handler of the admin scope. */
export function handleError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = answerFor(forCaller(thrown));
  if (answer.statusCode >= 500 && answer.code === 'HOLDFAST_ERR_INTERNAL') {
    request.log.error({ err: thrown }, 'an admin request failed');
  }
  return secure(reply)
    .code(answer.statusCode)
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(answer);
}

/** The error as the caller may see it: ours or the host's own as it is, else HOLDFAST_ERR_INTERNAL. */
export function forCaller(thrown: unknown): FastifyError {
  if (!(thrown instanceof Error)) return new Internal();
  const { code, statusCode } = thrown as Partial<FastifyError>;
  const known = typeof code === 'string' ? fastifyErrors[code] : undefined;
  if (known !== undefined) return known();
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 599) return new Internal();
  const ours = typeof code === 'string' && code.startsWith('HOLDFAST_ERR_');
  if (statusCode >= 500) return ours && statusCode !== 500 ? (thrown as FastifyError) : new Internal();
  // A hook of the host, such as its rate limit or its own auth: status and message are meant for the caller.
  if (ours || (typeof code === 'string' && code !== '' && !code.startsWith('FST_'))) return thrown as FastifyError;
  return Object.assign(new Error(thrown.message), { name: 'FastifyError', code: codeFor(statusCode), statusCode });
}

function codeFor(statusCode: number): string {
  const name = STATUS_CODES[statusCode] ?? 'request';
  return `HOLDFAST_ERR_${name.toUpperCase().replaceAll(/[^A-Z]+/g, '_')}`;
}
