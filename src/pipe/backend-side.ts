/**
 * The backends of a pipe: the one it sends to, and those it comes from or goes to while it moves (relocation.ts). A lost one is
 * replaced (failover.ts).
 */
import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import type { InterruptionReason } from '../observe/vocabulary.ts';
import { type ClosePayload, closeCode } from '../wire/close-codes.ts';
import { type GatewayRecord, recordMark } from '../wire/resume.ts';
import type { BackendEnd } from './backend-end.ts';
import { BackendLinks, type BackendLinksOwner } from './backend-links.ts';
import type { ClientRequest } from './client-request.ts';
import type { CloseOrder } from './close-orders.ts';
import { Failover, type FailoverContext, type FailoverOwner, Interruptions } from './failover.ts';
import type { Intake } from './intake.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { MigrationOrder, MigrationOutcome } from './migration.ts';
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
export class BackendSide implements BackendLinksOwner, FailoverOwner, RelocationOwner {
  readonly interruptions: Interruptions;
  readonly links: BackendLinks;
  readonly #owner: BackendSideOwner;
  readonly #context: FailoverContext;
  readonly #identity: PipeIdentity;
  readonly #lifecycle: Lifecycle;
  readonly #upstream: Upstream;
  readonly #intake: Intake;
  readonly #failover: Failover;
  readonly #relocation: Relocation;
  #generation = 0;
  #ticket: string | null = null;
  #lastBackendId: string | null = null;
  /** The client speaks holdfast.v1: texts that look like its control messages are marked. */
  #marksRecords = false;

  constructor(owner: BackendSideOwner, context: FailoverContext, parts: PipeParts) {
    this.#owner = owner;
    this.#context = context;
    this.#identity = parts.identity;
    this.#lifecycle = parts.lifecycle;
    this.#upstream = parts.upstream;
    this.#intake = parts.intake;
    this.interruptions = new Interruptions(context.wheel);
    this.#failover = new Failover(context, this, this);
    this.#relocation = new Relocation(this, context, parts);
    this.links = new BackendLinks(this, context, parts, { failover: this.#failover, relocation: this.#relocation });
  }

  /** The backend the pipe sends to; null = none now. */
  get present(): BackendEnd | null {
    return this.links.present;
  }
  /** Neither the present nor an old backend is there any more. */
  get gone(): boolean {
    return this.links.present === null && this.#relocation.tail === null;
  }
  get migrating(): boolean {
    return this.#relocation.active;
  }
  /** How often the pipe has been attached to a backend. */
  get generation(): number {
    return this.#generation;
  }
  /** Id of the backend it was attached to last; null = none yet. */
  get lastBackendId(): string | null {
    return this.#lastBackendId;
  }

  // ---- of SearchSubject ----

  get id(): string {
    return this.#identity.id;
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
  seek(reason: 'open' | 'failover', prefer?: string): void {
    if (this.links.present === null && !this.#failover.active) this.#failover.begin(reason, { prefer });
  }

  /** The pipe comes from another gateway, which has left its backend. */
  adopt({
    generation,
    ticket,
    backendId,
  }: {
    generation: number;
    ticket: string | null;
    backendId: string | null;
  }): void {
    this.#generation = generation;
    this.#ticket = ticket;
    this.#lastBackendId = backendId;
    this.#marksRecords = true;
    if (generation > 0) this.interruptions.began('moved');
  }

  /** No other backend than those there are now. A tail is read on. */
  settle(): void {
    this.#failover.stop();
    this.#relocation.stop();
  }

  /** From now on texts of backends that begin with U+001E get a mark. */
  markRecords(): void {
    this.#marksRecords = true;
    if (this.links.present !== null) this.links.present.link.interceptRecords = true;
  }

  /** Leaves the present backend and takes the next: rehearsal, or the backend was removed. @returns false if it has none. */
  interrupt(reason: InterruptionReason): boolean {
    const end = this.links.present;
    if (end === null || !(this.#lifecycle.live || this.#owner.lingering)) return false;
    this.#lose(end, reason, closeCode.goingAway);
    end.left(closeCode.goingAway);
    end.link.close(closeCode.goingAway);
    this.#takeNext(end);
    return true;
  }

  /** Moves to another backend without an interruption. `done` is told when it has moved, or stays. */
  migrate(order: MigrationOrder, done: (outcome: MigrationOutcome) => void): void {
    this.#relocation.begin(order, done);
  }

  /** Gives a migration up. */
  stay(): void {
    this.#relocation.stop();
  }

  /** The tail is read first, then the present backend. */
  read(wanted: boolean): void {
    this.#relocation.tail?.read(wanted);
    const end = this.links.present;
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
    this.links.present?.retune(settings.backend);
    this.#failover.introduction?.end.retune(settings.backend);
    this.#relocation.retune(settings);
  }

  /** No (further) delivery: the backend is told, and gone when it has answered. */
  leave(told: ClosePayload): void {
    this.#failover.stop();
    this.#relocation.tail?.leave();
    if (this.links.present === null) {
      // Nobody will take it, and the client may take its time to go.
      this.#upstream.journal.abandon();
      this.#intake.update();
    }
    this.links.leave(told);
  }

  terminate(): void {
    this.#relocation.tail?.end.link.terminate();
    this.links.present?.link.terminate();
  }

  // ---- what the links tell ----

  presentFailed(end: BackendEnd, reason: InterruptionReason, detail: string, code: number): void {
    const links = this.interruptions.failedWith(this.#upstream.oldestUnacknowledged);
    this.#lose(end, reason, code);
    this.#failover.lost(end);
    end.failed(detail, code);
    if (links >= this.#context.options.failover.maxReplays) this.#owner.backendsPoisoned(links);
    else this.#takeNext(end);
  }

  presentClosed(code: number, text: string): void {
    if (this.#lifecycle.ending) this.#owner.deliveryOver();
    else this.#owner.close({ code, text, reason: 'closed', initiator: 'backend', deliver: false });
  }

  presentLeft(end: BackendEnd, code: number): boolean {
    if (this.#lifecycle.live || this.#owner.lingering) return false;
    end.left(code);
    this.links.present = null;
    this.#owner.backendGone();
    return true;
  }

  messageTooBig(code: number, detail: string): void {
    this.#owner.close({ code, text: detail, reason: 'message-too-big', initiator: 'gateway', deliver: false });
  }

  // ---- what the search and the relocation tell ----

  backendFound(end: BackendEnd): void {
    this.#identity.agreedProtocol ??= end.link.protocol;
    const gapMs = this.interruptions.ms ?? 0;
    this.interruptions.ended();
    this.#owner.backendFound(end);
    this.#take(end);
    if (this.links.present !== end) return;
    const replayed = this.#upstream.attach(end.link);
    if (this.links.present !== end) return;
    const { generation, attempt } = end;
    if (generation > 1 && this.#lifecycle.live) {
      this.#owner.tellClient({ type: 'restored', gapMs: Math.round(gapMs), replayed });
      this.#context.events.emit('pipe.restored', { gapMs, attempt, generation, replayed, ...end.fields });
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
    if (this.links.present === next) this.#upstream.attach(next.link);
  }

  readingChanged(): void {
    this.#owner.readingChanged();
  }

  tailGone(): void {
    this.#owner.backendGone();
  }

  // ---- inside ----

  /** As if it came over the link now. */
  #readAgain(end: BackendEnd): void {
    const { unread } = end;
    end.unread = [];
    for (const { frames, text, payload } of unread) {
      if (this.#marksRecords && text && payload[0] === recordMark) this.links.linkRecord(end.link, payload);
      else this.links.linkMessages(end.link, frames, 1, null);
    }
  }

  #take(end: BackendEnd): void {
    const { attempt, dialMs, ticket } = end;
    this.links.present = end;
    this.#generation = end.generation;
    this.#lastBackendId = end.backend.id;
    this.#ticket = ticket ?? this.#ticket;
    if (this.#marksRecords) end.link.interceptRecords = true;
    this.#context.events.emit('backend.attached', { attempt, generation: end.generation, dialMs, ...end.fields });
  }

  /** The pipe has no backend from here. */
  #lose(end: BackendEnd, reason: InterruptionReason, code: number): void {
    this.links.present = null;
    this.#upstream.detach();
    this.interruptions.began(reason);
    if (!this.#lifecycle.live) return;
    this.#owner.backendLost();
    this.#relocation.stop();
    this.#owner.tellClient({ type: 'interrupted', reason });
    const { messages: journalMessages, bytes: journalBytes } = this.#upstream.journal;
    const fields = { reason, closeCode: code, journalMessages, journalBytes, ...end.fields };
    this.#context.events.emit('pipe.interrupted', fields);
  }

  /** The next backend, rather not the one just left. */
  #takeNext(left: BackendEnd): void {
    if (!this.#owner.takesBackend) {
      this.#owner.deliveryOver();
      return;
    }
    this.#failover.begin('failover', { exclude: [left.backend] });
    this.#intake.interruptionBegan();
  }
}
