/** GatewayStats: totals since the start and the windows, kept up by the events; `view` is what GET /stats answers. */
import type { Hop } from '../heartbeat/settings.ts';
import type { BeatName, EventName, EventSink, HoldfastEvents } from './events.ts';
import {
  addTraffic,
  type BackendState,
  countBackends,
  type GatewayReadings,
  noTraffic,
  sumPipes,
  type Traffic,
} from './readings.ts';
import { judgeStability, type StabilityCounts, type Verdict } from './stability.ts';
import type { InterruptionReason, LivePipeState } from './vocabulary.ts';
import {
  type CountName,
  type Counts,
  type GapCounts,
  type GapSummary,
  noCounts,
  summarizeGaps,
  Windows,
} from './windows.ts';

export interface HopCounts {
  readonly sent: number;
  readonly answered: number;
  readonly missed: number;
  readonly timeouts: number;
}

export interface CountsView {
  readonly heartbeats: { readonly client: HopCounts; readonly backend: HopCounts };
  readonly opened: number;
  readonly closed: number;
  /** How often a pipe lost its backend. */
  readonly interruptions: number;
  /** Those of them that nobody ordered. */
  readonly failures: number;
  readonly restored: number;
}

export interface WindowView extends CountsView {
  readonly gaps: GapSummary;
}

export const windowNames = ['lastMinute', 'last5Minutes', 'last15Minutes'] as const;
export type WindowName = (typeof windowNames)[number];

/** What one gateway says of itself, so that it can be added to what others say. */
export interface StatsReport extends Verdict {
  /** ISO 8601. */
  readonly at: string;
  readonly uptimeMs: number;
  readonly pipes: { readonly total: number; readonly byState: Readonly<Record<LivePipeState, number>> };
  readonly backends: { readonly total: number; readonly byState: Readonly<Record<BackendState, number>> };
  readonly buffer: { readonly usedBytes: number; readonly maxBytes: number };
  readonly eventLoop: { readonly lagMs: number; readonly stalls: number; readonly stalledMs: number };
  readonly totals: CountsView & { readonly traffic: Traffic; readonly replayed: number; readonly undelivered: number };
  readonly windows: Readonly<Record<WindowName, CountsView & { readonly gaps: GapCounts }>>;
}

export interface StatsView extends Omit<StatsReport, 'windows'> {
  readonly windows: Readonly<Record<WindowName, WindowView>>;
  /** Only with several gateways: one of them was not heard, so there may be more. */
  readonly partial?: boolean;
  /** Those that did not answer in time, by id. */
  readonly missing?: readonly string[];
  /** The same of each that was heard, by id. */
  readonly gateways?: readonly (StatsView & { readonly gateway: string })[];
}

export interface StatsQuery {
  /** Only of the gateway with this id; 'self' = of the one that is asked. Default: of all. */
  readonly gateway?: string | undefined;
}

const minuteMs = 60_000;
/** Ordered by an operator: no failures. */
const ordered: ReadonlySet<InterruptionReason> = new Set<InterruptionReason>(['operator', 'drain', 'removed']);

export class GatewayStats {
  readonly totals: Counts = noCounts();
  /** Of the pipes that are closed. */
  readonly closedTraffic: Traffic = noTraffic();
  replayed = 0;
  undelivered = 0;
  stalls = 0;
  stalledMs = 0;
  readonly #now: () => number;
  readonly #beganAt: number;
  readonly #windows: Windows;

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
    this.#beganAt = now();
    this.#windows = new Windows(this.#beganAt);
  }

  /** A sink for EventStream.tap. */
  readonly sink: EventSink = Object.assign(
    <N extends EventName>(name: N, event: HoldfastEvents[N]): void => this.#hear(name, event),
    { beat: (name: BeatName, hop: Hop): boolean => this.#countBeat(name, hop) },
  );

  #hear<N extends EventName>(name: N, event: HoldfastEvents[N]): void {
    // Typed once here: TypeScript does not narrow a generic by its name.
    const given = { name, event } as { [K in EventName]: { name: K; event: HoldfastEvents[K] } }[EventName];
    switch (given.name) {
      case 'heartbeat.ping':
      case 'heartbeat.pong':
        this.#countBeat(given.name, given.event.hop);
        return;
      case 'heartbeat.missed':
        this.#count(given.event.hop === 'client' ? 'clientMissed' : 'backendMissed');
        return;
      case 'heartbeat.timeout':
        this.#count(given.event.hop === 'client' ? 'clientTimeouts' : 'backendTimeouts');
        return;
      case 'pipe.opened':
        this.#count('opened');
        return;
      case 'pipe.adopted':
        this.#count('opened');
        // It comes without a backend.
        this.#count('interruptions');
        return;
      case 'pipe.interrupted':
        this.#count('interruptions');
        if (!ordered.has(given.event.reason)) this.#count('failures');
        return;
      case 'pipe.restored':
        this.#count('restored');
        this.#windows.gap(given.event.gapMs, this.#now());
        this.replayed += given.event.replayed;
        return;
      case 'pipe.closed':
        this.#count('closed');
        addTraffic(this.closedTraffic, given.event);
        this.undelivered += given.event.undelivered;
        return;
      case 'gateway.stalled':
        this.stalls += 1;
        this.stalledMs += given.event.stalledMs;
        return;
      default:
    }
  }

  /** Whether the last minute is far worse than those before; the rule is with judgeStability. */
  stability(livePipes: number): Verdict {
    const now = this.#now();
    const recent = stabilityCounts(this.#windows.sum(minuteMs, now).counts);
    const before = stabilityCounts(this.#windows.sum(15 * minuteMs, now, minuteMs).counts);
    const ms = this.#windows.covered(15 * minuteMs, now, minuteMs);
    return judgeStability({ recent, before: { ...before, ms }, livePipes });
  }

  view(gateway: GatewayReadings): StatsView {
    return statsView(this.report(gateway));
  }

  report(gateway: GatewayReadings): StatsReport {
    const now = this.#now();
    const pipes = sumPipes(gateway.readings());
    const traffic = { ...this.closedTraffic };
    addTraffic(traffic, pipes.traffic);
    const backends = gateway.backends();
    const { usedBytes, maxBytes } = gateway.budget;
    const window = (minutes: number): CountsView & { gaps: GapCounts } => {
      const { counts, gaps } = this.#windows.sum(minutes * minuteMs, now);
      return { ...countsView(counts), gaps };
    };
    return {
      at: new Date().toISOString(),
      uptimeMs: Math.round(now - this.#beganAt),
      ...this.stability(pipes.total),
      pipes: { total: pipes.total, byState: pipes.byState },
      backends: { total: backends.length, byState: countBackends(backends) },
      buffer: { usedBytes, maxBytes },
      eventLoop: {
        lagMs: Math.round(gateway.wheel.lag().maxMs * 10) / 10,
        stalls: this.stalls,
        stalledMs: Math.round(this.stalledMs),
      },
      totals: { ...countsView(this.totals), traffic, replayed: this.replayed, undelivered: this.undelivered },
      windows: { lastMinute: window(1), last5Minutes: window(5), last15Minutes: window(15) },
    };
  }

  /** @returns false: no event is wanted. */
  #countBeat(name: BeatName, hop: Hop): boolean {
    if (name === 'heartbeat.ping') this.#count(hop === 'client' ? 'clientSent' : 'backendSent');
    else this.#count(hop === 'client' ? 'clientAnswered' : 'backendAnswered');
    return false;
  }

  #count(name: CountName): void {
    this.totals[name] += 1;
    this.#windows.count(name, this.#now());
  }
}

/** As it is shown. */
export function statsView(report: StatsReport): StatsView {
  const { lastMinute, last5Minutes, last15Minutes } = report.windows;
  const shown = (window: CountsView & { readonly gaps: GapCounts }): WindowView => ({
    ...window,
    gaps: summarizeGaps(window.gaps),
  });
  return {
    ...report,
    windows: {
      lastMinute: shown(lastMinute),
      last5Minutes: shown(last5Minutes),
      last15Minutes: shown(last15Minutes),
    },
  };
}

function stabilityCounts(counts: Counts): StabilityCounts {
  return {
    sent: counts.clientSent + counts.backendSent,
    missed: counts.clientMissed + counts.clientTimeouts + counts.backendMissed + counts.backendTimeouts,
    failures: counts.failures,
  };
}

function countsView(counts: Counts): CountsView {
  const { opened, closed, interruptions, failures, restored } = counts;
  return {
    heartbeats: {
      client: {
        sent: counts.clientSent,
        answered: counts.clientAnswered,
        missed: counts.clientMissed,
        timeouts: counts.clientTimeouts,
      },
      backend: {
        sent: counts.backendSent,
        answered: counts.backendAnswered,
        missed: counts.backendMissed,
        timeouts: counts.backendTimeouts,
      },
    },
    opened,
    closed,
    interruptions,
    failures,
    restored,
  };
}
