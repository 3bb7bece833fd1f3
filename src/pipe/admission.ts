/**
 * Who gets a pipe: a new one if the limits allow it, or its own again. A slot and the client id are taken before anything is awaited, so
 * that two at once cannot both have the last one.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { ClientIdInUse, GatewayClosing } from '../errors.ts';
import { Entrance } from '../limits/entrance.ts';
import type { Slot } from '../limits/occupancy.ts';
import { isRefusal } from '../limits/refusal.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import type { Fetched, PipeClaims } from './claims.ts';
import type { ClientRequest } from './client-request.ts';
import { type CloseOrder, closeOrders } from './close-orders.ts';
import { Greeting, type GreetingHost, type ResumeAnswer } from './greeting.ts';
import { PersistentPipe, type PipeHost } from './persistent-pipe.ts';
import type { PipeRegistry } from './pipe-registry.ts';
import { PrincipalClosures } from './principal-closures.ts';
import { hashToken, type ResumeBinding } from './resume-session.ts';
import type { FirstAnswer } from './upgrade-wait.ts';

export interface AdmissionOwner {
  /** Nobody is let in any more. */
  closing(): boolean;
  /** The other gateways; null = there are none. */
  claims(): PipeClaims | null;
  /** A pipe was begun. */
  pipeAdmitted(): void;
  /** A client has said what it wants, or went away before; or nothing is fetched any more. */
  greetingOver(): void;
  /** A pipe has come from another gateway while this one is closing. */
  pipeCameAtEnd(pipe: PersistentPipe): void;
}

/** A client that says which pipe is its own. */
interface Comer {
  readonly resume: ResumeRequest;
  readonly binding: ResumeBinding;
  readonly request: ClientRequest;
  readonly slot: Slot;
  /** It has gone. */
  over: boolean;
}

export class Admission {
  /** For upgrades under way, and pipes. */
  readonly closures = new PrincipalClosures();
  readonly #owner: AdmissionOwner;
  readonly #host: PipeHost;
  readonly #registry: PipeRegistry;
  readonly #greetings = new Set<Greeting>();
  #fetches = 0;
  readonly #entrance: Entrance;

  constructor(host: PipeHost, registry: PipeRegistry, owner: AdmissionOwner) {
    this.#host = host;
    this.#registry = registry;
    this.#owner = owner;
    this.#entrance = new Entrance(host.options.limits);
  }

  /** Clients of holdfast.v1 that have not said yet what they want. */
  get greetings(): ReadonlySet<Greeting> {
    return this.#greetings;
  }

  /** Pipes that are being got from other gateways. Their clients may have gone. */
  get fetches(): number {
    return this.#fetches;
  }

  /** Who is let in, and how often. */
  get entrance(): Entrance {
    return this.#entrance;
  }

  /**
   * Whether a connection is to be dropped before anything of it is read: its address goes on although it was told that it is too much.
   * @param address of the connection; '' = unknown.
   */
  dropsConnection(address: string): boolean {
    if (!this.#entrance.drops(address, this.#host.wheel.now())) return false;
    this.#host.tally.hit('connections', { clientIp: address });
    return true;
  }

  /** A connection has ended on which there was no request. @param address of the connection; '' = unknown. */
  connectionEndedUnasked(address: string): void {
    this.#entrance.endedUnasked(address, this.#host.wheel.now());
  }

  /** A connection was ended for the requests on it. @param address of the connection; '' = unknown. */
  pipelinedTooMuch(address: string): void {
    this.#host.tally.hit('pipelined-requests', address === '' ? {} : { clientIp: address });
    this.#entrance.overran(address, this.#host.wheel.now());
  }

  /**
   * An upgrade request is here, and counts before anything in it is looked at: who is told what is wrong with it costs as much as who is let in.
   * @param clientIp '' = unknown.
   * @throws HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS, HOLDFAST_ERR_TOO_MANY_HANDSHAKES, with `retryAfterMs`.
   */
  knock(clientIp: string): void {
    // At the end all of them are turned away as it is.
    if (this.#owner.closing()) return;
    this.#counted({ clientIp }, () => this.#entrance.knock(clientIp, this.#host.wheel.now()));
  }

  /**
   * It has knocked and is in order: a slot is taken before anything is awaited. The caller gives it back with `leave()` if no pipe comes of it.
   * @param clientIp '' = unknown.
   * @param resumable it speaks holdfast.v1, and may come back to a pipe it has.
   * @throws HOLDFAST_ERR_GATEWAY_CLOSING; HOLDFAST_ERR_GATEWAY_FULL and HOLDFAST_ERR_ADDRESS_FULL, with `retryAfterMs`.
   */
  enter(clientIp: string, resumable: boolean): Slot {
    this.#checkOpen();
    const returning = resumable || this.#host.options.onDuplicateClient === 'replace';
    return this.#counted({ clientIp }, () => this.#entrance.enter(clientIp, returning));
  }

  /**
   * A pipe for an upgrade request; its client id is taken here at once. `connect` next.
   * @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_ADDRESS_FULL, HOLDFAST_ERR_CLIENT_ID_IN_USE
   */
  admit(request: ClientRequest, slot: Slot): PersistentPipe {
    this.#checkOpen();
    const older = this.#registry.ofClient(request.clientId);
    if (older !== undefined && !this.#mayReplace(older, request)) throw new ClientIdInUse(request.clientId);
    // One that takes the place of another adds none.
    this.#counted(request, () => slot.settle(older === undefined ? null : this.#registry.slotOf(older)));
    older?.close(closeOrders.replaced);
    const pipe = new PersistentPipe(this.#host, randomBytes(12).toString('base64url'), request);
    this.#owner.pipeAdmitted();
    this.#registry.add(pipe, slot);
    return pipe;
  }

  /**
   * Takes the client id over all gateways too, if the client brought it along, then looks for the first backend.
   * @param prefer id of the backend to try first.
   * @returns what came within failover.handshakeWaitMs.
   * @throws HOLDFAST_ERR_CLIENT_ID_IN_USE: a client of another gateway has it, and keeps it. The pipe is to be abandoned.
   */
  connect(pipe: PersistentPipe, prefer?: string): Promise<FirstAnswer> {
    const { handshakeWaitMs } = this.#host.options.failover;
    const claims = this.#owner.claims();
    if (claims === null || !pipe.request.clientIdGiven) return pipe.connect(handshakeWaitMs, prefer);
    return claims.takeClientId(pipe).then((taken) => {
      if (!taken) throw new ClientIdInUse(pipe.request.clientId);
      return pipe.connect(handshakeWaitMs, prefer);
    });
  }

  /**
   * A client of holdfast.v1 whose upgrade is done: it says what it wants, and gets its own pipe again or a new one. A refusal is told to
   * the client.
   */
  greet(socket: Duplex, request: ClientRequest, slot: Slot): Greeting {
    const { options, wheel, events, tally, limits, clientViolated } = this.#host;
    let comer: Comer | null = null;
    const host: GreetingHost = {
      options,
      wheel,
      events,
      tally,
      limits,
      clientViolated,
      admit: (one) => this.admit(one, slot),
      connect: (pipe, prefer) => this.connect(pipe, prefer),
      resumable: (resume, binding, found) => {
        comer = { resume, binding, request, slot, over: false };
        const claims = this.#owner.claims();
        if (claims === null || this.#isHere(resume.pipe)) found(this.#resumable(comer));
        else void this.#fetch(claims, comer, found);
      },
      greeted: (greeting) => {
        if (comer !== null) comer.over = true;
        this.#greetings.delete(greeting);
        slot.leave();
        this.#owner.greetingOver();
      },
      refused: ({ clientId, clientIp }, code) =>
        events.emit('pipe.refused', { clientId, clientIp, statusCode: 101, code }),
    };
    const greeting = new Greeting(host, socket, request);
    this.#greetings.add(greeting);
    return greeting;
  }

  /**
   * Closes those of this principal that have no pipe yet; their upgrades that are under way come to nothing.
   * @returns how many were connected.
   */
  closePrincipal(id: string, order: CloseOrder): number {
    this.closures.close(id, order);
    // One that waits for the first backend of its pipe is closed as that pipe.
    const greetings = [...this.#greetings].filter(({ pipe, request }) => pipe === null && request.principal?.id === id);
    return greetings.filter((greeting) => greeting.close(order.code, order.text ?? '')).length;
  }

  /** Nobody but its own client may take a pipe's place, whatever client id another one gives. */
  #mayReplace(older: PersistentPipe, { principal }: ClientRequest): boolean {
    if (older.request.principal?.id !== principal?.id) return false;
    // One that is away and comes without its token has lost its session: a page that was loaded anew.
    return older.state === 'detached' || this.#host.options.onDuplicateClient === 'replace';
  }

  #counted<T>(who: { readonly clientId?: string; readonly clientIp: string }, enter: () => T): T {
    try {
      return enter();
    } catch (error) {
      const { clientId, clientIp } = who;
      if (isRefusal(error)) this.#host.tally.hit(error.limit, { ...(clientId && { clientId }), clientIp });
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#owner.closing()) throw new GatewayClosing();
  }

  /** It is served here, or was and is over. */
  #isHere(id: string): boolean {
    const state = this.#registry.find(id)?.state;
    return state !== undefined && state !== 'moving';
  }

  /**
   * Gets the pipe from another gateway if there is room for it here; else it stays where it is. Nothing is awaited between its coming and
   * the resume.
   */
  async #fetch(claims: PipeClaims, comer: Comer, found: (answer: ResumeAnswer) => void): Promise<void> {
    const { resume, binding, request, slot } = comer;
    let room: Slot;
    try {
      room = this.#counted(request, () => slot.reserve());
    } catch (error) {
      if (!isRefusal(error)) throw error;
      found(error);
      return;
    }
    const watch = this.closures.watch();
    this.#fetches += 1;
    const fetched = await claims.fetch(resume, binding);
    this.#fetches -= 1;
    watch.end();
    const closed = watch.orderFor(request.principal);
    if (fetched.kind === 'moved') {
      const pipe = this.#adopt(claims, fetched, request, room);
      if (closed !== null) pipe.close(closed);
    }
    // What the pipe has taken it keeps.
    room.leave();
    this.#owner.greetingOver();
    if (comer.over || closed !== null) return;
    if (fetched.kind === 'moved' || this.#isHere(resume.pipe)) {
      found(this.#resumable(comer));
      return;
    }
    const { clientId, clientIp } = request;
    const reason = fetched.kind === 'lost' ? 'gateway-gone' : fetched.reason;
    const pipeId = resume.pipe.slice(0, 64);
    this.#host.events.emit('client.resume-refused', { pipeId, clientId, clientIp, reason });
    found({ pipe: null, reason, prefer: fetched.kind === 'lost' ? fetched.backendId : null });
  }

  #adopt(
    claims: PipeClaims,
    { state, claim }: Extract<Fetched, { kind: 'moved' }>,
    request: ClientRequest,
    room: Slot,
  ): PersistentPipe {
    const older = this.#registry.ofClient(state.clientId);
    older?.close(closeOrders.replaced);
    const pipe = PersistentPipe.adopt(this.#host, state, request);
    this.#owner.pipeAdmitted();
    room.settle();
    this.#registry.add(pipe, room);
    claims.adopted(pipe, claim);
    pipe.goOn();
    if (this.#owner.closing()) this.#owner.pipeCameAtEnd(pipe);
    return pipe;
  }

  #resumable({ resume, binding, request, slot }: Comer): ResumeAnswer {
    const { pipe: id, token, attempt, received } = resume;
    const { clientId, clientIp } = request;
    const pipe = this.#registry.find(id);
    const refusal = pipe?.session == null ? 'unknown' : pipe.session.refusal(hashToken(token), attempt, binding);
    const reason = refusal ?? 'counts';
    if (pipe !== undefined && refusal === null && pipe.canResume(received)) {
      slot.takeOver();
      this.#registry.reseat(pipe, slot);
      return { pipe };
    }
    this.#host.events.emit('client.resume-refused', { pipeId: id.slice(0, 64), clientId, clientIp, reason });
    return { pipe: null, reason, prefer: null };
  }
}
