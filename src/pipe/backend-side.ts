/**
 * The backends of a pipe: the one it sends to, and those it comes from or goes to while it moves (relocation.ts). What the end of one of
 * their links means is decided here; how the next is found, in failover.ts.
 */
import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import type { Link, LinkEnd, LinkOwner } from '../link/link.ts';
import type { InterruptionReason } from '../observe/events.ts';
import { type ClosePayload, closeCode } from '../wire/close-codes.ts';
import { encodeFrame, opcode } from '../wire/frame.ts';
import { type GatewayRecord, recordMark } from '../wire/resume.ts';
import type { BackendEnd } from './backend-end.ts';
import type { ClientRequest } from './client-request.ts';
import type { CloseOrder } from './closing.ts';
import type { Downstream } from './downstream.ts';
import { Failover, type FailoverContext, type FailoverOwner, Interruptions } from './failover.ts';
import { meansFailover } from './failover-policy.ts';
import type { Intake } from './intake.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { MigrationOrder } from './migration.ts';
import type { PipeIdentity, PipeParts } from './pipe-parts.ts';
import { Relocation, type RelocationOwner } from './relocation.ts';
import type { Upstream } from './upstream.ts';

export interface BackendSideOwner {
  /** Closing, and what the client sent is still being brought to a backend. */
  readonly lingering: boolean;
  /** A lost backend is replaced. */
  readonly takesBackend: boolean;
  /** The next backend is there; its link carries nothing yet. */
  backendFound(end: BackendEnd): void;
  /** The present link was lost or left. */
  backendLost(): void;
  /** A backend answered the client itself: 4xx. */
  backendRefused(statusCode: number): void;
  /** No backend is to be had, or wanted, for what a closing pipe still holds. */
  deliveryOver(): void;
  /** So many backends in a row failed with the same message. */
  backendsPoisoned(links: number): void;
  /** A link that was left has ended. */
  backendGone(): void;
  /** Whether backends may be read is to be decided anew. */
  readingChanged(): void;
  tellClient(record: GatewayRecord): void;
  close(order: CloseOrder): void;
}

// Whoever hears of an event may close or interrupt the pipe in it: first the state is whole, then it is told.
export class BackendSide implements LinkOwner, FailoverOwner, RelocationOwner {
  readonly interruptions: Interruptions;
  readonly #owner: BackendSideOwner;
  readonly #context: FailoverContext;
  readonly #identity: PipeIdentity;
  readonly #lifecycle: Lifecycle;
  readonly #upstream: Upstream;
  readonly #downstream: Downstream;
  readonly #intake: Intake;
  readonly #failover: Failover;
  readonly #relocation: Relocation;
  #present: BackendEnd | null = null;
  #generation = 0;
  #ticket: string | null = null;
  /** The client speaks holdfast.v1: texts that look like its control messages are marked. */
  #marksRecords = false;
  /** Told to the present link when it was left; null = it was not. */
  #leftWith: number | null = null;

  constructor(owner: BackendSideOwner, context: FailoverContext, parts: PipeParts) {
    this.#owner = owner;
    this.#context = context;
    this.#identity = parts.identity;
    this.#lifecycle = parts.lifecycle;
    this.#upstream = parts.upstream;
    this.#downstream = parts.downstream;
    this.#intake = parts.intake;
    this.interruptions = new Interruptions(() => context.wheel.now());
    this.#failover = new Failover(context, this, this);
    this.#relocation = new Relocation(this, context, parts);
  }

  /** The backend the pipe sends to; null = none now. */
  get present(): BackendEnd | null {
    return this.#present;
  }
  /** Neither the present nor an old backend is there any more. */
  get gone(): boolean {
    return this.#present === null && this.#relocation.tail === null;
  }
  get migrating(): boolean {
    return this.#relocation.active;
  }
  /** How often the pipe has been attached to a backend. */
  get generation(): number {
    return this.#generation;
  }

  // ---- of SearchSubject and BackendEndOwner ----

  get id(): string {
    return this.#identity.id;
  }
  get fields() {
    return this.#identity.fields;
  }
  get request(): ClientRequest {
    return this.#identity.request;
  }
  get agreedProtocol(): string | null {
    return this.#identity.agreedProtocol;
  }
  get nextGeneration(): number {
    return this.#generation + 1;
  }
  get replayable(): number {
    return this.#upstream.journal.replayable;
  }
  get ticket(): string | null {
    return this.#ticket;
  }

  // ---- what the pipe orders ----

  /** Looks for a backend, if that is not done already. */
  seek(reason: 'open' | 'failover'): void {
    if (this.#present === null && !this.#failover.active) this.#failover.begin(reason);
  }

  /** From now on texts of backends that begin with U+001E get a mark. */
  markRecords(): void {
    this.#marksRecords = true;
    if (this.#present !== null) this.#present.link.interceptRecords = true;
  }

  /** Leaves the present backend and takes the next: rehearsal, or the backend was removed. @returns false if it has none. */
  interrupt(reason: InterruptionReason): boolean {
    const end = this.#present;
    if (end === null || !(this.#lifecycle.live || this.#owner.lingering)) return false;
    this.#lose(end, reason, closeCode.goingAway);
    end.left(closeCode.goingAway);
    end.link.close(closeCode.goingAway);
    this.#takeNext(end);
    return true;
  }

  /** Moves to another backend without an interruption. `done` is told when it has moved, or stayed. */
  migrate(order: MigrationOrder, done: (moved: boolean) => void): void {
    this.#relocation.begin(order, done);
  }

  /** Gives a migration up. */
  stay(): void {
    this.#relocation.stop();
  }

  /** The tail is read first, then the present backend. */
  read(wanted: boolean): void {
    this.#relocation.tail?.read(wanted);
    const end = this.#present;
    if (!wanted || this.#relocation.tail !== null) {
      end?.link.pause();
    } else if (end !== null && end.unread.length > 0) {
      this.#readAgain(end);
      this.#owner.readingChanged();
    } else {
      end?.link.resume();
    }
  }

  retune(settings: HeartbeatSettings): void {
    this.#present?.retune(settings.backend);
    this.#relocation.retune(settings);
  }

  /** No (further) delivery: the backend is told, and gone when it has answered. */
  leave({ code, reason }: ClosePayload): void {
    this.#failover.stop();
    this.#relocation.tail?.leave();
    if (this.#present === null) {
      // Nobody will take it, and the client may take its time to go.
      this.#upstream.journal.abandon();
      this.#intake.update();
      return;
    }
    this.#leftWith = code;
    this.#present.heartbeat.stop();
    this.#present.link.close(code, reason);
  }

  terminate(): void {
    this.#relocation.tail?.end.link.terminate();
    this.#present?.link.terminate();
  }

  // ---- what links tell ----

  linkMessages(link: Link, frames: Buffer, messages: number): void {
    if (link === this.#present?.link) {
      this.#downstream.push(frames, messages);
    } else if (link === this.#relocation.tail?.end.link) {
      this.#relocation.tail.messageCame();
      this.#downstream.push(frames, messages);
    } else {
      this.#introducing(link)?.introduction?.messages(frames, messages);
    }
  }

  linkRecord(link: Link, payload: Buffer): void {
    // The receiver takes one mark away.
    const escaped = Buffer.concat([Buffer.of(recordMark), payload]);
    this.linkMessages(link, encodeFrame(opcode.text, escaped, false), 1);
  }

  linkPending(): void {}

  linkPing(): boolean {
    return true;
  }

  linkPong(link: Link, payload: Buffer): void {
    const end = this.#endOf(link);
    if (end === null) return;
    end.answered();
    if (end === this.#present && this.#upstream.pong(payload)) this.#relocation.barrierReturned();
    else if (end.heartbeat.pong(payload) && end === this.#present) this.#upstream.heartbeatAnswered();
  }

  linkJsonHeartbeat(): boolean {
    return false;
  }

  linkDrained(link: Link): void {
    if (link === this.#present?.link) this.#upstream.flush();
  }

  linkViolated(link: Link, code: 1002 | 1007 | 1009, detail: string): void {
    const end = this.#endOf(link);
    const fields = { ...this.fields, hop: 'backend', ...(end && { backendId: end.backend.id }) } as const;
    this.#context.events.emit('pipe.violated', { ...fields, closeCode: code, detail });
    if (code === closeCode.messageTooBig) {
      // Every other backend would send the same: no failover (DESIGN section 3).
      this.#owner.close({ code, text: detail, reason: 'message-too-big', initiator: 'gateway', deliver: false });
    } else if (end !== null) {
      this.backendFailed(end, 'protocol-error', detail);
    }
  }

  linkClosed(link: Link, code: number, text: string, answers: boolean): void {
    const end = this.#endOf(link);
    if (end === null) return;
    if (answers) {
      // An answer repeats our code. Another one crossed ours: what we sent before may not have arrived.
      if (end === this.#present && code === this.#leftWith) this.#upstream.closeAnswered();
    } else if (end === this.#present && !this.#meansFailover(end, code)) {
      if (this.#lifecycle.live)
        this.#owner.close({ code, text, reason: 'closed', initiator: 'backend', deliver: false });
      else this.#owner.deliveryOver();
    } else {
      this.backendFailed(end, 'closed', `closed with ${code}`, code);
    }
  }

  linkEnded(link: Link, { code, error }: LinkEnd): void {
    const end = this.#endOf(link);
    if (end === null) return;
    if (end === this.#present && !this.#lifecycle.live && !this.#owner.lingering) {
      end.left(code);
      this.#present = null;
      this.#owner.backendGone();
    } else {
      this.backendFailed(end, 'lost', error?.message ?? 'the connection was lost', code);
    }
  }

  // ---- what the ends and parts tell ----

  /** A backend link failed, whichever it is. */
  backendFailed(end: BackendEnd, reason: InterruptionReason, detail: string, code: number = closeCode.abnormal): void {
    const { tail, next } = this.#relocation;
    if (end === tail?.end) {
      tail.stop();
    } else if (end === next) {
      end.failed(detail, code);
      this.#relocation.nextFailed();
    } else if (end === this.#present) {
      const links = this.interruptions.failedWith(this.#upstream.oldestUnacknowledged);
      this.#lose(end, reason, code);
      this.#failover.lost(end);
      end.failed(detail, code);
      if (links >= this.#context.options.failover.maxReplays) this.#owner.backendsPoisoned(links);
      else this.#takeNext(end);
    } else {
      this.#introducing(end.link)?.introducedLost(detail);
    }
  }

  backendUnacknowledging(end: BackendEnd): void {
    if (end !== this.#present) return;
    this.#upstream.stopAcknowledging();
    this.#relocation.barrierReturned();
  }

  backendFound(end: BackendEnd): void {
    this.#identity.agreedProtocol ??= end.link.protocol;
    const gapMs = this.interruptions.ms ?? 0;
    this.interruptions.ended();
    this.#owner.backendFound(end);
    this.#take(end);
    if (this.#present !== end) return;
    const replayed = this.#upstream.attach(end.link);
    if (this.#present !== end) return;
    const { generation, found } = end;
    if (generation > 1 && this.#lifecycle.live) {
      this.#owner.tellClient({ type: 'restored', gapMs: Math.round(gapMs), replayed });
      const { attempt } = found;
      this.#context.events.emit('pipe.restored', { ...end.fields, gapMs, attempt, generation, replayed });
    }
    if (this.#owner.lingering) this.#upstream.hurry();
    this.#owner.readingChanged();
    this.#intake.update();
  }

  backendRefused(statusCode: number): void {
    this.#owner.backendRefused(statusCode);
  }

  /** Only searches of one round miss, and those belong to migrations. */
  backendMissing(): void {}

  goOver(next: BackendEnd): void {
    this.#take(next);
    if (this.#present === next) this.#upstream.attach(next.link);
  }

  readingChanged(): void {
    this.#owner.readingChanged();
  }

  tailGone(): void {
    this.#owner.backendGone();
  }

  // ---- inside ----

  /** The end a link belongs to; null = one that was left. */
  #endOf(link: Link): BackendEnd | null {
    if (link === this.#present?.link) return this.#present;
    const { tail, next } = this.#relocation;
    if (link === tail?.end.link) return tail.end;
    if (link === next?.link) return next;
    return this.#introducing(link)?.introduction?.end ?? null;
  }

  /** Whose introduction goes on over this link. */
  #introducing(link: Link): Failover | null {
    if (link === this.#failover.introduction?.end.link) return this.#failover;
    const { failover } = this.#relocation;
    return link === failover?.introduction?.end.link ? failover : null;
  }

  #meansFailover(end: BackendEnd, code: number): boolean {
    return meansFailover(code, this.#context.options.failover.codes, end.backend.adminState === 'draining');
  }

  /** As if it came over the link now. */
  #readAgain(end: BackendEnd): void {
    const { unread } = end;
    end.unread = [];
    for (const { frames, text, payload } of unread) {
      if (this.#marksRecords && text && payload[0] === recordMark) this.linkRecord(end.link, payload);
      else this.linkMessages(end.link, frames, 1);
    }
  }

  #take(end: BackendEnd): void {
    const { attempt, dialMs, dialed } = end.found;
    this.#present = end;
    this.#generation = end.generation;
    this.#ticket = dialed.ticket ?? this.#ticket;
    if (this.#marksRecords) end.link.interceptRecords = true;
    this.#context.events.emit('backend.attached', { ...end.fields, attempt, generation: end.generation, dialMs });
  }

  /** The pipe has no backend from here. */
  #lose(end: BackendEnd, reason: InterruptionReason, code: number): void {
    this.#present = null;
    this.#upstream.detach();
    this.interruptions.began(reason);
    if (!this.#lifecycle.live) return;
    this.#owner.backendLost();
    this.#relocation.stop();
    this.#owner.tellClient({ type: 'interrupted', reason });
    const { messages: journalMessages, bytes: journalBytes } = this.#upstream.journal;
    const fields = { ...end.fields, reason, closeCode: code, journalMessages, journalBytes };
    this.#context.events.emit('pipe.interrupted', fields);
  }

  /** The next backend, rather not the one just left. */
  #takeNext(left: BackendEnd): void {
    if (!this.#owner.takesBackend) {
      this.#owner.deliveryOver();
      return;
    }
    this.#failover.begin('failover', [left.backend.id]);
    this.#intake.interruptionBegan();
  }
}
