/**
 * PersistentPipe: the session of one client that outlives its links. It has at most one client end, the backend end it sends to, and
 * during a migration the old backend end that is still read out (the tail). What it decides comes from the parts beside it; what
 * happens is told as events.
 */
import type { Duplex } from 'node:stream';
import type { HeartbeatSettings, Hop } from '../heartbeat/settings.ts';
import type { TimerOwner, WheelTimer } from '../heartbeat/wheel.ts';
import type { Link, LinkEnd } from '../link/link.ts';
import type { SocketLink } from '../link/socket-link.ts';
import type { CloseReason, Initiator, InterruptionReason, PipeFields } from '../observe/events.ts';
import { closeCode } from '../wire/close-codes.ts';
import { encodeFrame, opcode } from '../wire/frame.ts';
import { recordMark, resumeCloseCode } from '../wire/resume.ts';
import type { BackendEnd } from './backend-end.ts';
import { ClientEnd, type ClientEndOwner } from './client-end.ts';
import type { ClientRequest } from './client-request.ts';
import { Downstream, type DownstreamOwner } from './downstream.ts';
import { Failover, type FailoverContext, type FailoverOwner, type FailoverPipe, Interruptions } from './failover.ts';
import { meansFailover } from './failover-policy.ts';
import { Intake, type IntakeLimits, type IntakeOwner } from './intake.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { Migration, type MigrationOrder, type MigrationOwner } from './migration.ts';
import { type DeathReason, openLink } from './pipe-end.ts';
import { isLive, transition } from './pipe-state.ts';
import { type ResumeBinding, ResumeSession, type ResumeSessionOwner } from './resume-session.ts';
import { Tail, type TailOwner } from './tail.ts';
import { Upstream, type UpstreamOwner } from './upstream.ts';
import type { PipeState } from './views.ts';

/** What a pipe needs of its manager. */
export interface PipeHost extends FailoverContext {
  readonly budget: MemoryBudget;
  readonly limits: IntakeLimits & { readonly maxDownstreamBytes: number };
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
  /** The pipe was closed meanwhile, with this for its client. */
  | { readonly kind: 'gone'; readonly code: number; readonly text: string };

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

export class PersistentPipe
  implements
    FailoverPipe,
    FailoverOwner,
    ClientEndOwner,
    UpstreamOwner,
    DownstreamOwner,
    IntakeOwner,
    ResumeSessionOwner,
    MigrationOwner,
    TailOwner,
    TimerOwner
{
  readonly id: string;
  /** Of the latest accepted upgrade. */
  request: ClientRequest;
  readonly openedAt = Date.now();
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  readonly interruptions: Interruptions;
  /** Whole messages, and bytes of frames, that came from the client. */
  messagesToBackend = 0;
  bytesToBackend = 0;
  ticket: string | null = null;
  readonly #host: PipeHost;
  readonly #intake: Intake;
  readonly #failover: Failover;
  readonly #createdAt: number;
  #state: PipeState = 'connecting';
  #client: ClientEnd | null = null;
  #backend: BackendEnd | null = null;
  #tail: Tail | null = null;
  #migration: Migration | null = null;
  /** Only of resumable pipes. */
  #session: ResumeSession | null = null;
  #detachedAt = 0;
  #agreedProtocol: string | null = null;
  #generation = 0;
  /** One at a time. */
  readonly #deadline: WheelTimer;
  #deadlineFor: 'first-answer' | 'interruption' | 'linger' | 'resume' | null = null;
  #firstAnswer: ((answer: FirstAnswer) => void) | null = null;
  #closing: { code: number; reason: CloseReason; initiator: Initiator; backendCode: number } | null = null;
  /** Closing, and what the client sent is still being brought to a backend. */
  #lingering = false;
  #everOpened = false;

  constructor(host: PipeHost, id: string, request: ClientRequest) {
    this.#host = host;
    this.id = id;
    this.request = request;
    this.#createdAt = host.wheel.now();
    this.interruptions = new Interruptions(() => host.wheel.now());
    this.upstream = new Upstream(this, { wheel: host.wheel, atMostOnce: host.options.delivery === 'at-most-once' });
    this.downstream = new Downstream(this, host);
    this.#intake = new Intake(this, this.upstream.journal, host);
    this.#failover = new Failover(host, this, this);
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
  get agreedProtocol(): string | null {
    return this.#agreedProtocol;
  }
  get replayable(): number {
    return this.upstream.journal.replayable;
  }
  get interruptedMs(): number | null {
    return this.interruptions.ms;
  }
  get waitsForAcks(): boolean {
    return this.downstream.waitsForAcks;
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
      this.#failover.begin('open');
    });
  }

  /** The upgrade is done: the client's socket, and the subprotocol it was told. */
  attachClient(socket: Duplex, protocol: string): void {
    const link = openLink(socket, this, this.#host, { side: 'client', protocol });
    this.#agreedProtocol = protocol;
    this.#open(link);
  }

  /** As attachClient, for a client of holdfast.v1 that has said `start`. */
  attachResumable(link: SocketLink, protocol: string, binding: ResumeBinding): void {
    this.#agreedProtocol = protocol;
    this.#session = new ResumeSession(this, this.#host, binding);
    if (this.#backend !== null) this.#backend.link.interceptRecords = true;
    link.handOver(this);
    this.#session.welcome(link, false, this.#host.heartbeat().client);
    this.#open(link);
  }

  /** Who may come back; null = a client that cannot. */
  get session(): ResumeSession | null {
    return this.#session;
  }

  /** True where a client that has `received` messages can be given all that is missing. */
  canResume(received: number): boolean {
    const { journal } = this.downstream;
    return isLive(this.#state) && journal !== null && received >= journal.acknowledged && received <= journal.sent;
  }

  /** The client is back on a new link. A link of its own that still seems alive is ended first, unread. */
  resume(link: SocketLink, request: ClientRequest, received: number): void {
    if (this.#client !== null) {
      this.#client.link.abandon(resumeCloseCode.resumedElsewhere, 'resumed on another connection');
      this.#detach('replaced');
    }
    this.request = { ...request, clientId: this.request.clientId };
    link.handOver(this);
    this.downstream.acknowledge(received);
    const replayed = this.downstream.journal?.messages ?? 0;
    this.#session?.welcome(link, true, this.#host.heartbeat().client);
    const awayMs = this.#host.wheel.now() - this.#detachedAt;
    this.#host.events.emit('client.resumed', { ...this.fields, awayMs, replayed });
    this.#attach(link);
    const { last } = this.interruptions;
    if (this.#backend === null && last !== null) this.#session?.send({ type: 'interrupted', reason: last });
  }

  /** The client went away before its upgrade was done. */
  abandon(): void {
    if (this.#client === null)
      this.close({ code: closeCode.abnormal, reason: 'handshake-failed', initiator: 'client', deliver: false });
  }

  /** Ends the pipe. Idempotent: the first order counts. */
  close(order: CloseOrder): void {
    if (!isLive(this.#state)) return;
    const { code, reason, initiator, text, deliver = true, backendCode = closeCode.goingAway } = order;
    this.#closing = { code, reason, initiator, backendCode };
    this.#state = transition(this.#state, 'closing');
    this.downstream.end();
    this.#setDeadline(null);
    this.#answerFirst({ kind: 'gone', code, text: text ?? '' });
    this.#endMigration();
    this.#host.pipeLeft(this);
    if (initiator !== 'client') this.#client?.link.close(code, text);
    const { lingerMs } = this.#host.options.closing;
    // The end of the gateway does not wait for backends to turn up (DESIGN section 5).
    const reachable = reason !== 'shutdown' || this.#backend !== null;
    this.#lingering = deliver && reachable && !this.upstream.delivered && lingerMs > 0;
    if (this.#lingering) {
      this.#setDeadline('linger', lingerMs);
      this.upstream.hurry();
      if (this.#backend === null && !this.#failover.active) this.#failover.begin('failover');
    } else {
      this.#endBackend();
    }
    this.readingChanged();
    this.#finishIfDone();
  }

  /** Drops the connections now, without closing handshakes. */
  terminate(order: CloseOrder): void {
    this.close({ ...order, deliver: false });
    // One that was closing already may linger, or wait for answers.
    this.#endBackend();
    this.#client?.link.terminate();
    this.#tail?.end.link.terminate();
    this.#backend?.link.terminate();
    this.#finishIfDone();
  }

  /** Leaves the present backend and takes the next: rehearsal, or the backend was removed. @returns false if it has none. */
  interrupt(reason: InterruptionReason): boolean {
    const end = this.#backend;
    if (end === null || !(isLive(this.#state) || this.#lingering)) return false;
    this.#lose(end, reason, closeCode.goingAway);
    end.left(closeCode.goingAway);
    end.link.close(closeCode.goingAway);
    this.#takeNext(end);
    return true;
  }

  /** Moves to another backend without an interruption. `done` is told when it has moved, or stayed. */
  migrate(order: MigrationOrder, done: (moved: boolean) => void): void {
    const from = this.#backend;
    // What is being replayed may be known to a dead backend: the next is told so only after a failure.
    if (this.#state !== 'open' || from === null || this.migrating || this.upstream.journal.replaying) {
      done(false);
      return;
    }
    this.#migration = new Migration(this.#host, this, order, done);
    this.#migration.start(from);
  }

  /** Milliseconds since anything came on either link; 0 while something is under way. */
  quietMs(fairNow: number): number {
    if (this.#client === null || this.#backend === null || !this.upstream.delivered) return 0;
    return Math.max(0, fairNow - Math.max(this.#client.link.receivedAt, this.#backend.link.receivedAt));
  }

  /** The settings changed. */
  retune(settings: HeartbeatSettings): void {
    this.#client?.retune(settings.client);
    this.#session?.retune(settings.client);
    this.#backend?.retune(settings.backend);
    this.#tail?.end.retune(settings.backend);
    this.#migration?.next?.retune(settings.backend);
  }

  /** The bounds changed. */
  limitsChanged(): void {
    this.#intake.limitsChanged();
    this.downstream.limitsChanged();
  }

  // ---- what links tell ----

  linkMessages(link: Link, frames: Buffer, messages: number): void {
    if (link.side === 'client') {
      if (!isLive(this.#state)) return;
      this.#session?.heard();
      this.messagesToBackend += messages;
      this.bytesToBackend += frames.length;
      this.upstream.push(frames, messages);
      // Not inside a message: who hears of a full buffer may close the pipe.
      if (messages > 0) this.#intake.update();
    } else if (link === this.#backend?.link) {
      this.downstream.push(frames, messages);
    } else if (link === this.#tail?.end.link) {
      this.#tail.messageCame();
      this.downstream.push(frames, messages);
    } else {
      this.#introductionOf(link)?.messages(frames, messages);
    }
  }

  linkRecord(link: Link, payload: Buffer): void {
    if (link.side === 'backend') {
      // The receiver takes one mark away.
      const escaped = Buffer.concat([Buffer.of(recordMark), payload]);
      this.linkMessages(link, encodeFrame(opcode.text, escaped, false), 1);
      return;
    }
    if (!isLive(this.#state) || link !== this.#client?.link) return;
    const message = this.#session?.record(payload) ?? null;
    if (message !== null) this.linkMessages(link, encodeFrame(opcode.text, message, true), 1);
  }

  linkPending(link: Link): void {
    if (link.side === 'client') this.#intake.update();
  }

  linkPing(link: Link): boolean {
    return link.side === 'backend' || this.mayAnswerPing();
  }

  mayAnswerPing(): boolean {
    return this.#client?.mayAnswerPing() === true;
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
    if (link === this.#backend?.link) this.upstream.flush();
    else if (link === this.#client?.link) this.downstream.drained();
  }

  linkViolated(link: Link, code: 1002 | 1007 | 1009, detail: string): void {
    const hop: Hop = link.side;
    const end = this.#endOf(link);
    const reason = code === closeCode.messageTooBig ? 'message-too-big' : 'protocol-error';
    const backendId = end?.backend.id;
    this.#host.events.emit('pipe.violated', {
      ...this.fields,
      hop,
      ...(backendId && { backendId }),
      closeCode: code,
      detail,
    });
    if (hop === 'client') {
      this.close({ code, text: detail, reason, initiator: 'gateway' });
    } else if (reason === 'message-too-big') {
      // Every other backend would send the same: no failover (DESIGN section 3).
      this.close({ code, text: detail, reason, initiator: 'gateway', deliver: false });
    } else if (end !== null) {
      this.backendFailed(end, 'protocol-error', detail);
    }
  }

  linkClosed(link: Link, code: number, text: string, answers: boolean): void {
    if (link.side === 'client') {
      if (!answers && link === this.#client?.link) {
        this.close({ code, text, reason: 'closed', initiator: 'client', backendCode: code });
      }
      return;
    }
    const end = this.#endOf(link);
    if (end === null) return;
    if (answers) {
      // An answer repeats our code. Another one crossed ours: what we sent before may not have arrived.
      if (end === this.#backend && code === this.#closing?.backendCode) this.upstream.closeAnswered();
    } else if (end === this.#backend && !this.#meansFailover(end, code)) {
      if (isLive(this.#state)) this.close({ code, text, reason: 'closed', initiator: 'backend', deliver: false });
      else this.#endBackend();
    } else {
      this.backendFailed(end, 'closed', `closed with ${code}`, code);
    }
  }

  linkEnded(link: Link, { code, error }: LinkEnd): void {
    if (link.side === 'client') {
      if (link === this.#client?.link) this.#clientEnded();
      return;
    }
    const end = this.#endOf(link);
    if (end === null) return;
    if (end === this.#backend && !isLive(this.#state) && !this.#lingering) {
      end.left(code);
      this.#backend = null;
      this.#finishIfDone();
    } else {
      this.backendFailed(end, 'lost', error?.message ?? 'the connection was lost', code);
    }
  }

  // ---- what the parts tell ----

  sessionViolated(detail: string): void {
    this.#host.events.emit('pipe.violated', {
      ...this.fields,
      hop: 'client',
      closeCode: resumeCloseCode.badStart,
      detail,
    });
    this.close({ code: resumeCloseCode.badStart, text: detail, reason: 'protocol-error', initiator: 'gateway' });
  }

  clientDied(reason: DeathReason): void {
    if (this.#session !== null && isLive(this.#state) && this.#host.options.resume.windowMs > 0) {
      this.#detach(reason);
      return;
    }
    this.close({ code: closeCode.abnormal, reason, initiator: 'gateway' });
  }

  /** A backend link failed, whichever it is. */
  backendFailed(end: BackendEnd, reason: InterruptionReason, detail: string, code: number = closeCode.abnormal): void {
    if (end === this.#tail?.end) {
      this.#tail.stop();
    } else if (end === this.#migration?.next) {
      end.failed(detail, code);
      this.migrationFailed(this.#migration);
    } else if (end === this.#backend) {
      const links = this.interruptions.failedWith(this.upstream.oldestUnacknowledged);
      this.#lose(end, reason, code);
      this.#failover.lost(end);
      end.failed(detail, code);
      if (links >= this.#host.options.failover.maxReplays) this.#giveUpPoison(links);
      else this.#takeNext(end);
    } else {
      this.#introductionFailover(end.link)?.introducedLost(detail);
    }
  }

  backendUnacknowledging(end: BackendEnd): void {
    if (end !== this.#backend) return;
    this.upstream.stopAcknowledging();
    this.#migration?.barrierReturned();
  }

  journalShrank(): void {
    this.#session?.acknowledged();
    this.#intake.update();
    if (this.#lingering && this.upstream.delivered) this.#endBackend();
  }

  bufferFull(): void {
    const text = 'no backend, and the buffer is full';
    this.close({ code: closeCode.tryAgainLater, text, reason: 'buffer-full', initiator: 'gateway', deliver: false });
  }

  backendFound(end: BackendEnd): void {
    this.#agreedProtocol ??= end.link.protocol;
    const gapMs = this.interruptedMs ?? 0;
    this.interruptions.ended();
    if (this.#deadlineFor === 'interruption' || this.#deadlineFor === 'first-answer') this.#setDeadline(null);
    if (this.#client !== null && isLive(this.#state)) this.#opened();
    this.#answerFirst({ kind: 'attached', protocol: end.link.protocol });
    this.#take(end);
    if (this.#backend !== end) return;
    const replayed = this.upstream.attach(end.link);
    if (this.#backend !== end) return;
    if (end.generation > 1 && isLive(this.#state)) {
      const { generation } = end;
      this.#session?.send({ type: 'restored', gapMs: Math.round(gapMs), replayed });
      this.#host.events.emit('pipe.restored', {
        ...end.fields,
        gapMs,
        attempt: end.found.attempt,
        generation,
        replayed,
      });
    }
    if (this.#lingering) this.upstream.hurry();
    this.readingChanged();
    this.#intake.update();
  }

  backendRefused(statusCode: number): void {
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

  /** Only searches of one round miss, and those belong to migrations. */
  backendMissing(): void {}

  migrationHeld(): void {
    this.#state = transition(this.#state, 'migrating');
    this.upstream.hold();
    if (this.#backend?.acknowledging === false) this.#migration?.barrierReturned();
    else this.upstream.sendBarrier();
  }

  migrationReady(migration: Migration, next: BackendEnd): void {
    const old = this.#backend!;
    this.#migration = null;
    this.upstream.detach();
    this.#state = transition(this.#state, 'open');
    this.#tail = new Tail(this, old, this.#host);
    this.#take(next);
    if (this.#backend === next) this.upstream.attach(next.link);
    this.#host.events.emit('pipe.migrated', {
      ...next.fields,
      fromBackendId: old.backend.id,
      generation: next.generation,
      durationMs: this.#host.wheel.now() - migration.startedAt,
      cause: migration.cause,
    });
    this.readingChanged();
    this.#intake.update();
    migration.done(true);
  }

  migrationFailed(migration: Migration): void {
    if (this.#migration !== migration) return;
    this.#endMigration();
    if (this.#state !== 'migrating') return;
    this.#state = transition(this.#state, 'open');
    this.upstream.release();
  }

  tailEnded(): void {
    this.#tail = null;
    this.readingChanged();
    this.#finishIfDone();
  }

  /** The tail is read first, then the present backend; neither while the client is too slow or not there yet. */
  readingChanged(): void {
    // Of a pipe that is closing nothing goes to the client any more, and the pongs and the Close of its backend are waited for.
    const taken = this.#client !== null || this.#session !== null;
    const wanted = !isLive(this.#state) || (this.downstream.open && taken);
    this.#tail?.read(wanted);
    const end = this.#backend;
    if (!wanted || this.#tail !== null) {
      end?.link.pause();
    } else if (end !== null && end.unread.length > 0) {
      this.#readAgain(end);
      this.readingChanged();
    } else {
      end?.link.resume();
    }
    if (this.#session !== null) this.#intake.update();
  }

  timerFired(): void {
    const deadline = this.#deadlineFor;
    this.#deadlineFor = null;
    if (deadline === 'first-answer') {
      this.#answerFirst({ kind: 'waiting' });
    } else if (deadline === 'resume') {
      this.close({ code: closeCode.abnormal, reason: 'resume-window-over', initiator: 'client' });
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
  // Whoever hears of an event may close or interrupt the pipe in it: first the state is whole, then it is told.

  /** The end a backend link belongs to; null = one that was left. */
  #endOf(link: Link): BackendEnd | null {
    if (link === this.#backend?.link) return this.#backend;
    if (link === this.#tail?.end.link) return this.#tail.end;
    if (link === this.#migration?.next?.link) return this.#migration.next;
    return this.#introductionOf(link)?.end ?? null;
  }

  #introductionOf(link: Link) {
    return this.#introductionFailover(link)?.introduction ?? null;
  }

  /** Whose introduction goes on over this link. */
  #introductionFailover(link: Link): Failover | null {
    if (link === this.#failover.introduction?.end.link) return this.#failover;
    const other = this.#migration?.failover;
    return other !== undefined && link === other.introduction?.end.link ? other : null;
  }

  #meansFailover(end: BackendEnd, code: number): boolean {
    return meansFailover(code, this.#host.options.failover.codes, end.backend.adminState === 'draining');
  }

  /** As if it came over the link now. */
  #readAgain(end: BackendEnd): void {
    const { unread } = end;
    end.unread = [];
    for (const { frames, text, payload } of unread) {
      if (this.#session !== null && text && payload[0] === recordMark) this.linkRecord(end.link, payload);
      else this.linkMessages(end.link, frames, 1);
    }
  }

  #take(end: BackendEnd): void {
    const { attempt, dialMs, dialed } = end.found;
    this.#backend = end;
    this.#generation = end.generation;
    this.ticket = dialed.ticket ?? this.ticket;
    if (this.#session !== null) end.link.interceptRecords = true;
    this.#host.events.emit('backend.attached', { ...end.fields, attempt, generation: end.generation, dialMs });
  }

  #opened(): void {
    if (this.#state !== 'open') this.#state = transition(this.#state, 'open');
    this.#setDeadline(null);
  }

  #limitInterruption(): void {
    const { maxInterruptionMs } = this.#host.options.failover;
    // Without a limit too: the window of a client that is back must not run on.
    this.#setDeadline(maxInterruptionMs > 0 ? 'interruption' : null, maxInterruptionMs);
  }

  #open(link: SocketLink): void {
    if (isLive(this.#state)) {
      this.#everOpened = true;
      this.#host.events.emit('pipe.opened', { ...this.fields, protocol: this.#agreedProtocol ?? '' });
    }
    this.#attach(link);
  }

  #attach(link: SocketLink): void {
    if (!isLive(this.#state)) {
      link.close(this.#closing?.code ?? closeCode.tryAgainLater);
      return;
    }
    this.#client = new ClientEnd(this, link, this.#host, this.#host.heartbeat().client);
    if (this.#backend !== null) {
      this.#opened();
    } else {
      if (this.#state === 'detached') this.#state = transition(this.#state, 'interrupted');
      this.#limitInterruption();
    }
    this.downstream.client = link;
    this.#intake.client = link;
    this.readingChanged();
  }

  /** The client of a resumable pipe is gone: the pipe waits for it. */
  #detach(reason: 'lost' | 'replaced' | DeathReason): void {
    const { windowMs } = this.#host.options.resume;
    this.#client?.heartbeat.stop();
    this.#client = null;
    this.#session?.detach();
    this.#detachedAt = this.#host.wheel.now();
    if (this.#state === 'migrating') this.#state = transition(this.#state, 'open');
    this.#state = transition(this.#state, 'detached');
    this.#setDeadline('resume', windowMs);
    this.#endMigration();
    this.upstream.release();
    this.downstream.client = null;
    this.#intake.client = null;
    this.#host.events.emit('client.detached', { ...this.fields, reason, windowMs });
    this.readingChanged();
  }

  #clientEnded(): void {
    if (this.#session !== null && isLive(this.#state) && this.#host.options.resume.windowMs > 0) {
      this.#detach('lost');
      return;
    }
    this.#client?.heartbeat.stop();
    this.#client = null;
    this.downstream.client = null;
    this.#intake.client = null;
    this.close({ code: closeCode.abnormal, reason: 'lost', initiator: 'client' });
    this.readingChanged();
    this.#finishIfDone();
  }

  /** The pipe has no backend from here. */
  #lose(end: BackendEnd, reason: InterruptionReason, code: number): void {
    this.#backend = null;
    this.upstream.detach();
    this.interruptions.began(reason);
    if (!isLive(this.#state)) return;
    if (this.#client !== null) {
      if (this.#state !== 'connecting') this.#state = transition(this.#state, 'interrupted');
      this.#limitInterruption();
    }
    this.#endMigration();
    this.#session?.send({ type: 'interrupted', reason });
    const { messages: journalMessages, bytes: journalBytes } = this.upstream.journal;
    this.#host.events.emit('pipe.interrupted', {
      ...end.fields,
      reason,
      closeCode: code,
      journalMessages,
      journalBytes,
    });
  }

  /** The next backend, rather not the one just left. */
  #takeNext(left: BackendEnd): void {
    if (!isLive(this.#state) && (!this.#lingering || this.#closing?.reason === 'shutdown')) {
      this.#endBackend();
      this.#finishIfDone();
      return;
    }
    this.#failover.begin('failover', [left.backend.id]);
    this.#intake.interruptionBegan();
  }

  #giveUpPoison(links: number): void {
    const text = `${links} backends in a row failed with the same message`;
    this.close({ code: closeCode.internalError, text, reason: 'poison', initiator: 'gateway', deliver: false });
    // One that was closing already gives up its linger.
    this.#endBackend();
    this.#finishIfDone();
  }

  #endMigration(): void {
    const migration = this.#migration;
    this.#migration = null;
    migration?.stop();
  }

  /** No (further) delivery: the backend is told, and gone when it has answered. */
  #endBackend(): void {
    this.#lingering = false;
    if (this.#deadlineFor === 'linger') this.#setDeadline(null);
    this.#failover.stop();
    this.#tail?.leave();
    if (this.#backend === null) {
      // Nobody will take it, and the client may take its time to go.
      this.upstream.journal.abandon();
      this.#intake.update();
    }
    this.#backend?.heartbeat.stop();
    this.#backend?.link.close(this.#closing?.backendCode ?? closeCode.goingAway);
  }

  #finishIfDone(): void {
    if (this.#state !== 'closing' || this.#lingering) return;
    if (this.#client !== null || this.#backend !== null || this.#tail !== null) return;
    this.#state = transition(this.#state, 'closed');
    const { code, reason, initiator } = this.#closing!;
    const undelivered = this.upstream.journal.messages;
    this.upstream.dispose();
    this.#intake.dispose();
    this.#failover.stop();
    this.#setDeadline(null);
    if (this.#everOpened) {
      this.#host.events.emit('pipe.closed', {
        ...this.fields,
        reason,
        initiator,
        closeCode: code,
        durationMs: this.#host.wheel.now() - this.#createdAt,
        interruptions: this.interruptions.count,
        generation: this.#generation,
        messagesToBackend: this.messagesToBackend,
        messagesToClient: this.downstream.messages,
        bytesToBackend: this.bytesToBackend,
        bytesToClient: this.downstream.bytes,
        undelivered,
      });
    }
    this.#host.pipeClosed(this);
  }

  #answerFirst(answer: FirstAnswer): void {
    const resolve = this.#firstAnswer;
    this.#firstAnswer = null;
    resolve?.(answer);
  }

  #setDeadline(what: 'first-answer' | 'interruption' | 'linger' | 'resume' | null, ms = 0): void {
    this.#deadlineFor = what;
    if (what === null) this.#deadline.stop();
    else this.#deadline.start(ms);
  }
}
