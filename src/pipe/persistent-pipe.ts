/**
 * PersistentPipe: the session of one client that outlives its links. It ties the client's side to the backends' side, and decides what
 * concerns both: when the pipe is open, whether backends are read, and how it ends. What happens is told as events.
 */
import type { Duplex } from 'node:stream';
import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import type { SocketLink } from '../link/socket-link.ts';
import type { PipeFields } from '../observe/events.ts';
import type { InterruptionReason, PipeState } from '../observe/vocabulary.ts';
import { closeCode } from '../wire/close-codes.ts';
import type { GatewayRecord, ResetReason } from '../wire/resume.ts';
import type { BackendEnd } from './backend-end.ts';
import { BackendSide, type BackendSideOwner } from './backend-side.ts';
import type { PipeLimits } from './buffer-settings.ts';
import type { ClientEnd } from './client-end.ts';
import type { ClientRequest } from './client-request.ts';
import { ClientSide, type ClientSideOwner } from './client-side.ts';
import { type CloseOrder, closeOrders, goingAway } from './close-orders.ts';
import { Closing } from './closing.ts';
import { Downstream, type DownstreamOwner } from './downstream.ts';
import type { FailoverContext } from './failover.ts';
import { type HandedOver, HandOver, type HandOverOrder, type HandOverOwner } from './hand-over.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import { Lifecycle, type LifecycleOwner } from './lifecycle.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { MigrationOrder, MigrationOutcome } from './migration.ts';
import { PipeIdentity, type PipeParts } from './pipe-parts.ts';
import type { ResumeBinding, ResumeSession } from './resume-session.ts';
import { type FirstAnswer, UpgradeWait } from './upgrade-wait.ts';
import { Upstream, type UpstreamOwner } from './upstream.ts';

/** What a pipe needs of its manager. */
export interface PipeHost extends FailoverContext {
  readonly budget: MemoryBudget;
  readonly limits: PipeLimits;
  /** Its client is closed for what it sent. */
  clientViolated(clientIp: string): void;
  /** Its client may come back, with new tokens from now on. */
  pipeHeld(pipe: PersistentPipe): void;
  /** The client is gone or going: its id is free for another connection. */
  pipeLeft(pipe: PersistentPipe): void;
  /** Last of all. */
  pipeClosed(pipe: PersistentPipe): void;
}

export class PersistentPipe
  implements
    ClientSideOwner,
    BackendSideOwner,
    UpstreamOwner,
    DownstreamOwner,
    IntakeOwner,
    LifecycleOwner,
    HandOverOwner
{
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  readonly identity: PipeIdentity;
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  readonly clientSide: ClientSide;
  readonly backendSide: BackendSide;
  readonly #host: PipeHost;
  readonly #createdAt: number;
  readonly #lifecycle: Lifecycle;
  readonly #intake: Intake;
  readonly #parts: PipeParts;
  #handOver: HandOver | null = null;
  #upgrade: UpgradeWait | null = null;
  #closing: Closing | null = null;

  constructor(host: PipeHost, id: string, request: ClientRequest, openedAt: number = Date.now()) {
    this.#host = host;
    this.openedAt = openedAt;
    this.#createdAt = host.wheel.now() - Math.max(0, Date.now() - openedAt);
    const identity = new PipeIdentity(id, request);
    const lifecycle = new Lifecycle(this, host);
    const upstream = new Upstream(this, {
      wheel: host.wheel,
      atMostOnce: host.options.delivery === 'at-most-once',
    });
    const downstream = new Downstream(this, host);
    const intake = new Intake(this, upstream.journal, host);
    const parts = { identity, lifecycle, upstream, downstream, intake };
    this.identity = identity;
    this.upstream = upstream;
    this.downstream = downstream;
    this.#lifecycle = lifecycle;
    this.#intake = intake;
    this.#parts = parts;
    this.clientSide = new ClientSide(this, host, parts);
    this.backendSide = new BackendSide(this, host, parts);
  }

  get id(): string {
    return this.identity.id;
  }
  get fields(): PipeFields {
    return this.identity.fields;
  }
  get request(): ClientRequest {
    return this.identity.request;
  }
  get agreedProtocol(): string | null {
    return this.identity.agreedProtocol;
  }
  get state(): PipeState {
    return this.#lifecycle.state;
  }
  get client(): ClientEnd | null {
    return this.clientSide.end;
  }
  get backend(): BackendEnd | null {
    return this.backendSide.present;
  }
  /** Who may come back; null = a client that cannot. */
  get session(): ResumeSession | null {
    return this.clientSide.session;
  }
  get migrating(): boolean {
    return this.backendSide.migrating;
  }
  /** Its bytes, for the process-wide bound. */
  get tenant(): Intake {
    return this.#intake;
  }

  /**
   * A pipe that another gateway has handed over, waiting for its client. `goOn` next.
   * @param request the client's, to this gateway.
   */
  static adopt(host: PipeHost, state: HandedOver, request: ClientRequest): PersistentPipe {
    const { pipeId, clientId, rights, openedAt } = state;
    const clientIdGiven = rights.binding.clientId !== null;
    const pipe = new PersistentPipe(host, pipeId, Object.assign({}, request, { clientId, clientIdGiven }), openedAt);
    pipe.identity.agreedProtocol = state.protocol;
    pipe.#lifecycle.detach();
    pipe.clientSide.adopt(rights);
    pipe.backendSide.adopt(state);
    pipe.upstream.journal.restore({ ...state.upstream, runs: [] });
    pipe.downstream.restore(state.downstream);
    return pipe;
  }

  /** Tells that it was adopted, and looks for a backend: the one it had, if that takes it. */
  goOn(): void {
    const { generation, lastBackendId } = this.backendSide;
    const { messages = 0, bytes = 0 } = this.downstream.journal ?? {};
    this.#host.events.emit('pipe.adopted', { generation, messages, bytes, ...this.fields });
    if (this.#lifecycle.live) this.backendSide.seek(generation === 0 ? 'open' : 'failover', lastBackendId ?? undefined);
  }

  // ---- the client comes ----

  /** Looks for the first backend. @param prefer id of the one to try first. @returns what came within `waitMs`. */
  connect(waitMs: number, prefer?: string): Promise<FirstAnswer> {
    if (this.#closing !== null) {
      const { code, text = '' } = this.#closing.order;
      return Promise.resolve({ kind: 'gone', code, text });
    }
    const upgrade = new UpgradeWait(this.#host.wheel, waitMs);
    this.#upgrade = upgrade;
    this.backendSide.seek('open', prefer);
    return upgrade.answered;
  }

  /** The upgrade is done: the client's socket, and the subprotocol it was told. */
  attachClient(socket: Duplex, protocol: string): void {
    this.clientSide.attach(socket, protocol);
  }

  /** As attachClient, for a client of holdfast.v1 that has said `start`. */
  attachResumable(link: SocketLink, protocol: string, binding: ResumeBinding, reason?: ResetReason): void {
    this.backendSide.markRecords();
    this.clientSide.attachResumable(link, protocol, binding, reason);
    this.#host.pipeHeld(this);
  }

  /** True where a client that has `received` messages can be given all that is missing. */
  canResume(received: number): boolean {
    return this.clientSide.canResume(received);
  }

  /** The client is back on a new link. A link of its own that still seems alive is ended first, unread. */
  resume(link: SocketLink, request: ClientRequest, received: number): void {
    this.clientSide.resume(link, request, received);
    this.#host.pipeHeld(this);
    const { last } = this.backendSide.interruptions;
    if (this.backend === null && last !== null) this.tellClient({ type: 'interrupted', reason: last });
  }

  /** The client went away before its upgrade was done. */
  abandon(): void {
    if (this.client === null) this.close(closeOrders.abandoned);
  }

  // ---- what the manager orders ----

  /**
   * Lets another gateway have the pipe, of which nobody but the caller knows any more: it writes to neither end, and closes.
   * @returns null where there is nothing to hand over: it was closed meanwhile, or its client cannot come back.
   */
  handOver(order: HandOverOrder): Promise<HandedOver | null> {
    if (!this.#lifecycle.live || this.session === null) return Promise.resolve(null);
    this.#lifecycle.leave();
    this.#host.pipeLeft(this);
    this.#handOver = new HandOver(this, this.#parts, this.#host, order);
    this.#handOver.begin();
    return this.#handOver.result;
  }

  /** Ends the pipe. Idempotent: the first order counts. */
  close(order: CloseOrder): void {
    if (this.#lifecycle.ending) return;
    const { code, text, initiator } = order;
    const closing = new Closing(order);
    this.#closing = closing;
    this.#lifecycle.close();
    this.#handOver?.abandon();
    this.downstream.end();
    this.#answerUpgrade({ kind: 'gone', code, text: text ?? '' });
    this.backendSide.stay();
    this.#host.pipeLeft(this);
    if (initiator !== 'client') this.clientSide.close(code, text);
    const { lingerMs } = this.#host.options.closing;
    // On its way to another gateway it sends nothing: the client does, to the next.
    const undelivered = this.#handOver === null && !this.upstream.delivered;
    if (closing.linger(undelivered && lingerMs > 0, this.backend !== null)) {
      this.#lifecycle.linger(lingerMs);
      this.upstream.hurry();
      this.backendSide.seek('failover');
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
    this.clientSide.terminate();
    this.backendSide.terminate();
    this.#finishIfDone();
  }

  /** Leaves the present backend and takes the next. @returns false if it has none. */
  interrupt(reason: InterruptionReason): boolean {
    return this.backendSide.interrupt(reason);
  }

  /** Moves to another backend without an interruption. `done` is told when it has moved, or stays. */
  migrate(order: MigrationOrder, done: (outcome: MigrationOutcome) => void): void {
    this.backendSide.migrate(order, done);
  }

  /** Milliseconds since anything came on either link; 0 while something is under way. */
  quietMs(fairNow: number): number {
    const { client, backend } = this;
    if (client === null || backend === null || !this.upstream.delivered) return 0;
    return Math.max(0, fairNow - Math.max(client.link.receivedAt, backend.link.receivedAt));
  }

  /** The settings changed. */
  retune(settings: HeartbeatSettings): void {
    this.clientSide.retune(settings);
    this.backendSide.retune(settings);
  }

  /** The bounds changed. */
  limitsChanged(): void {
    this.#intake.limitsChanged();
    this.downstream.limitsChanged();
  }

  // ---- what the client's side tells ----

  get lateCode(): number {
    return this.#closing?.order.code ?? closeCode.tryAgainLater;
  }

  clientAttached(): void {
    if (this.backend !== null) this.#lifecycle.open();
    else this.#lifecycle.interrupt();
  }

  clientDetached(): void {
    this.#lifecycle.detach();
    this.backendSide.stay();
    this.upstream.release();
  }

  clientGone(): void {
    this.close(closeOrders.lost);
    this.readingChanged();
    this.#finishIfDone();
  }

  // ---- what the backends' side tells ----

  get lingering(): boolean {
    return this.#closing?.lingering === true;
  }
  get takesBackend(): boolean {
    return this.#closing === null ? this.#handOver === null : this.#closing.takesBackend;
  }

  backendFound(end: BackendEnd): void {
    if (this.client !== null && this.#lifecycle.live) this.#lifecycle.open();
    this.#answerUpgrade({ kind: 'attached', protocol: end.link.protocol });
  }

  backendLost(): void {
    if (this.client !== null) this.#lifecycle.interrupt();
  }

  backendRefused(statusCode: number): void {
    if (this.#answerUpgrade({ kind: 'refused', statusCode })) {
      this.abandon();
    } else if (this.#lifecycle.live) {
      this.close(closeOrders.refusedByBackend(statusCode));
    } else {
      this.deliveryOver();
    }
  }

  deliveryOver(): void {
    this.#endBackend();
    this.#finishIfDone();
  }

  backendsPoisoned(links: number): void {
    this.close(closeOrders.poisoned(links));
    // One that was closing already gives up its linger.
    this.deliveryOver();
  }

  backendGone(): void {
    this.#finishIfDone();
  }

  tellClient(record: GatewayRecord): void {
    this.clientSide.tell(record);
  }

  // ---- what the directions and the clock tell ----

  /** Backends are not read while the client is too slow or not there yet. */
  readingChanged(): void {
    // Of a pipe that is closing nothing goes to the client any more, and the pongs and the Close of its backend are waited for.
    const wanted = this.#lifecycle.ending || (this.downstream.open && this.clientSide.takes);
    this.backendSide.read(wanted);
    if (this.state === 'moving' && !wanted) this.#tooMuchToHandOver();
    if (this.session !== null) this.#intake.update();
  }

  journalShrank(): void {
    this.session?.acknowledged();
    this.#intake.update();
    if (this.lingering && this.upstream.delivered) this.#endBackend();
  }

  get interruptedMs(): number | null {
    return this.backendSide.interruptions.ms;
  }
  get waitsForAcks(): boolean {
    return this.downstream.waitsForAcks;
  }

  get maxKeptBytes(): number {
    return this.session?.maxKeptBytes ?? 0;
  }
  get acksOwedMs(): number | null {
    return this.downstream.acksOwedMs;
  }

  bufferFull(): void {
    this.close(closeOrders.bufferFull);
  }

  memoryGivenUp(): void {
    this.#host.tally.hit('memory', this.fields);
    const { code, text } = closeOrders.tooLittleMemory;
    this.clientSide.abandon(code, text);
    this.close(closeOrders.tooLittleMemory);
  }

  stoodStill(): void {
    this.clientSide.drop('no-progress');
  }

  deadlinePassed(): void {
    if (this.#closing !== null) {
      this.deliveryOver();
    } else if (this.state === 'detached') {
      this.close(closeOrders.windowOver);
    } else {
      this.close(closeOrders.interruptedTooLong(this.#host.options.failover.maxInterruptionMs));
    }
  }

  /** It can go on elsewhere. */
  handedOver(): void {
    const { code, text } = this.#handOver!.order;
    this.close(closeOrders.moved(code, text));
  }

  // ---- inside ----

  #tooMuchToHandOver(): void {
    const { code, maxBytes } = this.#handOver!.order;
    this.close(closeOrders.tooMuchToHandOver(code, maxBytes));
  }

  /** No (further) delivery. */
  #endBackend(): void {
    if (this.#closing?.stopLingering() === true) this.#lifecycle.stopLingering();
    this.backendSide.leave(this.#closing?.backend ?? goingAway);
  }

  /** @returns false where nobody waits any more. */
  #answerUpgrade(answer: FirstAnswer): boolean {
    const upgrade = this.#upgrade;
    this.#upgrade = null;
    return upgrade?.answer(answer) === true;
  }

  #finishIfDone(): void {
    if (this.state === 'moving') this.#handOver?.look();
    if (this.state !== 'closing' || this.lingering) return;
    if (this.client !== null || !this.backendSide.gone) return;
    this.#lifecycle.end();
    // What is on its way to another gateway the client has, and will send.
    const undelivered = this.#handOver === null ? this.upstream.journal.messages : 0;
    this.upstream.dispose();
    this.#intake.dispose();
    if (this.clientSide.everOpened) this.#tellClosed(this.#closing!.order, undelivered);
    this.#host.pipeClosed(this);
  }

  #tellClosed({ code: closeCode, reason, initiator }: CloseOrder, undelivered: number): void {
    const { clientSide, backendSide, downstream } = this;
    this.#host.events.emit('pipe.closed', {
      reason,
      initiator,
      closeCode,
      durationMs: this.#host.wheel.now() - this.#createdAt,
      interruptions: backendSide.interruptions.count,
      generation: backendSide.generation,
      messagesToBackend: clientSide.messages,
      messagesToClient: downstream.messages,
      bytesToBackend: clientSide.bytes,
      bytesToClient: downstream.bytes,
      undelivered,
      ...this.fields,
    });
  }
}
