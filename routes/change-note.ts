/** What a route says of the change it made, for the audit. */
import type { FastifyRequest } from 'fastify';

export interface ChangeNote {
  /** Id of the backend or pipe, or the section of the configuration. */
  readonly target: string;
  /** As it was; null = it was not there. */
  readonly before?: unknown;
  /** As it is now; null = it is gone. */
  readonly after?: unknown;
  /** With a pipe as the target: the change goes into its history too. */
  readonly pipeId?: string;
}

const notes = new WeakMap<FastifyRequest, ChangeNote>();

/** To be called by every route that changes something, before it answers. Nothing secret may be in it. */
export function noteChange(request: FastifyRequest, note: ChangeNote): void {
  notes.set(request, note);
}

export function changeNoteOf(request: FastifyRequest): ChangeNote | undefined {
  return notes.get(request);
}
