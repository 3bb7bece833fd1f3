/** One attachment of a pipe to a backend: the link, the lease it holds, its heartbeat and its probation. */
import { Heartbeat, type HeartbeatOwner } from '../heartbeat/heartbeat.ts';
import type { HopSettings } from '../heartbeat/settings.ts';
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { LinkOwner } from '../link/link.ts';
import { SocketLink } from '../link/socket-link.ts';
import type { BackendFields, EventStream, PipeFields } from '../observe/events.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Backend } from '../pool/backend.ts';
import type { Lease } from '../pool/lease.ts';
import type { Found } from './backend-search.ts';

export interface BackendEndOwner extends LinkOwner, HeartbeatOwner<SocketLink> {
  readonly fields: PipeFields;
  /** The link survived no first ping: bytes came (`alive`), or not even those. */
  backendNeverAnswered(end: BackendEnd, alive: boolean): void;
}

export interface BackendEndContext {
  readonly options: ResolvedOptions;
  readonly wheel: TimerWheel;
  readonly events: EventStream;
}

/** How long a first pong is waited for where the heartbeat is off, milliseconds. */
const firstPongMs = 30_000;

export class BackendEnd implements TimerOwner {
  readonly link: SocketLink;
  readonly generation: number;
  readonly attachedAt: number;
  /** False once it is known that this backend never answers pings. */
  acknowledging = true;
  readonly heartbeat: Heartbeat<SocketLink>;
  readonly #lease: Lease;
  readonly #owner: BackendEndOwner;
  readonly #context: BackendEndContext;
  readonly #probation: WheelTimer;
  readonly #firstPong: WheelTimer;
  #settings: HopSettings;
  #answered = false;
  #released = false;

  /** The link begins paused; `resume` it when the client can take what comes. */
  constructor(
    owner: BackendEndOwner,
    context: BackendEndContext,
    found: Found,
    generation: number,
    settings: HopSettings,
  ) {
    const { options, wheel } = context;
    this.#owner = owner;
    this.#context = context;
    this.#lease = found.lease;
    this.generation = generation;
    this.attachedAt = wheel.now();
    if (found.dialed.head.length > 0) found.dialed.socket.unshift(found.dialed.head);
    this.link = new SocketLink(found.dialed.socket, owner, {
      side: 'backend',
      protocol: found.dialed.protocol,
      maxMessageBytes: options.maxMessageBytes,
      closeTimeoutMs: options.closing.handshakeMs,
      clock: wheel,
    });
    this.link.pause();
    this.#settings = settings;
    this.heartbeat = new Heartbeat({ wheel, link: this.link, owner, settings, phase: Math.random() });
    this.#probation = wheel.timer(this, 'probation');
    this.#probation.start(options.failover.probationMs);
    this.#firstPong = wheel.timer(this, 'first-pong');
    this.#firstPong.start(this.#firstPongMs);
    this.heartbeat.start();
  }

  get backend(): Backend {
    return this.#lease.backend;
  }

  get fields(): PipeFields & BackendFields {
    return { ...this.#owner.fields, backendId: this.backend.id, backendUrl: this.backend.urlText };
  }

  retune(settings: HopSettings): void {
    this.#settings = settings;
    this.heartbeat.retune(settings);
    if (this.#firstPong.active) this.#firstPong.start(this.#firstPongMs);
  }

  /** A pong of any kind came. */
  answered(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#firstPong.stop();
  }

  timerFired(name: string): void {
    if (name === 'probation') {
      this.#lease.proved();
      return;
    }
    const { link } = this;
    // Without a ping, or with one that cannot have arrived or whose answer we do not read, nothing is known.
    const askedMs =
      link.pingedAt === null || link.paused || link.bufferedBytes > 0
        ? 0
        : this.#context.wheel.fairNow() - Math.max(link.pingedAt, 0);
    if (askedMs < this.#firstPongMs) {
      this.#firstPong.start(Math.max(this.#firstPongMs - askedMs, 100));
      return;
    }
    this.#owner.backendNeverAnswered(this, link.bytesIn > 0);
  }

  /** The link failed. Counts against the backend if it did so at once. */
  failed(detail: string): void {
    if (this.#probation.active) this.#lease.failed(detail, { pipeId: this.#owner.fields.pipeId });
    this.#over(1006);
  }

  /** The link ended, or was left, without fault of the backend. */
  left(closeCode: number): void {
    this.#over(closeCode);
  }

  #over(closeCode: number): void {
    if (this.#released) return;
    this.#released = true;
    this.heartbeat.stop();
    this.#probation.stop();
    this.#firstPong.stop();
    this.#lease.release();
    this.#context.events.emit('backend.detached', {
      ...this.fields,
      closeCode,
      attachedMs: this.#context.wheel.now() - this.attachedAt,
    });
  }

  get #firstPongMs(): number {
    return this.#settings.intervalMs > 0 ? this.#settings.timeoutMs : firstPongMs;
  }
}
