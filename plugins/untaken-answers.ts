/** Answers that their peer does not take: node keeps them, and what they hold (a file, a page of metrics), for as long as the connection lives. */
import type { FastifyRequest, onSendAsyncHookHandler } from 'fastify';

export interface AnswerBounds {
  /** After so long in which its peer took nothing of an answer the connection is ended, within twice that, milliseconds. */
  readonly limitMs: number;
  /** That is done next. */
  readonly notTaken: (request: FastifyRequest) => void;
}

/** A hook `onSend`; it does nothing over HTTP/2. */
export function dropUntaken({ limitMs, notTaken }: AnswerBounds): onSendAsyncHookHandler {
  return async (request, reply) => {
    if (request.raw.httpVersionMajor >= 2) return;
    let before = -1;
    const look = (): void => {
      const { socket } = reply.raw;
      // It waits for the answers before it, or its end has been seen to.
      if (socket === null || socket.destroyed) return;
      const taken = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength > 0 && taken === before) {
        notTaken(request);
        socket.destroy();
      }
      before = taken;
    };
    const timer = setInterval(look, limitMs).unref();
    reply.raw.once('close', () => clearInterval(timer));
  };
}
