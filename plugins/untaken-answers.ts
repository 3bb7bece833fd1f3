/** Answers that their peer does not take: node keeps them, and what they hold (a file, a page of metrics), for as long as the connection lives. */
import type { ServerResponse } from 'node:http';
import type { onSendAsyncHookHandler } from 'fastify';

/**
 * A hook `onSend`; it does nothing over HTTP/2.
 * @param limitMs after so long in which it took nothing of an answer the connection is ended, within twice that, milliseconds.
 */
export function dropUntaken(limitMs: number): onSendAsyncHookHandler {
  return async (request, reply) => {
    if (request.raw.httpVersionMajor < 2) watch(reply.raw, limitMs);
  };
}

function watch(response: ServerResponse, limitMs: number): void {
  let before = -1;
  const look = (): void => {
    const { socket } = response;
    // It waits for the answers before it.
    if (socket === null) return;
    const taken = socket.bytesWritten - socket.writableLength;
    if (socket.writableLength > 0 && taken === before) socket.destroy();
    before = taken;
  };
  const timer = setInterval(look, limitMs).unref();
  response.once('close', () => clearInterval(timer));
}
