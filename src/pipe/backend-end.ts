/** A pipe's end at one backend: the link, the lease it holds, its heartbeat and its probation. */
import type { HopSettings } from '../heartbeat/settings.ts';
import type { TimerOwner, WheelTimer } from '../heartbeat/wheel.ts';
import type { LinkOwner } from '../link/link.ts';
import type { BackendFields, PipeFields } from '../observe/events.ts';
import type { InterruptionReason } from '../observe/vocabulary.ts';
import type { Backend } from '../pool/backend.ts';
import type { Lease } from '../pool/lease.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { WholeMessage } from '../wire/messages.ts';
import type { Found } from './backend-search.ts';
import { type DeathReason, type EndContext, openLink, PipeEnd } from './pipe-end.ts';

export interface BackendEndOwner extends LinkOwner {
  readonly fields: PipeFields;
  /** This end is of no use any more. */
  backendFailed(end: BackendEnd, reason: InterruptionReason, detail: string): void;
  /** It answers no pings although it sends: what it is given can never be known to have arrived. */
  backendUnacknowledging(end: BackendEnd): void;
}

/** How long a first pong is waited for where the heartbeat is off, milliseconds. */
const firstPongMs = 30_000;
/** Soonest second look, milliseconds. */
const minLookMs = 100;

/** Shared by all that have nothing. */
const nothing: readonly WholeMessage[] = Object.freeze([]);

export class BackendEnd extends PipeEnd implements TimerOwner {
  readonly generation: number;
  readonly attachedAt: number;
  /** How it was found; the ticket is of its answer to the handshake. */
  readonly attempt: number;
  readonly dialMs: number;
  readonly ticket: string | null;
  /** False once it is known that this backend never answers pings. */
  acknowledging = true;
  /** What its introduction did not take, in order: it comes before all that the link will bring. */
  unread: readonly WholeMessage[] = nothing;
  readonly #owner: BackendEndOwner;
  readonly #lease: Lease;
  /** Null when there is nothing to wait for any more. */
  #probation: WheelTimer | null;
  #firstPong: WheelTimer | null;
  /** What had come when the first pong was late; null = it is not. */
  #bytesUnanswered: number | null = null;
  #over = false;

  /** The link begins paused; `resume` it when the client can take what comes. */
  constructor(owner: BackendEndOwner, context: EndContext, found: Found, generation: number, settings: HopSettings) {
    const { socket, protocol, head, ticket } = found.dialed;
    if (head.length > 0) socket.unshift(head);
    const link = openLink(socket, owner, context, { side: 'backend', protocol });
    link.pause();
    super(link, context, settings);
    this.#owner = owner;
    this.#lease = found.lease;
    this.attempt = found.attempt;
    this.dialMs = found.dialMs;
    this.ticket = ticket;
    this.generation = generation;
    this.attachedAt = context.wheel.now();
    this.#probation = context.wheel.timer(this, 'probation');
    this.#probation.start(context.options.failover.probationMs);
    this.#firstPong = context.wheel.timer(this, 'first-pong');
    this.#firstPong.start(this.#firstPongMs);
  }

  get backend(): Backend {
    return this.#lease.backend;
  }

  get fields(): PipeFields & BackendFields {
    return { backendId: this.backend.id, backendUrl: this.backend.urlText, ...this.#owner.fields };
  }

  override retune(settings: HopSettings): void {
    super.retune(settings);
    this.#firstPong?.start(this.#firstPongMs);
  }

  /** A pong of any kind came. */
  answered(): void {
    this.#firstPong?.stop();
    this.#firstPong = null;
  }

  timerFired(name: string): void {
    if (name === 'probation') {
      this.#probation = null;
      this.#lease.proved();
    } else {
      this.#judgeFirstPong();
    }
  }

  /** The link failed. Counts against the backend if it did so at once. */
  failed(detail: string, code: number = closeCode.abnormal): void {
    if (this.#probation !== null) this.#lease.failed(detail, { pipeId: this.#owner.fields.pipeId });
    this.left(code);
  }

  /** The link ended, or is left, without fault of the backend. Idempotent. */
  left(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.heartbeat.stop();
    this.#probation?.stop();
    this.#probation = null;
    this.#firstPong?.stop();
    this.#firstPong = null;
    this.#lease.release();
    const attachedMs = this.context.wheel.now() - this.attachedAt;
    this.context.events.emit('backend.detached', { closeCode: code, attachedMs, ...this.fields });
  }

  protected died(reason: DeathReason, detail: string): void {
    this.link.terminate();
    this.#owner.backendFailed(this, reason, detail);
  }

  #judgeFirstPong(): void {
    const { link } = this;
    // Without a ping, or with one that cannot have arrived or whose answer we do not read, nothing is known.
    const unknown = link.pingedAt === null || link.paused || link.bufferedBytes > 0;
    const askedMs = unknown ? 0 : this.context.wheel.fairNow() - (link.pingedAt ?? 0);
    if (askedMs < this.#firstPongMs) {
      this.#firstPong?.start(Math.max(this.#firstPongMs - askedMs, minLookMs));
      return;
    }
    if (link.bytesIn > 0 && !(this.#bytesUnanswered !== null && link.bytesIn > this.#bytesUnanswered)) {
      // It may have sent these and be frozen since: that is for the heartbeat to find, and what it was given stays ours. One that
      // sends on for another time-out and answers nothing never will.
      this.#bytesUnanswered ??= link.bytesIn;
      this.#firstPong?.start(this.#firstPongMs);
      return;
    }
    this.#firstPong = null;
    if (link.bytesIn > 0) {
      this.acknowledging = false;
      const { timeoutMs } = this.settings;
      this.context.events.emit('backend.unacknowledging', { timeoutMs, ...this.fields });
      this.#owner.backendUnacknowledging(this);
    } else {
      link.terminate();
      this.#owner.backendFailed(this, 'no-pong', 'it never answered a ping and sent nothing');
    }
  }

  get #firstPongMs(): number {
    return this.settings.intervalMs > 0 ? this.settings.timeoutMs : firstPongMs;
  }
}
