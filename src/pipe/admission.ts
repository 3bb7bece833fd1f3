/**
 * Who gets a pipe: a new one if the limits allow it, or its own again. A slot and the client id are taken before anything is awaited, so
 * that two at once cannot both have the last one.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { ClientIdInUse, GatewayClosing, GatewayFull } from '../errors.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import type { ClientRequest } from './client-request.ts';
import { Greeting, type GreetingHost } from './greeting.ts';
import { PersistentPipe, type PipeHost } from './persistent-pipe.ts';
import type { PipeRegistry } from './pipe-registry.ts';
import type { ResumeBinding } from './resume-session.ts';

export interface AdmissionOwner {
  /** Nobody is let in any more. */
  closing(): boolean;
  /** A pipe was begun. */
  pipeAdmitted(): void;
  /** A client has said what it wants, or went away before. */
  greetingOver(): void;
}

export class Admission {
  readonly #owner: AdmissionOwner;
  readonly #host: PipeHost;
  readonly #registry: PipeRegistry;
  readonly #greetings = new Set<Greeting>();

  constructor(host: PipeHost, registry: PipeRegistry, owner: AdmissionOwner) {
    this.#host = host;
    this.#registry = registry;
    this.#owner = owner;
  }

  /** Clients of holdfast.v1 that have not said yet what they want. */
  get greetings(): ReadonlySet<Greeting> {
    return this.#greetings;
  }

  /** @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_CLIENT_ID_IN_USE */
  admit(request: ClientRequest): PersistentPipe {
    this.#checkOpen();
    const { limits, onDuplicateClient } = this.#host.options;
    const older = this.#registry.ofClient(request.clientId);
    // One that is away and comes without its token has lost its session: a page that was loaded anew.
    const inUse = older !== undefined && older.state !== 'detached';
    if (inUse && onDuplicateClient === 'reject') throw new ClientIdInUse(request.clientId);
    // One that takes the place of another adds none.
    if (older === undefined && this.#registry.size >= limits.maxPipes) throw new GatewayFull(limits.maxPipes);
    const text = 'replaced by a newer connection';
    older?.close({ code: closeCode.replaced, text, reason: 'replaced', initiator: 'gateway' });
    const pipe = new PersistentPipe(this.#host, randomBytes(12).toString('base64url'), request);
    this.#owner.pipeAdmitted();
    this.#registry.add(pipe);
    return pipe;
  }

  greet(socket: Duplex, request: ClientRequest): Greeting {
    const { options, wheel, events } = this.#host;
    const host: GreetingHost = {
      options,
      wheel,
      events,
      admit: (one) => this.admit(one),
      resumable: (resume, binding) => this.#resumable(resume, binding, request),
      greeted: (greeting) => {
        this.#greetings.delete(greeting);
        this.#owner.greetingOver();
      },
      refused: ({ clientId, clientIp }, code) =>
        events.emit('pipe.refused', { clientId, clientIp, statusCode: 101, code }),
    };
    const greeting = new Greeting(host, socket, request);
    this.#greetings.add(greeting);
    return greeting;
  }

  /** @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL where no more clients may say what they want. */
  checkGreeting(): void {
    this.#checkOpen();
    // One that resumes is exempt from the limit, so the limit of those that have not said so yet is one of its own.
    const { maxPipes } = this.#host.options.limits;
    if (this.#greetings.size >= maxPipes) throw new GatewayFull(maxPipes);
  }

  #checkOpen(): void {
    if (this.#owner.closing()) throw new GatewayClosing();
  }

  #resumable(
    { pipe: id, token, received }: ResumeRequest,
    binding: ResumeBinding,
    { clientId, clientIp }: ClientRequest,
  ): PersistentPipe | null {
    const pipe = this.#registry.find(id);
    const reason = pipe?.session == null ? 'unknown' : pipe.session.mayResume(token, binding) ? 'counts' : 'token';
    if (pipe !== undefined && reason === 'counts' && pipe.canResume(received)) return pipe;
    this.#host.events.emit('client.resume-refused', { pipeId: id.slice(0, 64), clientId, clientIp, reason });
    return null;
  }
}
