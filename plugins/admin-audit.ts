/** Tells of every change that was made through the admin API, by whom, and of every try that was refused. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { changeNoteOf } from '../routes/change-note.ts';
import { forCaller } from '../routes/error-answer.ts';
import type { EventStream } from '../src/observe/events.ts';
import { identityOf, isChange } from './admin-auth.ts';
import { callerOf } from './admin-failures.ts';

const told = new WeakSet<FastifyRequest>();

/** To be called before the guard's hooks are added. */
export function audit(scope: FastifyInstance, events: EventStream): void {
  const refused = (request: FastifyRequest, statusCode: number, code: string): void => {
    if (told.has(request)) return;
    told.add(request);
    const actor = identityOf(request)?.name;
    events.emit('audit.refused', {
      ...(actor === undefined ? {} : { actor }),
      actorIp: callerOf(request),
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      statusCode,
      code,
    });
  };

  scope.addHook('onError', async (request, _reply, error) => {
    const { statusCode = 500, code } = forCaller(error);
    if (isRefusal(statusCode) || isChange(request)) refused(request, statusCode, code);
  });

  scope.addHook('onSend', async (request, reply) => {
    const { statusCode } = reply;
    if (statusCode >= 400) {
      // A hook of the host that answered by itself: no error was thrown.
      if (isRefusal(statusCode)) refused(request, statusCode, 'other');
      return;
    }
    const by = identityOf(request);
    if (!isChange(request) || by === undefined || told.has(request)) return;
    told.add(request);
    const { url = 'unknown', schema } = request.routeOptions;
    const { operationId = url } = (schema ?? {}) as { operationId?: string };
    const { target = url, before = null, after = null, pipeId } = changeNoteOf(request) ?? {};
    events.emit('audit.changed', {
      actor: by.name,
      role: by.role,
      actorIp: callerOf(request),
      action: operationId,
      target,
      ...(pipeId === undefined ? {} : { pipeId }),
      before,
      after,
      statusCode,
    });
  });
}

function isRefusal(statusCode: number): boolean {
  return statusCode === 401 || statusCode === 403 || statusCode === 429;
}
