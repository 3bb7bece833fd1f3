/** What is answered where Fastify does not: to a request that node:http could not read, to upgrades that are too many: the one error shape, and nothing of what came. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import createError, { type FastifyError } from '@fastify/error';
import { answerFor } from './error-answer.ts';

const HeadTooLong = createError(
  'HOLDFAST_ERR_HEAD_TOO_LONG',
  'Url and headers are together longer than this server reads (16 KiB). Send fewer or shorter ones.',
  431,
);
const RequestTooSlow = createError(
  'HOLDFAST_ERR_REQUEST_TOO_SLOW',
  'The request did not come in time. Send it at once.',
  408,
);
const RequestBroken = createError(
  'HOLDFAST_ERR_REQUEST_BROKEN',
  'This is not a request of HTTP/1.1. Check what is sent to this port.',
  400,
);

const errors: Readonly<Record<string, () => FastifyError>> = {
  HPE_HEADER_OVERFLOW: () => new HeadTooLong(),
  ERR_HTTP_REQUEST_TIMEOUT: () => new RequestTooSlow(),
};

/** Answers and ends the connection. @param code of the error that node:http gave. */
export function answerBroken(socket: Duplex, code: string | undefined): void {
  if (code === 'ECONNRESET') socket.destroy();
  else answerAndEnd(socket, errors[code ?? '']?.() ?? new RequestBroken());
}

/** Where there is no reply of Fastify to answer with. @param headers lines, without their ends. */
export function answerAndEnd(socket: Duplex, error: FastifyError, headers: readonly string[] = []): void {
  if (socket.writable) {
    const answer = answerFor(error);
    const body = JSON.stringify(answer);
    const lines = [
      `HTTP/1.1 ${answer.statusCode} ${STATUS_CODES[answer.statusCode]}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
      'Connection: close',
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }
  socket.destroy();
}
