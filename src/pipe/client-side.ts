/**
 * The client of a pipe: its links, one after the other, what it sends on them, and (holdfast.v1) how it goes away and comes back. At most
 * one link at a time.
 */
import type { Duplex } from 'node:stream';
import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import type { Link, LinkLimit, LinkOwner } from '../link/link.ts';
import type { SocketLink } from '../link/socket-link.ts';
import { scrubProtocol } from '../observe/scrub.ts';
import type { CloseReason, DetachReason } from '../observe/vocabulary.ts';
import type { Block } from '../wire/byte-blocks.ts';
import { closeCode } from '../wire/close-codes.ts';
import { encodeFrame, opcode } from '../wire/frame.ts';
import type { ViolationCode } from '../wire/frame-reader.ts';
import { type GatewayRecord, type ResetReason, resumeCloseCode } from '../wire/resume.ts';
import { ClientEnd, type ClientEndOwner } from './client-end.ts';
import type { ClientRequest } from './client-request.ts';
import type { CloseOrder } from './close-orders.ts';
import type { Downstream } from './downstream.ts';
import type { Intake } from './intake.ts';
import type { Lifecycle } from './lifecycle.ts';
import { type DeathReason, type EndContext, openLink } from './pipe-end.ts';
import type { PipeIdentity, PipeParts } from './pipe-parts.ts';
import {
  type ResumeBinding,
  type ResumeRights,
  ResumeSession,
  type ResumeSessionContext,
  type ResumeSessionOwner,
} from './resume-session.ts';
import type { Upstream } from './upstream.ts';

export interface ClientSideOwner {
  /** Told to a client that comes when the pipe is closing already. */
  readonly lateCode: number;
  /** A link is there. */
  clientAttached(): void;
  /** The client is away and may come back. */
  clientDetached(): void;
  /** Whether backends may be read has changed. */
  readingChanged(): void;
  close(order: CloseOrder): void;
  /** The last link has ended, and none will follow. */
  clientGone(): void;
}

export type ClientSideContext = EndContext &
  ResumeSessionContext & {
    heartbeat(): HeartbeatSettings;
    /** It is closed for what it sent. */
    clientViolated(clientIp: string): void;
  };

const violationReasons: Readonly<Record<ViolationCode, CloseReason>> = {
  [closeCode.protocolError]: 'protocol-error',
  [closeCode.invalidPayload]: 'protocol-error',
  [closeCode.policyViolation]: 'limit-exceeded',
  [closeCode.messageTooBig]: 'message-too-big',
};

export class ClientSide implements LinkOwner, ClientEndOwner, ResumeSessionOwner {
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  /** Whole messages, and bytes of frames, that came. */
  messages = 0;
  bytes = 0;
  readonly #owner: ClientSideOwner;
  readonly #context: ClientSideContext;
  readonly #identity: PipeIdentity;
  readonly #lifecycle: Lifecycle;
  readonly #intake: Intake;
  #end: ClientEnd | null = null;
  /** Only of resumable pipes. */
  #session: ResumeSession | null = null;
  #detachedAt = 0;
  #everOpened = false;

  constructor(owner: ClientSideOwner, context: ClientSideContext, parts: PipeParts) {
    this.#owner = owner;
    this.#context = context;
    this.#identity = parts.identity;
    this.#lifecycle = parts.lifecycle;
    this.upstream = parts.upstream;
    this.downstream = parts.downstream;
    this.#intake = parts.intake;
  }

  /** The present link; null = the client is away, gone, or not there yet. */
  get end(): ClientEnd | null {
    return this.#end;
  }
  /** Who may come back; null = a client that cannot. */
  get session(): ResumeSession | null {
    return this.#session;
  }
  /** There was a client once: the pipe was told as opened. */
  get everOpened(): boolean {
    return this.#everOpened;
  }
  /** What comes from backends is taken: by the client, or by the journal that waits for it. */
  get takes(): boolean {
    return this.#end !== null || this.#session !== null;
  }

  // ---- of ResumeSessionOwner and ClientEndOwner ----

  get id(): string {
    return this.#identity.id;
  }
  get agreedProtocol(): string | null {
    return this.#identity.agreedProtocol;
  }
  get fields() {
    return this.#identity.fields;
  }

  // ---- a link comes ----

  /** The upgrade is done: the client's socket, and the subprotocol it was told. */
  attach(socket: Duplex, protocol: string): void {
    const link = openLink(socket, this, this.#context, { side: 'client', protocol });
    this.#identity.agreedProtocol = protocol;
    this.#open(link);
  }

  /** As attach, for a client of holdfast.v1 that has said `start`. @param reason why it gets no older session. */
  attachResumable(link: SocketLink, protocol: string, binding: ResumeBinding, reason?: ResetReason): void {
    this.#identity.agreedProtocol = protocol;
    this.#session = new ResumeSession(this, this.#context, { binding, tokens: [], spent: [], attempt: 0 });
    link.handOver(this);
    this.#session.welcome(link, false, this.#context.heartbeat().client, reason);
    this.#open(link);
  }

  /** True where a client that has `received` messages can be given all that is missing. */
  canResume(received: number): boolean {
    const { journal } = this.downstream;
    return this.#lifecycle.live && journal !== null && received >= journal.acknowledged && received <= journal.sent;
  }

  /** The client is back on a new link. A link of its own that still seems alive is ended first, unread. */
  resume(link: SocketLink, request: ClientRequest, received: number): void {
    if (this.#end !== null) {
      this.#end.link.abandon(resumeCloseCode.resumedElsewhere, 'resumed on another connection');
      this.#detach('replaced');
    }
    const { clientId } = this.#identity.request;
    this.#identity.request = Object.assign({}, request, { clientId });
    link.handOver(this);
    this.downstream.acknowledge(received);
    const replayed = this.downstream.journal?.messages ?? 0;
    this.#session?.welcome(link, true, this.#context.heartbeat().client);
    const awayMs = this.#context.wheel.now() - this.#detachedAt;
    this.#context.events.emit('client.resumed', { awayMs, replayed, ...this.fields });
    this.#attach(link);
  }

  /** Its client was served by another gateway, and is away. */
  adopt(rights: ResumeRights): void {
    this.#session = new ResumeSession(this, this.#context, rights);
    this.#everOpened = true;
    this.#detachedAt = this.#context.wheel.now();
  }

  /** Drops the link, unread: the client is to come back, to another gateway. */
  leave(code: number, text: string): void {
    const end = this.#end;
    this.#end = null;
    this.#session?.detach();
    this.downstream.client = null;
    this.#intake.client = null;
    if (end === null) return;
    end.heartbeat.stop();
    end.link.abandon(code, text);
  }

  // ---- what it is told ----

  /** A control message, to a client that understands them. */
  tell(record: GatewayRecord): void {
    this.#session?.send(record);
  }

  retune({ client }: HeartbeatSettings): void {
    this.#end?.retune(client);
    this.#session?.retune(client);
  }

  close(code: number, text: string | undefined): void {
    this.#end?.link.close(code, text);
  }

  /** As close, and what was read of an unfinished message is dropped at once. */
  abandon(code: number, text: string): void {
    this.#end?.link.abandon(code, text);
  }

  terminate(): void {
    this.#end?.link.terminate();
  }

  /** Its link is dropped: one that can come back may. */
  drop(reason: DeathReason): void {
    this.#end?.drop(reason);
  }

  // ---- what the link tells ----

  linkMessages(_link: Link, frames: Buffer, messages: number, block: Block | null): boolean {
    if (!this.#lifecycle.live) return true;
    this.#session?.heard();
    this.messages += messages;
    this.bytes += frames.length;
    const free = this.upstream.push(frames, messages, block);
    // Not inside a message: who hears of a full buffer may close the pipe.
    if (messages > 0) this.#intake.update();
    return free;
  }

  linkRecord(link: Link, payload: Buffer): void {
    if (!this.#lifecycle.live || link !== this.#end?.link) return;
    const message = this.#session?.record(payload) ?? null;
    if (message !== null) this.linkMessages(link, encodeFrame(opcode.text, message, true), 1, null);
  }

  linkPending(): void {
    this.#intake.update();
  }

  linkPing(): boolean {
    return this.mayAnswerPing();
  }

  mayAnswerPing(): boolean {
    return this.#end?.mayAnswerPing() === true;
  }

  linkPong(_link: Link, payload: Buffer): void {
    this.#end?.heartbeat.pong(payload);
  }

  linkJsonHeartbeat(_link: Link, kind: 'ping' | 'pong'): boolean {
    return this.#end?.jsonHeartbeat(kind) ?? false;
  }

  linkDrained(link: Link): void {
    if (link === this.#end?.link) this.downstream.drained();
  }

  linkLimited(_link: Link, limit: LinkLimit): void {
    this.#context.tally.hit(limit, this.fields);
  }

  linkViolated(_link: Link, code: ViolationCode, detail: string): void {
    this.#violated(code, detail, violationReasons[code]);
  }

  linkClosed(link: Link, code: number, text: string, answers: boolean): void {
    if (answers || link !== this.#end?.link) return;
    this.#owner.close({ code, text, reason: 'closed', initiator: 'client', backend: { code, reason: text } });
  }

  linkEnded(link: Link): void {
    if (link !== this.#end?.link) return;
    if (this.#mayReturn) {
      this.#detach('lost');
      return;
    }
    this.#end.heartbeat.stop();
    this.#end = null;
    this.downstream.client = null;
    this.#intake.client = null;
    this.#owner.clientGone();
  }

  clientDied(reason: DeathReason): void {
    if (this.#mayReturn) this.#detach(reason);
    else this.#owner.close({ code: closeCode.abnormal, reason, initiator: 'gateway' });
  }

  sessionViolated(detail: string): void {
    this.#violated(resumeCloseCode.badStart, detail, 'protocol-error');
  }

  // ---- inside ----

  #violated(code: number, detail: string, reason: CloseReason): void {
    this.#context.events.emit('pipe.violated', { hop: 'client', closeCode: code, detail, ...this.fields });
    this.#context.clientViolated(this.fields.clientIp);
    this.#owner.close({ code, text: detail, reason, initiator: 'gateway' });
  }

  get #mayReturn(): boolean {
    return this.#session !== null && this.#lifecycle.live && this.#context.options.resume.windowMs > 0;
  }

  #open(link: SocketLink): void {
    if (this.#lifecycle.live) {
      this.#everOpened = true;
      this.#context.events.emit('pipe.opened', { protocol: scrubProtocol(this.agreedProtocol ?? ''), ...this.fields });
    }
    this.#attach(link);
  }

  #attach(link: SocketLink): void {
    if (!this.#lifecycle.live) {
      link.close(this.#owner.lateCode);
      return;
    }
    this.#end = new ClientEnd(this, link, this.#context, this.#context.heartbeat().client);
    this.#owner.clientAttached();
    this.downstream.client = link;
    this.#intake.client = link;
    this.#owner.readingChanged();
  }

  /** The client of a resumable pipe is gone: the pipe waits for it. */
  #detach(reason: DetachReason): void {
    const { windowMs } = this.#context.options.resume;
    this.#end?.heartbeat.stop();
    this.#end = null;
    this.#session?.detach();
    this.#detachedAt = this.#context.wheel.now();
    this.#owner.clientDetached();
    this.downstream.client = null;
    this.#intake.client = null;
    this.#context.events.emit('client.detached', { reason, windowMs, ...this.fields });
    this.#owner.readingChanged();
  }
}
