/** What both sides of a pipe work with: who it is for, its state, and its two directions. Made by the pipe, one of each. */
import type { PipeFields } from '../observe/events.ts';
import type { ClientRequest } from './client-request.ts';
import type { Downstream } from './downstream.ts';
import type { Intake } from './intake.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Upstream } from './upstream.ts';

/** Stays with the pipe whichever links it has. */
export class PipeIdentity {
  readonly id: string;
  /** Of the latest accepted upgrade. */
  request: ClientRequest;
  /** Subprotocol agreed with the client; null while it is open which. */
  agreedProtocol: string | null = null;

  constructor(id: string, request: ClientRequest) {
    this.id = id;
    this.request = request;
  }

  get fields(): PipeFields {
    return { pipeId: this.id, clientId: this.request.clientId, clientIp: this.request.clientIp };
  }
}

export interface PipeParts {
  readonly identity: PipeIdentity;
  readonly lifecycle: Lifecycle;
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  readonly intake: Intake;
}
