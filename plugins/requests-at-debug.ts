/**
 * Fastify would write two lines for each request, and one for each answer that is not waited for: whoever sends it, and however often. What
 * happens to clients, and what is changed or refused, are events with lines of their own.
 */
import { type FastifyRequest, LogController } from 'fastify';

export class RequestsAtDebug extends LogController {
  override incomingRequest(request: FastifyRequest): void {
    request.log.debug({ req: request }, 'incoming request');
  }

  override requestCompleted(...[error, request, reply]: Parameters<LogController['requestCompleted']>): void {
    if (error) super.requestCompleted(error, request, reply);
    else reply.log.debug({ res: reply, responseTime: reply.elapsedTime }, 'request completed');
  }

  override streamError(...[error, request, reply]: Parameters<LogController['streamError']>): void {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE')
      super.streamError(error, request, reply);
    else reply.log.debug({ res: reply }, 'stream closed prematurely');
  }
}
