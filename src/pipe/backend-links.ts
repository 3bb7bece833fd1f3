/**
 * The links to backends, whichever they are: what comes on each goes where its part in the pipe says, and so is judged what its end means.
 * The parts: the present one, the next and the old one of a relocation, and one that is being introduced.
 */
import type { Link, LinkEnd, LinkLimit, LinkOwner } from '../link/link.ts';
import type { PipeFields } from '../observe/events.ts';
import type { InterruptionReason } from '../observe/vocabulary.ts';
import type { Block } from '../wire/byte-blocks.ts';
import { type ClosePayload, closeCode } from '../wire/close-codes.ts';
import { encodeFrame, opcode } from '../wire/frame.ts';
import type { ViolationCode } from '../wire/frame-reader.ts';
import { recordMark } from '../wire/resume.ts';
import type { BackendEnd, BackendEndOwner } from './backend-end.ts';
import type { Downstream } from './downstream.ts';
import type { Failover, FailoverContext } from './failover.ts';
import { meansFailover } from './failover-policy.ts';
import type { PipeIdentity, PipeParts } from './pipe-parts.ts';
import type { Relocation } from './relocation.ts';
import type { Upstream } from './upstream.ts';

export interface BackendLinksOwner {
  /** The present link failed: another backend is wanted. */
  presentFailed(end: BackendEnd, reason: InterruptionReason, detail: string, code: number): void;
  /** The backend ended the present link, for the client too. */
  presentClosed(code: number, text: string): void;
  /** The present link has ended. @returns false where nobody had left it: it failed. */
  presentLeft(end: BackendEnd, code: number): boolean;
  /** A backend sent a message that is too big, or in too many fragments; every other would send the same. */
  messageTooBig(code: number, detail: string): void;
}

export class BackendLinks implements LinkOwner, BackendEndOwner {
  /** The backend the pipe sends to; null = none now. */
  present: BackendEnd | null = null;
  readonly #owner: BackendLinksOwner;
  readonly #context: FailoverContext;
  readonly #identity: PipeIdentity;
  readonly #upstream: Upstream;
  readonly #downstream: Downstream;
  readonly #failover: Failover;
  readonly #relocation: Relocation;
  /** Told to the present link when it was left; null = it was not. */
  #leftWith: number | null = null;

  constructor(
    owner: BackendLinksOwner,
    context: FailoverContext,
    parts: PipeParts,
    dialing: { readonly failover: Failover; readonly relocation: Relocation },
  ) {
    this.#owner = owner;
    this.#context = context;
    this.#identity = parts.identity;
    this.#upstream = parts.upstream;
    this.#downstream = parts.downstream;
    this.#failover = dialing.failover;
    this.#relocation = dialing.relocation;
  }

  get fields(): PipeFields {
    return this.#identity.fields;
  }

  /** A Close for the present link, for good. */
  leave({ code, reason }: ClosePayload): void {
    if (this.present === null) return;
    this.#leftWith = code;
    this.present.heartbeat.stop();
    this.present.link.close(code, reason);
  }

  linkMessages(link: Link, frames: Buffer, messages: number, block: Block | null): boolean {
    const { tail } = this.#relocation;
    if (link === tail?.end.link) {
      tail.messageCame(frames.length);
      return this.#downstream.push(frames, messages, block);
    }
    if (link === this.present?.link) {
      // Reset while the old link is read, it hands on what had been read of it: that is lost with the rest, it would come too early.
      return tail !== null || this.#downstream.push(frames, messages, block);
    }
    this.#introducing(link)?.introduction?.messages(frames, messages);
    return false;
  }

  linkRecord(link: Link, payload: Buffer): void {
    // The receiver takes one mark away.
    const escaped = Buffer.concat([Buffer.of(recordMark), payload]);
    this.linkMessages(link, encodeFrame(opcode.text, escaped, false), 1, null);
  }

  linkPending(): void {}

  linkPing(link: Link): boolean {
    return this.#endOf(link)?.mayAnswerPing() === true;
  }

  linkPong(link: Link, payload: Buffer): void {
    const end = this.#endOf(link);
    if (end === null) return;
    end.answered();
    if (end === this.present && this.#upstream.pong(payload)) this.#relocation.barrierReturned();
    else if (end.heartbeat.pong(payload) && end === this.present) this.#upstream.heartbeatAnswered();
  }

  linkJsonHeartbeat(): boolean {
    return false;
  }

  linkDrained(link: Link): void {
    if (link === this.present?.link) this.#upstream.flush();
  }

  linkLimited(link: Link, limit: LinkLimit): void {
    this.#context.tally.hit(limit, this.#endOf(link)?.fields ?? this.fields);
  }

  linkViolated(link: Link, code: ViolationCode, detail: string): void {
    const end = this.#endOf(link);
    const fields = { hop: 'backend', ...this.fields, ...(end && { backendId: end.backend.id }) } as const;
    this.#context.events.emit('pipe.violated', { closeCode: code, detail, ...fields });
    if (end === null) return;
    const tooBig = code === closeCode.messageTooBig || code === closeCode.policyViolation;
    // With one dialled ahead the client has nothing to do yet: it stays where it is.
    if (tooBig && !this.#dialledAhead(link)) this.#owner.messageTooBig(code, detail);
    else this.backendFailed(end, 'protocol-error', detail);
  }

  linkClosed(link: Link, code: number, text: string, answers: boolean): void {
    const end = this.#endOf(link);
    if (end === null) return;
    if (answers && end === this.present) {
      // An answer repeats our code, and comes behind the pong that is due. Any other may have crossed ours, and what we sent before be lost.
      if (code === this.#leftWith && !this.#upstream.awaitsPong) this.#upstream.closeAnswered();
    } else if (end === this.present && !this.#meansFailover(end, code)) {
      this.#owner.presentClosed(code, text);
    } else {
      this.backendFailed(end, 'closed', `closed with ${code}`, code);
    }
  }

  linkEnded(link: Link, { code, error }: LinkEnd): void {
    const end = this.#endOf(link);
    if (end === null) return;
    if (end !== this.present || !this.#owner.presentLeft(end, code))
      this.backendFailed(end, 'lost', error?.message ?? 'the connection was lost', code);
  }

  /** A backend link failed, whichever it is. */
  backendFailed(end: BackendEnd, reason: InterruptionReason, detail: string, code: number = closeCode.abnormal): void {
    const { tail, next } = this.#relocation;
    if (end === tail?.end) {
      tail.stop();
    } else if (end === next) {
      end.failed(detail, code);
      this.#relocation.nextFailed();
    } else if (end === this.present) {
      this.#owner.presentFailed(end, reason, detail, code);
    } else {
      this.#introducing(end.link)?.introducedLost(detail);
    }
  }

  backendUnacknowledging(end: BackendEnd): void {
    if (end !== this.present) return;
    this.#upstream.stopAcknowledging();
    this.#relocation.barrierReturned();
  }

  /** The end a link belongs to; null = one that was left. */
  #endOf(link: Link): BackendEnd | null {
    if (link === this.present?.link) return this.present;
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

  /** For a migration: its introduction goes on, or it waits for the barrier. */
  #dialledAhead(link: Link): boolean {
    const { next, failover } = this.#relocation;
    return link === next?.link || link === failover?.introduction?.end.link;
  }

  #meansFailover(end: BackendEnd, code: number): boolean {
    return meansFailover(code, this.#context.options.failover.codes, end.backend.adminState === 'draining');
  }
}
