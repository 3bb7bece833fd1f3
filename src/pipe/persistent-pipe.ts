/**
 * PersistentPipe: the session of one client that outlives its links. It has at most one client end, the backend end it sends to, and
 * during a migration the old backend end that is still read out (the tail). What it decides comes from the parts beside it; what
 * happens is told as events.
 */
import type { Duplex } from 'node:stream';
import type { HeartbeatForm, TimeoutCause } from '../heartbeat/heartbeat.ts';
import type { HeartbeatSettings, Hop } from '../heartbeat/settings.ts';
import type { TimerOwner, WheelTimer } from '../heartbeat/wheel.ts';
import type { Link, LinkEnd } from '../link/link.ts';
import { SocketLink } from '../link/socket-link.ts';
import type { CloseReason, Initiator, InterruptionReason, PipeFields } from '../observe/events.ts';
import { closeCode } from '../wire/close-codes.ts';
import { jsonPing } from '../wire/json-heartbeat.ts';
import { BackendEnd, type BackendEndOwner } from './backend-end.ts';
import {
  BackendSearch,
  type Found,
  type SearchContext,
  type SearchOwner,
  type SearchReason,
  type SearchSubject,
} from './backend-search.ts';
import { ClientEnd } from './client-end.ts';
import type { ClientRequest } from './client-request.ts';
import { meansFailover, PoisonCount } from './failover-policy.ts';
import { Intake, type IntakeLimits, type IntakeOwner } from './intake.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { Migration, type MigrationCause, type MigrationOwner } from './migration.ts';
import { isLive, transition } from './pipe-state.ts';
import { pipeView } from './pipe-view.ts';
import { Tail, type TailOwner } from './tail.ts';
import { Upstream, type UpstreamOwner } from './upstream.ts';
import type { PipeState, PipeView } from './views.ts';

/** What a pipe needs of its manager. */
export interface PipeHost extends SearchContext {
  readonly budget: MemoryBudget;
  readonly limits: IntakeLimits;
  readonly maxDownstreamBytes: () => number;
  heartbeat(): HeartbeatSettings;
  /** The client is gone or going: its id is free for another connection. */
  pipeLeft(pipe: PersistentPipe): void;
  /** Last of all. */
  pipeClosed(pipe: PersistentPipe): void;
}

/** What an upgrade that waits for its first backend is told. */
export type FirstAnswer =
  | { readonly kind: 'attached'; readonly protocol: string }
  | { readonly kind: 'refused'; readonly statusCode: number }
  /** No backend in time; the pipe goes on looking. */
  | { readonly kind: 'waiting' }
  /** The pipe was closed meanwhile. */
  | { readonly kind: 'gone' };

export interface CloseOrder {
  /** Told to the client; 1005 = an empty Close. */
  readonly code: number;
  readonly text?: string;
  readonly reason: CloseReason;
  readonly initiator: Initiator;
  /** Told to the backend. Default 1001. */
  readonly backendCode?: number;
  /** Bring what is in the journal to a backend first, at most for closing.lingerMs. Default true. */
  readonly deliver?: boolean;
}

export interface Traffic {
  messagesToBackend: number;
  messagesToClient: number;
  bytesToBackend: number;
  bytesToClient: number;
}

export class PersistentPipe
  implements
    BackendEndOwner,
    SearchOwner,
    SearchSubject,
    UpstreamOwner,
    IntakeOwner,
    MigrationOwner,
    TailOwner,
    TimerOwner
{
  readonly id: string;
  readonly request: ClientRequest;
  readonly openedAt = Date.now();
  readonly upstream: Upstream;
  readonly traffic: Traffic = { messagesToBackend: 0, messagesToClient: 0, bytesToBackend: 0, bytesToClient: 0 };
  readonly #host: PipeHost;
  readonly #intake: Intake;
  readonly #createdAt: number;
  readonly #poison = new PoisonCount();
  #state: PipeState = 'connecting';
  #client: ClientEnd | null = null;
  #backend: BackendEnd | null = null;
  #tail: Tail | null = null;
  #search: BackendSearch | null = null;
  #migration: Migration | null = null;
  #agreedProtocol: string | null = null;
  #generation = 0;
  #interruptions = 0;
  /** Since when there is no backend, real time; null = there is one. */
  #interruptedAt: number | null;
  #lastInterruption: InterruptionReason | null = null;
  /** The client is too slow: backends are not read since then. */
  #backendsPausedAt: number | null = null;
  /** One at a time: handshake (first answer), interruption, linger. */
  readonly #deadline: WheelTimer;
  #deadlineFor: 'first-answer' | 'interruption' | 'linger' | null = null;
  #firstAnswer: ((answer: FirstAnswer) => void) | null = null;
  #closing: Required<Omit<CloseOrder, 'deliver' | 'text'>> | null = null;
  #lingering = false;

  constructor(host: PipeHost, id: string, request: ClientRequest) {
    this.#host = host;
    this.id = id;
    this.request = request;
    this.#createdAt = host.wheel.now();
    this.#interruptedAt = this.#createdAt;
    this.upstream = new Upstream(this, { wheel: host.wheel, atMostOnce: host.options.delivery === 'at-most-once' });
    this.#intake = new Intake(this, this.upstream.journal, host);
    this.#deadline = host.wheel.timer(this, 'deadline');
  }

  get state(): PipeState {
    return this.#state;
  }
  get fields(): PipeFields {
    return { pipeId: this.id, clientId: this.request.clientId, clientIp: this.request.clientIp };
  }
  get client(): ClientEnd | null {
    return this.#client;
  }
  get backend(): BackendEnd | null {
    return this.#backend;
  }
  get generation(): number {
    return this.#generation;
  }
  get nextGeneration(): number {
    return this.#generation + 1;
  }
  get interruptions(): number {
    return this.#interruptions;
  }
  get lastInterruption(): InterruptionReason | null {
    return this.#lastInterruption;
  }
  get agreedProtocol(): string | null {
    return this.#agreedProtocol;
  }
  get replayable(): number {
    return this.upstream.journal.replayable;
  }
  get interruptedMs(): number | null {
    return this.#interruptedAt === null ? null : this.#host.wheel.now() - this.#interruptedAt;
  }
  get migrating(): boolean {
    return this.#migration !== null || this.#tail !== null;
  }
  /** Its bytes, for the process-wide bound. */
  get tenant(): Intake {
    return this.#intake;
  }

  /** Looks for the first backend. @returns what came within `waitMs`. */
  connect(waitMs: number): Promise<FirstAnswer> {
    return new Promise((resolve) => {
      this.#firstAnswer = resolve;
      this.#setDeadline('first-answer', waitMs);
      this.#look('open');
    });
  }

  /** The upgrade is done: the client's socket, and the subprotocol it was told. */
  attachClient(socket: Duplex, protocol: string): void {
    const { options, wheel, events } = this.#host;
    const link = new SocketLink(socket, this, {
      side: 'client',
      protocol,
      maxMessageBytes: options.maxMessageBytes,
      closeTimeoutMs: options.closing.handshakeMs,
      clock: wheel,
    });
    if (!isLive(this.#state)) {
      link.close(this.#closing?.code ?? closeCode.tryAgainLater);
      return;
    }
    this.#agreedProtocol = protocol;
    this.#client = new ClientEnd(link, this, wheel, this.#host.heartbeat().client);
    this.#intake.client = link;
    events.emit('pipe.opened', { ...this.fields, protocol });
    if (this.#backend === null) this.#waitForBackend();
    else this.#opened();
    this.#readBackends();
  }

  /** The client went away before its upgrade was done. */
  abandon(): void {
    if (this.#client === null)
      this.close({ code: closeCode.abnormal, reason: 'lost', initiator: 'client', deliver: false });
  }

  /** Ends the pipe. Idempotent: the first order counts. */
  close(order: CloseOrder): void {
    if (!isLive(this.#state)) return;
    const { code, reason, initiator } = order;
    this.#closing = { code, reason, initiator, backendCode: order.backendCode ?? closeCode.goingAway };
    this.#state = transition(this.#state, 'closing');
    this.#setDeadline(null);
    this.#answerFirst({ kind: 'gone' });
    this.#endMigration();
    this.#host.pipeLeft(this);
    if (initiator !== 'client') this.#client?.link.close(code, order.text);
    const { lingerMs } = this.#host.options.closing;
    this.#lingering = (order.deliver ?? true) && !this.upstream.delivered && lingerMs > 0;
    if (this.#lingering) {
      this.#setDeadline('linger', lingerMs);
      this.upstream.hurry();
      if (this.#backend === null && this.#search === null) this.#look('failover');
      this.journalShrank();
    } else {
      this.#endBackend();
    }
    this.#finishIfDone();
  }

  /** Drops the connections now, without closing handshakes. */
  terminate(order: CloseOrder): void {
    this.close({ ...order, deliver: false });
    this.#client?.link.terminate();
    this.#backend?.link.terminate();
  }

  /** Leaves the present backend and takes the next: rehearsal, or the backend was removed. @returns false if it has none. */
  interrupt(reason: InterruptionReason): boolean {
    const end = this.#backend;
    if (end === null || !isLive(this.#state)) return false;
    end.link.close(closeCode.goingAway);
    this.#lose(end, reason, { innocent: true });
    return true;
  }

  /** Moves to another backend without an interruption. `done` is told when it has moved, or stayed. */
  migrate(cause: MigrationCause, done: (moved: boolean) => void): void {
    const from = this.#backend;
    if (this.#state !== 'open' || from === null || this.migrating) {
      done(false);
      return;
    }
    this.#migration = new Migration(this.#host, this, from, { cause, done });
    this.#migration.start();
  }

  /** The settings changed. */
  retune(settings: HeartbeatSettings): void {
    this.#client?.retune(settings.client);
    this.#backend?.retune(settings.backend);
    this.#tail?.end.retune(settings.backend);
    this.#migration?.next?.retune(settings.backend);
  }

  /** The bounds changed. */
  limitsChanged(): void {
    this.#intake.update();
  }

  view(): PipeView {
    return pipeView(this, this.#host);
  }

  // ---- what links tell ----

  linkMessages(link: Link, frames: Buffer, messages: number): void {
    const { traffic } = this;
    if (link.side === 'client') {
      if (!isLive(this.#state)) return;
      traffic.messagesToBackend += messages;
      traffic.bytesToBackend += frames.length;
      this.upstream.push(frames, messages);
      this.#intake.update();
      return;
    }
    const client = this.#client?.link;
    if (client === undefined || !client.open) return;
    traffic.messagesToClient += messages;
    traffic.bytesToClient += frames.length;
    client.write(frames);
    this.#tail?.messageCame(link);
    if (this.#backendsPausedAt === null && client.bufferedBytes > this.#host.maxDownstreamBytes())
      this.#pauseBackends();
  }

  linkPending(link: Link): void {
    if (link.side === 'client') this.#intake.update();
  }

  linkPing(link: Link): boolean {
    return link.side === 'backend' || this.#client?.mayAnswerPing() === true;
  }

  linkPong(link: Link, payload: Buffer): void {
    if (link.side === 'client') {
      this.#client?.heartbeat.pong(payload);
      return;
    }
    const end = this.#endOf(link);
    if (end === null) return;
    end.answered();
    if (end === this.#backend && this.upstream.pong(payload)) this.#migration?.barrierReturned();
    else if (end.heartbeat.pong(payload) && end === this.#backend) this.upstream.heartbeatAnswered();
  }

  linkJsonHeartbeat(_link: Link, kind: 'ping' | 'pong'): boolean {
    return this.#client?.jsonHeartbeat(kind) ?? false;
  }

  linkDrained(link: Link): void {
    if (link === this.#backend?.link) {
      this.upstream.flush();
      this.#intake.update();
    } else if (link === this.#client?.link) {
      this.#resumeBackends();
    }
  }

  linkViolated(link: Link, code: 1002 | 1007 | 1009, detail: string): void {
    const hop: Hop = link.side;
    const end = this.#endOf(link);
    const reason = code === closeCode.messageTooBig ? 'message-too-big' : 'protocol-error';
    this.#host.events.emit('pipe.violated', {
      ...this.fields,
      hop,
      ...(end === null ? {} : { backendId: end.backend.id }),
      closeCode: code,
      detail,
    });
    if (hop === 'client') {
      this.close({ code, text: detail, reason, initiator: 'gateway' });
    } else if (reason === 'message-too-big') {
      // Every other backend would send the same: no failover (DESIGN section 3).
      this.close({ code, text: detail, reason, initiator: 'gateway', deliver: false });
    } else if (end !== null) {
      this.#backendFailed(end, 'protocol-error', detail);
    }
  }

  linkClosed(link: Link, code: number, text: string, answers: boolean): void {
    if (link.side === 'client') {
      if (answers || link !== this.#client?.link) return;
      this.close({ code, text, reason: 'closed', initiator: 'client', backendCode: code });
      return;
    }
    const end = this.#endOf(link);
    if (end === null || answers) {
      if (answers && end !== null && end === this.#backend) this.upstream.closeAnswered();
      return;
    }
    if (end === this.#tail?.end) {
      this.#tail.stop();
      return;
    }
    const { codes } = this.#host.options.failover;
    if (end !== this.#backend || meansFailover(code, codes, end.backend.adminState === 'draining')) {
      this.#backendFailed(end, 'closed', `closed with ${code}`, code);
    } else if (isLive(this.#state)) {
      this.close({ code, text, reason: 'closed', initiator: 'backend', deliver: false });
    } else {
      this.#endBackend();
    }
  }

  linkEnded(link: Link, { code, error }: LinkEnd): void {
    if (link.side === 'client') {
      if (link !== this.#client?.link) return;
      this.#client.heartbeat.stop();
      this.#client = null;
      this.#intake.client = null;
      this.close({ code: closeCode.abnormal, reason: 'lost', initiator: 'client' });
      this.#finishIfDone();
      return;
    }
    const end = this.#endOf(link);
    if (end === null) return;
    if (end === this.#backend && (isLive(this.#state) || this.#lingering)) {
      this.#backendFailed(end, 'lost', error === undefined ? 'the connection was lost' : error.message, code);
      return;
    }
    if (end === this.#tail?.end) {
      this.#tail.stop();
    } else if (end === this.#backend) {
      end.left(code);
      this.#backend = null;
    } else {
      this.#backendFailed(end, 'lost', 'the connection was lost', code);
    }
    this.#finishIfDone();
  }

  // ---- what heartbeats tell ----

  sendJsonPing(link: SocketLink): void {
    link.send(jsonPing);
  }

  heartbeatPing(link: SocketLink, form: HeartbeatForm): void {
    this.#host.events.emit('heartbeat.ping', { ...this.#hopFields(link), form });
  }

  heartbeatPong(link: SocketLink, rttMs: number, form: HeartbeatForm): void {
    this.#host.events.emit('heartbeat.pong', { ...this.#hopFields(link), form, rttMs });
  }

  heartbeatMissed(link: SocketLink, silentMs: number): void {
    const { timeoutMs } = this.#host.heartbeat()[link.side];
    this.#host.events.emit('heartbeat.missed', { ...this.#hopFields(link), silentMs, timeoutMs });
  }

  heartbeatTimedOut(link: SocketLink, silentMs: number, cause: TimeoutCause): void {
    const { timeoutMs } = this.#host.heartbeat()[link.side];
    this.#host.events.emit('heartbeat.timeout', { ...this.#hopFields(link), silentMs, timeoutMs, cause });
    const reason = cause === 'silence' ? 'heartbeat-timeout' : 'no-progress';
    if (link.side === 'client') {
      this.close({ code: closeCode.abnormal, reason, initiator: 'gateway' });
      link.terminate();
      return;
    }
    const end = this.#endOf(link);
    link.terminate();
    if (end !== null) this.#backendFailed(end, reason, `${cause} for ${Math.round(silentMs)} ms`);
  }

  backendNeverAnswered(end: BackendEnd, alive: boolean): void {
    if (!alive) {
      end.link.terminate();
      this.#backendFailed(end, 'no-pong', 'it never answered a ping and sent nothing');
      return;
    }
    end.acknowledging = false;
    this.#host.events.emit('backend.unacknowledging', {
      ...end.fields,
      timeoutMs: this.#host.heartbeat().backend.timeoutMs,
    });
    if (end !== this.#backend) return;
    this.upstream.stopAcknowledging();
    this.#migration?.barrierReturned();
  }

  // ---- what the parts tell ----

  journalShrank(): void {
    this.#intake.update();
    if (this.#lingering && this.upstream.delivered) this.#endBackend();
  }

  bufferFull(): void {
    this.close({
      code: closeCode.tryAgainLater,
      text: 'no backend, and the buffer is full',
      reason: 'buffer-full',
      initiator: 'gateway',
      deliver: false,
    });
  }

  searchFound(found: Found): void {
    this.#search = null;
    const end = new BackendEnd(this, this.#host, found, this.nextGeneration, this.#host.heartbeat().backend);
    this.#agreedProtocol ??= found.dialed.protocol;
    this.#take(end, found.attempt, found.dialMs);
    const gapMs = this.interruptedMs ?? 0;
    this.#interruptedAt = null;
    if (!this.#lingering) this.#setDeadline(null);
    const replayed = this.upstream.attach(end.link);
    if (this.#state === 'interrupted') {
      this.#host.events.emit('pipe.restored', {
        ...end.fields,
        gapMs,
        attempt: found.attempt,
        generation: end.generation,
        replayed,
      });
    }
    if (this.#lingering) this.upstream.hurry();
    else if (this.#client !== null) this.#opened();
    this.#answerFirst({ kind: 'attached', protocol: found.dialed.protocol });
    this.#readBackends();
    this.#intake.update();
  }

  searchRefused(statusCode: number): void {
    this.#search = null;
    if (this.#firstAnswer !== null) {
      this.#answerFirst({ kind: 'refused', statusCode });
      this.abandon();
    } else if (isLive(this.#state)) {
      const text = `refused by the backend with status ${statusCode}`;
      this.close({
        code: closeCode.policyViolation,
        text,
        reason: 'refused-by-backend',
        initiator: 'backend',
        deliver: false,
      });
    } else {
      this.#endBackend();
      this.#finishIfDone();
    }
  }

  /** Only searches of one round fail, and those belong to migrations. */
  searchFailed(): void {}

  migrationHeld(): void {
    this.#state = transition(this.#state, 'migrating');
    this.upstream.hold();
    if (this.#backend?.acknowledging === false) this.#migration?.barrierReturned();
    else this.upstream.sendBarrier();
  }

  migrationReady(migration: Migration, next: BackendEnd, found: Found): void {
    const old = this.#backend!;
    this.#migration = null;
    this.upstream.detach();
    this.#take(next, found.attempt, found.dialMs);
    this.#state = transition(this.#state, 'open');
    this.#tail = new Tail(this, old, this.#host);
    this.upstream.attach(next.link);
    this.#host.events.emit('pipe.migrated', {
      ...next.fields,
      fromBackendId: old.backend.id,
      generation: next.generation,
      durationMs: this.#host.wheel.now() - migration.startedAt,
      cause: migration.cause,
    });
    this.#readBackends();
    this.#intake.update();
    migration.done(true);
  }

  migrationFailed(migration: Migration): void {
    if (this.#migration !== migration) return;
    this.#endMigration();
    if (this.#state === 'migrating') {
      this.#state = transition(this.#state, 'open');
      this.upstream.release();
    }
  }

  tailEnded(): void {
    this.#tail = null;
    this.#readBackends();
    this.#finishIfDone();
  }

  timerFired(): void {
    const deadline = this.#deadlineFor;
    this.#deadlineFor = null;
    if (deadline === 'first-answer') {
      this.#answerFirst({ kind: 'waiting' });
    } else if (deadline === 'linger') {
      this.#endBackend();
      this.#finishIfDone();
    } else {
      const text = `no backend for ${this.#host.options.failover.maxInterruptionMs} ms`;
      this.close({
        code: closeCode.tryAgainLater,
        text,
        reason: 'interruption-too-long',
        initiator: 'gateway',
        deliver: false,
      });
    }
  }

  // ---- inside ----

  #hopFields(link: Link): PipeFields & { hop: Hop; backendId?: string; backendUrl?: string } {
    const end = link.side === 'backend' ? this.#endOf(link) : null;
    return end === null ? { ...this.fields, hop: link.side } : { ...end.fields, hop: link.side };
  }

  /** The end a backend link belongs to; null = one that was left. */
  #endOf(link: Link): BackendEnd | null {
    if (link === this.#backend?.link) return this.#backend;
    if (link === this.#tail?.end.link) return this.#tail.end;
    if (link === this.#migration?.next?.link) return this.#migration.next;
    return null;
  }

  #take(end: BackendEnd, attempt: number, dialMs: number): void {
    this.#backend = end;
    this.#generation = end.generation;
    this.#host.events.emit('backend.attached', { ...end.fields, attempt, generation: end.generation, dialMs });
  }

  #opened(): void {
    if (this.#state !== 'open') this.#state = transition(this.#state, 'open');
    this.#setDeadline(null);
  }

  #look(reason: SearchReason, exclude?: string): void {
    this.#search?.stop();
    this.#search = new BackendSearch(this.#host, this, this, { reason, exclude });
    this.#search.start();
  }

  #waitForBackend(): void {
    const { maxInterruptionMs } = this.#host.options.failover;
    if (maxInterruptionMs > 0) this.#setDeadline('interruption', maxInterruptionMs);
  }

  /** A backend link failed, whichever it is. */
  #backendFailed(end: BackendEnd, reason: InterruptionReason, detail: string, code: number = closeCode.abnormal): void {
    if (end === this.#tail?.end) {
      this.#tail.stop();
    } else if (end === this.#migration?.next) {
      end.failed(detail);
      this.migrationFailed(this.#migration);
    } else if (end === this.#backend) {
      this.#lose(end, reason, { detail, code });
    }
  }

  #lose(
    end: BackendEnd,
    reason: InterruptionReason,
    how: { innocent?: boolean; detail?: string; code?: number },
  ): void {
    const oldest = this.upstream.oldestUnacknowledged;
    this.#endMigration();
    this.#backend = null;
    this.upstream.detach();
    if (how.innocent === true) end.left(closeCode.goingAway);
    else end.failed(how.detail ?? reason);
    this.#interruptedAt = this.#host.wheel.now();
    if (isLive(this.#state)) this.#interrupted(end, reason, how.code);
    const links = how.innocent === true ? 0 : this.#poison.failed(oldest);
    if (links >= this.#host.options.failover.maxReplays) {
      const text = `${links} backends in a row failed with the same message`;
      this.close({ code: closeCode.internalError, text, reason: 'poison', initiator: 'gateway', deliver: false });
      // A lingering pipe is closing already: it gives up here.
      this.#endBackend();
      this.#finishIfDone();
      return;
    }
    if (!isLive(this.#state) && !this.#lingering) return;
    this.#look('failover', end.backend.id);
    this.#intake.interruptionBegan();
  }

  #interrupted(end: BackendEnd, reason: InterruptionReason, code: number | undefined): void {
    const { journal } = this.upstream;
    this.#interruptions += 1;
    this.#lastInterruption = reason;
    if (this.#state !== 'connecting') this.#state = transition(this.#state, 'interrupted');
    if (this.#client !== null) this.#waitForBackend();
    this.#host.events.emit('pipe.interrupted', {
      ...end.fields,
      reason,
      ...(code === undefined ? {} : { closeCode: code }),
      journalMessages: journal.messages,
      journalBytes: journal.bytes,
    });
  }

  #endMigration(): void {
    const migration = this.#migration;
    this.#migration = null;
    migration?.stop();
  }

  /** No (further) delivery: the backend is told, and left when it has answered. */
  #endBackend(): void {
    this.#lingering = false;
    if (this.#deadlineFor === 'linger') this.#setDeadline(null);
    this.#search?.stop();
    this.#search = null;
    this.#tail?.leave();
    const end = this.#backend;
    if (end === null) return;
    end.heartbeat.stop();
    end.link.close(this.#closing?.backendCode ?? closeCode.goingAway);
  }

  #finishIfDone(): void {
    if (this.#state !== 'closing' || this.#lingering) return;
    if (this.#client !== null || this.#backend !== null || this.#tail !== null) return;
    this.#state = transition(this.#state, 'closed');
    const { code, reason, initiator } = this.#closing!;
    const undelivered = this.upstream.journal.messages;
    this.upstream.dispose();
    this.#intake.dispose();
    this.#setDeadline(null);
    this.#host.events.emit('pipe.closed', {
      ...this.fields,
      reason,
      initiator,
      closeCode: code,
      durationMs: this.#host.wheel.now() - this.#createdAt,
      interruptions: this.#interruptions,
      generation: this.#generation,
      ...this.traffic,
      undelivered,
    });
    this.#host.pipeClosed(this);
  }

  #answerFirst(answer: FirstAnswer): void {
    const resolve = this.#firstAnswer;
    this.#firstAnswer = null;
    resolve?.(answer);
  }

  #setDeadline(what: 'first-answer' | 'interruption' | 'linger' | null, ms = 0): void {
    this.#deadlineFor = what;
    if (what === null) this.#deadline.stop();
    else this.#deadline.start(ms);
  }

  #pauseBackends(): void {
    this.#backendsPausedAt = this.#host.wheel.now();
    this.#readBackends();
    this.#host.events.emit('pipe.paused', {
      ...this.fields,
      direction: 'toClient',
      bufferedBytes: this.#client?.link.bufferedBytes ?? 0,
    });
  }

  #resumeBackends(): void {
    if (this.#backendsPausedAt === null) return;
    const pausedMs = this.#host.wheel.now() - this.#backendsPausedAt;
    this.#backendsPausedAt = null;
    this.#readBackends();
    this.#host.events.emit('pipe.resumed', { ...this.fields, direction: 'toClient', pausedMs });
  }

  /** The tail is read first, then the present backend; neither while the client is too slow or not there yet. */
  #readBackends(): void {
    const wanted = this.#backendsPausedAt === null && (this.#client !== null || !isLive(this.#state));
    this.#tail?.read(wanted);
    const link = this.#backend?.link;
    if (link === undefined) return;
    if (wanted && this.#tail === null) link.resume();
    else link.pause();
  }
}
