/** What both ends of a pipe share: a link, its heartbeat, and the events of that heartbeat. */
import { Heartbeat, type HeartbeatForm, type HeartbeatOwner, type TimeoutCause } from '../heartbeat/heartbeat.ts';
import type { HopSettings } from '../heartbeat/settings.ts';
import type { TimerWheel } from '../heartbeat/wheel.ts';
import type { LimitTally } from '../limits/limit-tally.ts';
import { PingRate } from '../limits/ping-rate.ts';
import type { LinkOwner } from '../link/link.ts';
import { type LinkLimits, SocketLink } from '../link/socket-link.ts';
import type {
  BackendFields,
  BeatName,
  BeatSource,
  EventStream,
  HoldfastEvents,
  PipeFields,
} from '../observe/events.ts';
import type { ResolvedOptions } from '../options.ts';
import type { MessageBounds } from '../wire/frame-reader.ts';
import { jsonPing } from '../wire/json-heartbeat.ts';

export type DeathReason = 'heartbeat-timeout' | 'no-progress';

export interface EndContext {
  readonly options: ResolvedOptions;
  readonly wheel: TimerWheel;
  readonly events: EventStream;
  readonly tally: LimitTally;
  readonly limits: MessageBounds;
}

/** So many seconds' worth of pings may come at once and are answered. */
const pingBurstSeconds = 2;

export abstract class PipeEnd implements HeartbeatOwner<SocketLink>, BeatSource<HeartbeatForm> {
  readonly link: SocketLink;
  readonly context: EndContext;
  readonly heartbeat: Heartbeat<SocketLink>;
  protected settings: HopSettings;
  #pongs: PingRate | null = null;

  constructor(link: SocketLink, context: EndContext, settings: HopSettings) {
    this.link = link;
    this.context = context;
    this.settings = settings;
    // Phases are spread, so that 10,000 pipes do not ping together.
    const parts = { wheel: context.wheel, link, owner: this, settings, phase: Math.random() };
    this.heartbeat = new Heartbeat({ jsonPings: link.side === 'client', ...parts });
    this.heartbeat.start();
  }

  /** Of events of this end. */
  abstract get fields(): PipeFields & Partial<BackendFields>;

  /** Nothing came, or was taken, for the time-out: the link was dropped. */
  protected abstract died(reason: DeathReason, detail: string): void;

  retune(settings: HopSettings): void {
    this.settings = settings;
    this.heartbeat.retune(settings);
  }

  /** A flood of pings is answered at a bounded rate; a pong may be left out (RFC 6455 section 5.5.3). */
  mayAnswerPing(): boolean {
    this.#pongs ??= pongRate(this.context);
    if (this.#pongs.allows(this.link.bytesIn, this.context.wheel.now())) return true;
    this.context.tally.hit('pongs', this.fields);
    return false;
  }

  sendJsonPing(): void {
    this.link.send(jsonPing);
  }

  heartbeatPing(link: SocketLink, form: HeartbeatForm): void {
    this.context.events.beat('heartbeat.ping', link.side, form, 0, this);
  }

  heartbeatPong(link: SocketLink, rttMs: number, form: HeartbeatForm): void {
    this.context.events.beat('heartbeat.pong', link.side, form, rttMs, this);
  }

  beatEvent(name: BeatName, form: HeartbeatForm, rttMs: number): HoldfastEvents[BeatName] {
    const { fields } = this;
    const hop = this.link.side;
    return name === 'heartbeat.pong' ? { hop, form, rttMs, ...fields } : { hop, form, ...fields };
  }

  heartbeatMissed(link: SocketLink, silentMs: number): void {
    const { timeoutMs } = this.settings;
    this.context.events.emit('heartbeat.missed', { hop: link.side, silentMs, timeoutMs, ...this.fields });
  }

  heartbeatTimedOut(link: SocketLink, silentMs: number, cause: TimeoutCause): void {
    const { timeoutMs } = this.settings;
    this.context.events.emit('heartbeat.timeout', { hop: link.side, silentMs, timeoutMs, cause, ...this.fields });
    this.died(cause === 'silence' ? 'heartbeat-timeout' : 'no-progress', `${cause} for ${Math.round(silentMs)} ms`);
  }
}

export function pongRate({ options }: EndContext): PingRate {
  const { pongsPerSecond: perSecond } = options.limits;
  return new PingRate({ perSecond, burst: perSecond * pingBurstSeconds });
}

/** A link on a socket that pipe code owns. */
export function openLink(
  socket: ConstructorParameters<typeof SocketLink>[0],
  owner: LinkOwner,
  context: EndContext,
  what: { side: 'client' | 'backend'; protocol: string },
): SocketLink {
  return new SocketLink(socket, owner, {
    bounds: context.limits,
    closeTimeoutMs: context.options.closing.handshakeMs,
    clock: context.wheel,
    limits: what.side === 'client' ? context.options.limits : backendLimits(context.options.limits),
    ...what,
  });
}

/** A backend is read in turns too; how much it sends is its own business. One object for all links of a manager. */
function backendLimits(limits: ResolvedOptions['limits']): LinkLimits {
  let found = backendLimitsOf.get(limits);
  if (found === undefined) {
    const { framesPerTurn, maxFragments } = limits;
    found = { framesPerTurn, maxFragments, messagesPerSecond: 0, messageTimeoutMs: 0, controlFramesPerSecond: 0 };
    backendLimitsOf.set(limits, found);
  }
  return found;
}

const backendLimitsOf = new WeakMap<ResolvedOptions['limits'], LinkLimits>();
