/**
 * The one typed stream of what happens: log, metrics, windows and a host's own code subscribe, the core calls none of them.
 * Names are past tense or dotted nouns and never change meaning; payloads are plain objects without a payload, token, cookie or
 * query string in them. Times are milliseconds.
 */
import { EventEmitter } from 'node:events';
import type { AdminRole } from '../admin/settings.ts';
import type { Hop } from '../heartbeat/settings.ts';
import type { Limited, LimitName } from '../limits/limit-tally.ts';
import type {
  AttachReason,
  CloseReason,
  DetachReason,
  DialFailure,
  Initiator,
  InterruptionReason,
  LookupResult,
  MigrationCause,
  ResumeRefusal,
  TunedSection,
} from './vocabulary.ts';

/** Fields that every event of a pipe carries. */
export interface PipeFields {
  readonly pipeId: string;
  readonly clientId: string;
  readonly clientIp: string;
}
/** Fields that every event of a backend carries; the url has no query string. */
export interface BackendFields {
  readonly backendId: string;
  readonly backendUrl: string;
}
type LinkFields = PipeFields & BackendFields;
type HopFields = PipeFields & { readonly hop: Hop; readonly backendId?: string; readonly backendUrl?: string };

/** Who is at the other end of a TLS connection: the wss:// backends, the clients, or the callers of an admin port of its own. */
export type TlsPart = 'backends' | 'clients' | 'admin';

export interface HoldfastEvents {
  'gateway.started': { readonly path: string; readonly backends: number };
  'gateway.closing': { readonly pipes: number; readonly spreadMs: number };
  'gateway.closed': { readonly pipes: number };
  /** Our own event loop stood still; heartbeat deadlines were moved by as much. */
  'gateway.stalled': { readonly stalledMs: number };

  /** An upgrade was turned away before it became a pipe. */
  'pipe.refused': {
    readonly clientId?: string;
    readonly clientIp: string;
    readonly statusCode: number;
    readonly code: string;
  };
  /**
   * A limit of what clients may do was reached, `times` since it was last told: at most one event a second for each limit, about who
   * reached it last.
   */
  'limit.reached': Limited & { readonly limit: LimitName; readonly times: number };
  'pipe.opened': PipeFields & { readonly protocol: string };
  /** A resumable pipe came from another gateway. `messages` = those the client has not acknowledged. */
  'pipe.adopted': PipeFields & { readonly generation: number; readonly messages: number; readonly bytes: number };
  'pipe.interrupted': LinkFields & {
    readonly reason: InterruptionReason;
    readonly closeCode?: number;
    readonly journalMessages: number;
    readonly journalBytes: number;
  };
  'pipe.restored': LinkFields & {
    readonly gapMs: number;
    readonly attempt: number;
    readonly generation: number;
    readonly replayed: number;
  };
  /** The client of a resumable pipe is away; the pipe waits for it. */
  'client.detached': PipeFields & {
    readonly reason: DetachReason;
    readonly windowMs: number;
  };
  /** It came back. `replayed` = messages sent to it again. */
  'client.resumed': PipeFields & { readonly awayMs: number; readonly replayed: number };
  /** A resume was asked for and not given: a new session begins. */
  'client.resume-refused': PipeFields & { readonly reason: ResumeRefusal };
  'pipe.migrated': LinkFields & {
    readonly fromBackendId: string;
    readonly generation: number;
    readonly durationMs: number;
    readonly cause: MigrationCause;
  };
  'pipe.closed': PipeFields & {
    readonly backendId?: string;
    readonly reason: CloseReason;
    readonly initiator: Initiator;
    readonly closeCode: number;
    readonly durationMs: number;
    readonly interruptions: number;
    readonly generation: number;
    readonly messagesToBackend: number;
    readonly messagesToClient: number;
    readonly bytesToBackend: number;
    readonly bytesToClient: number;
    /** Whole messages of the client that no backend is known to have received. */
    readonly undelivered: number;
  };
  /** One end broke RFC 6455 or a size limit; `closeCode` is what it was told. */
  'pipe.violated': PipeFields & {
    readonly hop: Hop;
    readonly backendId?: string;
    readonly closeCode: number;
    readonly detail: string;
  };
  /** A bound was reached: the client is no longer read. Said once until there is room again. */
  'pipe.paused': PipeFields & { readonly direction: 'toBackend' | 'toClient'; readonly bufferedBytes: number };
  'pipe.resumed': PipeFields & { readonly direction: 'toBackend' | 'toClient'; readonly pausedMs: number };

  'backend.attempt': LinkFields & {
    readonly attempt: number;
    readonly generation: number;
    readonly reason: AttachReason;
  };
  'backend.attempt-failed': LinkFields & {
    readonly attempt: number;
    readonly failure: DialFailure;
    readonly detail: string;
    readonly statusCode?: number;
    readonly dialMs: number;
  };
  /** Its name leads only to addresses that may not be connected to (allowedBackends); 'backend.attempt-failed' was before. */
  'backend.blocked': BackendFields & { readonly detail: string };
  'backend.attached': LinkFields & { readonly attempt: number; readonly generation: number; readonly dialMs: number };
  'backend.detached': LinkFields & { readonly closeCode: number; readonly attachedMs: number };
  /** No usable backend now; the pipe waits. `retryMs` = the next try if none turns up before. */
  'backend.awaited': PipeFields & { readonly attempt: number; readonly retryMs: number };
  /** This backend never answered a ping although bytes come from it: its link is at-most-once from now on. */
  'backend.unacknowledging': LinkFields & { readonly timeoutMs: number };

  'backend.registered': BackendFields & { readonly weight: number; readonly maxConnections: number | null };
  'backend.updated': BackendFields & {
    readonly before: Record<string, unknown>;
    readonly after: Record<string, unknown>;
  };
  'backend.failed': BackendFields & { readonly consecutiveFailures: number; readonly detail: string };
  'backend.ejected': BackendFields & { readonly ejectedMs: number; readonly consecutiveFailures: number };
  'backend.recovered': BackendFields & { readonly downMs: number };
  /** A health check is over. `detail` = what was answered, or why nothing was. */
  'backend.checked': BackendFields & { readonly passed: boolean; readonly detail: string; readonly checkMs: number };
  /** It failed `failedChecks` health checks in a row: no new pipes until it is healthy. `detail` = the last of these. */
  'backend.unhealthy': BackendFields & { readonly failedChecks: number; readonly detail: string };
  /** It passes its health checks again. `downMs` = since it was unhealthy. */
  'backend.healthy': BackendFields & { readonly downMs: number };
  'backend.draining': BackendFields & { readonly pipes: number; readonly timeoutMs: number };
  'backend.drained': BackendFields & {
    readonly durationMs: number;
    readonly migrated: number;
    readonly failedOver: number;
  };
  'backend.rebalanced': BackendFields & {
    readonly planned: number;
    readonly moved: number;
    readonly durationMs: number;
  };
  'backend.removed': BackendFields & {
    readonly cause: 'operator' | 'max-errors' | 'discovery';
    readonly connections: number;
  };

  /** A lookup of discovery.dns is over. `found` = addresses in it, `skipped` = those of them that are no backends, `backends` = those named lately. */
  'discovery.answered': {
    readonly dnsName: string;
    readonly result: LookupResult;
    readonly found: number;
    readonly skipped: number;
    readonly backends: number;
    readonly lookupMs: number;
  };
  /** Backends joined, came back while they were leaving, or were missing for longer than the grace. */
  'discovery.changed': {
    readonly dnsName: string;
    readonly added: number;
    readonly returned: number;
    readonly removed: number;
    readonly backends: number;
  };
  /** The first lookup in a row without a whole answer: the backends that are missing from it stay. */
  'discovery.failed': { readonly dnsName: string; readonly detail: string; readonly backends: number };
  'discovery.recovered': { readonly dnsName: string; readonly failedMs: number; readonly backends: number };
  /** Addresses that are not taken, `detail` = why, of one of them. Said once, until others are skipped. */
  'discovery.skipped': { readonly dnsName: string; readonly skipped: number; readonly detail: string };

  'heartbeat.ping': HopFields & { readonly form: 'rfc6455' | 'json' };
  'heartbeat.pong': HopFields & { readonly form: 'rfc6455' | 'json'; readonly rttMs: number };
  /** One interval without a byte: a warning. */
  'heartbeat.missed': HopFields & { readonly silentMs: number; readonly timeoutMs: number };
  /** `timeoutMs` without a byte, or without progress of a blocked link: the link is dropped. */
  'heartbeat.timeout': HopFields & {
    readonly silentMs: number;
    readonly timeoutMs: number;
    readonly cause: 'silence' | 'no-progress';
  };

  'config.changed': {
    readonly section: TunedSection;
    readonly revision: number;
    readonly before: unknown;
    readonly after: unknown;
    readonly pipes: number;
  };
  /** Certificates were read anew, for connections to come. `validTo` = the end of our own, ISO 8601; missing where there is none. */
  'tls.reloaded': { readonly part: TlsPart; readonly validTo?: string };
  /** They could not be used: those in use stay so. */
  'tls.reload-failed': { readonly part: TlsPart; readonly detail: string };
  /** The store that the gateways share does not answer: this gateway goes on alone, with what it knew last. `reason` as in StoreFailure. */
  'cluster.degraded': { readonly reason: string };
  /** It answers again. `gateways` = how many there are. */
  'cluster.recovered': { readonly degradedMs: number; readonly gateways: number };
  'cluster.joined': { readonly gatewayId: string };
  /** It has ended, or was silent too long. */
  'cluster.left': { readonly gatewayId: string };
  /** A change was made through the admin API. `action` = the operationId of the route; `target` = an id, or a section of the configuration. */
  'audit.changed': {
    readonly actor: string;
    readonly role: AdminRole;
    readonly actorIp: string;
    readonly action: string;
    readonly target: string;
    readonly pipeId?: string;
    readonly before: unknown;
    readonly after: unknown;
    readonly statusCode: number;
  };
  /** A caller of the admin API without a valid token or the right role, or a change that was not made. */
  'audit.refused': {
    readonly actor?: string;
    readonly actorIp: string;
    readonly method: string;
    readonly route: string;
    readonly statusCode: number;
    readonly code: string;
  };
}

export type EventName = keyof HoldfastEvents;
export type HoldfastEvent<N extends EventName = EventName> = HoldfastEvents[N];
export type BeatName = 'heartbeat.ping' | 'heartbeat.pong';
/**
 * Asked of each ping and pong before an event is made of it: true = the sink wants the event. There are thousands a second, and
 * who only counts them counts them here. `rttMs` is 0 for a ping.
 */
export type BeatFilter = (name: BeatName, hop: Hop, rttMs: number) => boolean;
/** Hears every event; used by log, metrics and windows. Without `beat` it gets each ping and pong too. */
export interface EventSink {
  <N extends EventName>(name: N, event: HoldfastEvents[N]): void;
  readonly beat?: BeatFilter;
}
/** Makes the event of a ping or pong, where somebody wants it. */
export interface BeatSource<F> {
  beatEvent(name: BeatName, form: F, rttMs: number): HoldfastEvents[BeatName];
}

/** Typed emitter. A listener that throws does not reach the relay: the error goes to `onError`. */
export class EventStream {
  readonly #emitter = new EventEmitter();
  #sinks: readonly EventSink[] = [];
  readonly #onError: (error: unknown, name: EventName) => void;

  constructor(onError: (error: unknown, name: EventName) => void) {
    this.#onError = onError;
    this.#emitter.setMaxListeners(0);
  }

  on<N extends EventName>(name: N, listener: (event: HoldfastEvents[N]) => void): this {
    this.#emitter.on(name, listener);
    return this;
  }

  once<N extends EventName>(name: N, listener: (event: HoldfastEvents[N]) => void): this {
    this.#emitter.once(name, listener);
    return this;
  }

  off<N extends EventName>(name: N, listener: (event: HoldfastEvents[N]) => void): this {
    this.#emitter.off(name, listener);
    return this;
  }

  /** Hears all events; the answer stops it. */
  tap(sink: EventSink): () => void {
    // Anew each time: who stops while an event is told keeps no other from hearing it.
    this.#sinks = [...this.#sinks, sink];
    return () => {
      this.#sinks = this.#sinks.filter((one) => one !== sink);
    };
  }

  /** A ping or pong: an event only if a sink or listener wants one. */
  beat<F>(name: BeatName, hop: Hop, form: F, rttMs: number, source: BeatSource<F>): void {
    let event: HoldfastEvents[BeatName] | null = null;
    for (const sink of this.#sinks) {
      try {
        if (sink.beat !== undefined && !sink.beat(name, hop, rttMs)) continue;
        event ??= source.beatEvent(name, form, rttMs);
        sink(name, event as HoldfastEvents[typeof name]);
      } catch (error) {
        this.#onError(error, name);
      }
    }
    if (this.#emitter.listenerCount(name) > 0)
      this.#tell(name, (event ?? source.beatEvent(name, form, rttMs)) as HoldfastEvents[typeof name]);
  }

  emit<N extends EventName>(name: N, event: HoldfastEvents[N]): void {
    for (const sink of this.#sinks) {
      try {
        sink(name, event);
      } catch (error) {
        this.#onError(error, name);
      }
    }
    this.#tell(name, event);
  }

  #tell<N extends EventName>(name: N, event: HoldfastEvents[N]): void {
    if (this.#emitter.listenerCount(name) === 0) return;
    try {
      this.#emitter.emit(name, event);
    } catch (error) {
      this.#onError(error, name);
    }
  }
}
