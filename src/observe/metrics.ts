/**
 * GatewayMetrics: what Prometheus is shown. Events count what is rare as it happens; heartbeats, traffic and everything that can be
 * read is read at the scrape, so relaying a message costs nothing here. Labels come from fixed lists, but for `backend`, whose
 * series go when the backend does. docs/OPERATIONS.md lists every metric and is compared with this file by a test.
 */
import { Registry } from 'prom-client';
import type { Hop } from '../heartbeat/settings.ts';
import { type LimitName, limitNames } from '../limits/limit-tally.ts';
import type { BeatName, EventName, EventSink, HoldfastEvents } from './events.ts';
import {
  adminRefusalCodes,
  dialResults,
  dialSeconds,
  directions,
  gapSeconds,
  hopLabels,
  hops,
  poolChanges,
  refusalCodes,
  resumeResults,
  rttSeconds,
} from './metric-labels.ts';
import { MetricSet } from './metric-set.ts';
import { backendStates, countBackends, type GatewayReadings, type PipeSums, sumPipes } from './readings.ts';
import type { GatewayStats } from './stats.ts';
import {
  closers,
  type DialFailure,
  detachReasons,
  interruptionReasons,
  livePipeStates,
  lookupResults,
  migrationCauses,
  tunedSections,
} from './vocabulary.ts';

export interface MetricsSource extends GatewayReadings {
  readonly statistics: GatewayStats;
  readonly tally: { total(limit: LimitName): number };
  readonly entrance: { readonly arriving: number; readonly addresses: number };
  /** Of all gateways of this process. */
  readonly turns: { readonly taken: number };
  readiness(): { readonly ready: boolean };
  /** Null = this gateway is alone. */
  readonly clusterState: (() => { readonly up: boolean; readonly gateways: number }) | null;
}

export interface MetricsSettings {
  /** Where the metrics are registered. Default: a registry of their own, so that two gateways in one process do not clash. */
  readonly registry?: Registry | undefined;
  readonly version: string;
}

export class GatewayMetrics {
  readonly registry: Registry;
  readonly #set: MetricSet;
  /** Backends that have series: an event of one that has left the pool must not bring its series back. */
  readonly #backends = new Set<string>();
  #source: MetricsSource | null = null;
  #pipes: PipeSums | null = null;
  /** Null = there was none. */
  #latestLookup: HoldfastEvents['discovery.answered'] | null = null;

  readonly #closed;
  readonly #refused;
  readonly #rtt;
  readonly #interruptions;
  readonly #gaps;
  readonly #backendInterruptions;
  readonly #failovers;
  readonly #dials;
  readonly #dialTime;
  readonly #migrations;
  readonly #violations;
  readonly #pauses;
  readonly #detached;
  readonly #resumes;
  readonly #poolChanges;
  readonly #lookups;
  readonly #configChanges;
  readonly #adminChanges;
  readonly #adminRefused;

  /** @throws if the registry has metrics of these names already. */
  constructor(settings: MetricsSettings) {
    this.registry = settings.registry ?? new Registry();
    const set = new MetricSet(this.registry, 'holdfast_');
    this.#set = set;

    set.reading(
      'gauge',
      'build_info',
      'Always 1; says what is running.',
      ['version', 'node_version'],
      (show) => show(1, settings.version, process.version),
      'first',
    );

    set.reading('gauge', 'pipes', 'Live pipes by state.', ['state'], (show) => {
      const { byState } = this.#sums;
      for (const state of livePipeStates) show(byState[state], state);
    });
    set.reading('gauge', 'pipes_limit', 'Most pipes at one time (limits.maxPipes).', [], (show) =>
      show(this.#from.options.limits.maxPipes),
    );
    set.reading('gauge', 'clients_arriving', 'Upgrades that have no pipe yet.', [], (show) =>
      show(this.#from.entrance.arriving),
    );
    set.reading('gauge', 'limited_addresses', 'Client addresses kept in memory for the limits.', [], (show) =>
      show(this.#from.entrance.addresses),
    );
    set.reading('counter', 'limited_total', 'Times a limit of what clients may do was reached.', ['limit'], (show) => {
      for (const limit of limitNames) show(this.#from.tally.total(limit), limit);
    });
    set.reading(
      'counter',
      'turns_total',
      'Pieces of work that were put off until all other connections had been served (limits.framesPerTurn).',
      [],
      (show) => show(this.#from.turns.taken),
    );
    set.reading('counter', 'pipes_opened_total', 'Clients that were upgraded.', [], (show) =>
      show(this.#totals.opened),
    );
    this.#closed = set.counter('pipes_closed_total', 'Pipes that ended, by who ended them and why.', [
      'initiator',
      'reason',
    ]);
    for (const [reason, initiators] of Object.entries(closers))
      for (const initiator of initiators) this.#closed.inc({ initiator, reason }, 0);
    this.#refused = set.counter('pipes_refused_total', 'Upgrades that were turned away, by error code.', ['code']);
    for (const code of refusalCodes) this.#refused.inc({ code }, 0);
    set.reading('gauge', 'links', 'Physical connections in use by pipes.', ['hop'], (show) => {
      for (const hop of hops) show(this.#sums.links[hop], hop);
    });

    const heartbeats = [
      ['sent', 'Sent', 'Pings sent.'],
      ['answered', 'Answered', 'Pongs that answered a ping of ours.'],
      ['missed', 'Missed', 'Intervals in which nothing came from the peer.'],
    ] as const;
    for (const [name, count, help] of heartbeats)
      set.reading('counter', `heartbeats_${name}_total`, help, ['hop'], (show) => {
        for (const hop of hops) show(this.#totals[`${hop}${count}`], hop);
      });
    set.reading('counter', 'heartbeat_timeouts_total', 'Links given up after their timeout.', ['hop'], (show) => {
      for (const hop of hops) show(this.#totals[`${hop}Timeouts`], hop);
    });
    this.#rtt = set.histogram('heartbeat_rtt_seconds', 'Round trip of answered pings.', ['hop'], rttSeconds);
    for (const hop of hops) this.#rtt.zero({ hop });
    set.reading(
      'gauge',
      'heartbeat_interval_seconds',
      'Time between two pings in effect; 0 = off.',
      ['hop'],
      (show) => {
        for (const hop of hops) show(this.#from.heartbeat().settings[hop].intervalMs / 1000, hop);
      },
      'max',
    );
    set.reading(
      'gauge',
      'heartbeat_timeout_seconds',
      'Silence after which a link is given up.',
      ['hop'],
      (show) => {
        for (const hop of hops) show(this.#from.heartbeat().settings[hop].timeoutMs / 1000, hop);
      },
      'max',
    );

    this.#interruptions = set.counter('interruptions_total', 'Pipes that lost their backend link, by reason.', [
      'reason',
    ]);
    for (const reason of interruptionReasons) this.#interruptions.inc({ reason }, 0);
    this.#gaps = set.histogram('interruption_seconds', 'Time a pipe had no backend, once restored.', [], gapSeconds);
    this.#backendInterruptions = set.counter('backend_interruptions_total', 'Interruptions by the backend lost.', [
      'backend',
    ]);
    this.#failovers = set.counter('failovers_total', 'Interrupted pipes restored, by the backend that took them.', [
      'backend',
    ]);
    this.#dials = set.counter('dials_total', 'Attempts to attach to a backend, by how they ended.', [
      'backend',
      'result',
    ]);
    this.#dialTime = set.histogram('dial_seconds', 'Time of successful dials.', [], dialSeconds);
    this.#migrations = set.counter('migrations_total', 'Pipes moved without an interruption.', ['cause']);
    for (const cause of migrationCauses) this.#migrations.inc({ cause }, 0);

    set.reading('counter', 'messages_total', 'Whole messages received, by where they go.', ['direction'], (show) => {
      show(this.#traffic('messagesToBackend'), 'toBackend');
      show(this.#traffic('messagesToClient'), 'toClient');
    });
    set.reading('counter', 'message_bytes_total', 'Bytes of them, frame headers included.', ['direction'], (show) => {
      show(this.#traffic('bytesToBackend'), 'toBackend');
      show(this.#traffic('bytesToClient'), 'toClient');
    });
    set.reading('counter', 'replayed_messages_total', 'Messages sent again after a failover.', [], (show) =>
      show(this.#from.statistics.replayed),
    );
    set.reading('counter', 'undelivered_messages_total', 'Messages given up when their pipe closed.', [], (show) =>
      show(this.#from.statistics.undelivered),
    );
    set.reading('gauge', 'journal_bytes', 'Bytes kept for clients, all pipes together.', [], (show) =>
      show(this.#from.budget.usedBytes),
    );
    set.reading('gauge', 'journal_max_bytes', 'Their bound (buffer.maxTotalBytes).', [], (show) =>
      show(this.#from.budget.maxBytes),
    );
    this.#violations = set.counter('violations_total', 'Peers that broke RFC 6455 or a size limit.', ['hop']);
    for (const hop of hops) this.#violations.inc({ hop }, 0);
    this.#pauses = set.counter('pauses_total', 'Times reading stopped at a bound.', ['direction']);
    for (const direction of directions) this.#pauses.inc({ direction }, 0);

    this.#detached = set.counter('client_detaches_total', 'Resumable clients that went away.', ['reason']);
    for (const reason of detachReasons) this.#detached.inc({ reason }, 0);
    this.#resumes = set.counter('client_resumes_total', 'Resumes asked for, by how they ended.', ['result']);
    for (const result of resumeResults) this.#resumes.inc({ result }, 0);

    set.reading(
      'gauge',
      'backends',
      'Registered backends by state.',
      ['state'],
      (show) => {
        const counts = countBackends(this.#from.backends());
        for (const state of backendStates) show(counts[state], state);
      },
      'max',
    );
    set.reading(
      'gauge',
      'backend_up',
      '0 while its last try failed.',
      ['backend'],
      (show) => {
        for (const { id, health } of this.#from.backends()) show(health === 'unhealthy' ? 0 : 1, id);
      },
      'min',
    );
    set.reading(
      'gauge',
      'backend_connections',
      'Connections it holds, with those being dialled.',
      ['backend'],
      (show) => {
        for (const { id, connections } of this.#from.backends()) show(connections, id);
      },
    );
    this.#poolChanges = set.counter('pool_changes_total', 'Changes of the pool.', ['change']);
    for (const change of Object.values(poolChanges)) this.#poolChanges.inc({ change }, 0);
    this.#lookups = set.counter('discovery_lookups_total', 'Lookups of discovery.dns, by how they ended.', ['result']);
    for (const result of lookupResults) this.#lookups.inc({ result }, 0);
    set.reading(
      'gauge',
      'discovery_up',
      '1 while the latest lookup of discovery.dns had a whole answer.',
      [],
      (show) => {
        if (this.#latestLookup !== null) show(this.#latestLookup.result === 'ok' ? 1 : 0);
      },
      'min',
    );
    set.reading(
      'gauge',
      'discovery_backends',
      'Backends that discovery.dns names.',
      [],
      (show) => {
        if (this.#latestLookup !== null) show(this.#latestLookup.backends);
      },
      'max',
    );
    this.#configChanges = set.counter('config_changes_total', 'Changes of settings while running.', ['section']);
    for (const section of tunedSections) this.#configChanges.inc({ section }, 0);
    this.#adminChanges = set.counter('admin_changes_total', 'Changes made through the admin API.', []);
    this.#adminRefused = set.counter(
      'admin_refused_total',
      'Admin requests and changes that were refused, by error code.',
      ['code'],
    );
    for (const code of adminRefusalCodes) this.#adminRefused.inc({ code }, 0);

    set.reading(
      'gauge',
      'ready',
      '1 while new clients are welcome, as GET /readyz.',
      [],
      (show) => show(this.#from.readiness().ready ? 1 : 0),
      'min',
    );
    set.reading(
      'gauge',
      'cluster_up',
      '1 while the store that several gateways share answers.',
      [],
      (show) => {
        const state = this.#from.clusterState?.();
        if (state !== undefined) show(state.up ? 1 : 0);
      },
      'min',
    );
    set.reading(
      'gauge',
      'cluster_gateways',
      'Gateways at the last answer of that store.',
      [],
      (show) => {
        const state = this.#from.clusterState?.();
        if (state !== undefined) show(state.gateways);
      },
      'max',
    );
    set.reading(
      'gauge',
      'unstable',
      '1 while GET /stats says unstable.',
      [],
      (show) => show(this.#from.statistics.stability(this.#sums.total).unstable ? 1 : 0),
      'max',
    );
    set.reading(
      'gauge',
      'event_loop_lag_seconds',
      'Longest delay of the event loop in the last 15 to 30 s.',
      [],
      (show) => show(this.#from.wheel.lag().maxMs / 1000),
      'max',
    );
    set.reading('counter', 'event_loop_stalls_total', 'Times the event loop stood still for over 50 ms.', [], (show) =>
      show(this.#from.statistics.stalls),
    );
    set.reading('counter', 'event_loop_stalled_seconds_total', 'Time it stood still.', [], (show) =>
      show(this.#from.statistics.stalledMs / 1000),
    );
  }

  /** Names of all metrics, without the _bucket, _sum and _count of histograms. */
  get names(): readonly string[] {
    return this.#set.names;
  }

  /** What is read at each scrape. Before this the readings are left out. */
  watch(source: MetricsSource): void {
    this.#source = source;
    for (const { id } of source.backends()) this.#addBackend(id);
    this.#set.live = true;
  }

  /** The whole registry as Prometheus reads it. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  /** Takes its metrics out of the registry. Idempotent. */
  dispose(): void {
    this.#set.dispose();
    this.#source = null;
  }

  /** A sink for EventStream.tap. */
  readonly sink: EventSink = Object.assign(
    <N extends EventName>(name: N, event: HoldfastEvents[N]): void => this.#hear(name, event),
    { beat: (name: BeatName, hop: Hop, rttMs: number): boolean => this.#observeBeat(name, hop, rttMs) },
  );

  #hear<N extends EventName>(name: N, event: HoldfastEvents[N]): void {
    // Typed once here: TypeScript does not narrow a generic by its name.
    const given = { name, event } as { [K in EventName]: { name: K; event: HoldfastEvents[K] } }[EventName];
    switch (given.name) {
      case 'heartbeat.ping':
        return;
      case 'heartbeat.pong':
        this.#observeBeat(given.name, given.event.hop, given.event.rttMs);
        return;
      case 'pipe.closed':
        this.#closed.inc({ initiator: given.event.initiator, reason: given.event.reason });
        return;
      case 'pipe.refused': {
        this.#refused.inc({ code: known(refusalCodes, given.event.code) });
        return;
      }
      case 'pipe.interrupted':
        this.#interruptions.inc({ reason: given.event.reason });
        if (this.#backends.has(given.event.backendId))
          this.#backendInterruptions.inc({ backend: given.event.backendId });
        return;
      case 'pipe.adopted':
        this.#interruptions.inc({ reason: 'moved' });
        return;
      case 'pipe.restored':
        this.#gaps.observe(given.event.gapMs / 1000);
        if (this.#backends.has(given.event.backendId)) this.#failovers.inc({ backend: given.event.backendId });
        return;
      case 'pipe.migrated':
        this.#migrations.inc({ cause: given.event.cause });
        return;
      case 'pipe.violated':
        this.#violations.inc({ hop: given.event.hop });
        return;
      case 'pipe.paused':
        this.#pauses.inc({ direction: given.event.direction });
        return;
      case 'client.detached':
        this.#detached.inc({ reason: given.event.reason });
        return;
      case 'client.resumed':
        this.#resumes.inc({ result: 'ok' });
        return;
      case 'client.resume-refused':
        this.#resumes.inc({ result: given.event.reason });
        return;
      case 'backend.attached':
        this.#dialTime.observe(given.event.dialMs / 1000);
        this.#dialed(given.event.backendId, 'ok');
        return;
      case 'backend.attempt-failed':
        this.#dialed(given.event.backendId, given.event.failure);
        return;
      case 'discovery.answered':
        this.#latestLookup = given.event;
        this.#lookups.inc({ result: given.event.result });
        return;
      case 'config.changed':
        this.#configChanges.inc({ section: given.event.section });
        return;
      case 'audit.changed':
        this.#adminChanges.inc();
        return;
      case 'audit.refused':
        this.#adminRefused.inc({ code: known(adminRefusalCodes, given.event.code) });
        return;
      case 'backend.registered':
        this.#addBackend(given.event.backendId);
        break;
      case 'backend.removed':
        this.#removeBackend(given.event.backendId);
        break;
      default:
    }
    if (given.name in poolChanges)
      this.#poolChanges.inc({ change: poolChanges[given.name as keyof typeof poolChanges] });
  }

  /** @returns false: no event is wanted. */
  #observeBeat(name: BeatName, hop: Hop, rttMs: number): boolean {
    if (name === 'heartbeat.pong') this.#rtt.observe(hopLabels[hop], rttMs / 1000);
    return false;
  }

  get #from(): MetricsSource {
    if (this.#source === null) throw new Error('metrics are read before watch()');
    return this.#source;
  }

  get #totals() {
    return this.#from.statistics.totals;
  }

  /** Read once for all metrics of a scrape, which are collected in one go. */
  get #sums(): PipeSums {
    if (this.#pipes === null) {
      this.#pipes = sumPipes(this.#from.readings());
      queueMicrotask(() => {
        this.#pipes = null;
      });
    }
    return this.#pipes;
  }

  #traffic(of: keyof PipeSums['traffic']): number {
    return this.#from.statistics.closedTraffic[of] + this.#sums.traffic[of];
  }

  #dialed(backend: string, result: DialFailure | 'ok'): void {
    if (this.#backends.has(backend)) this.#dials.inc({ backend, result });
  }

  #addBackend(backend: string): void {
    if (this.#backends.has(backend)) return;
    this.#backends.add(backend);
    this.#backendInterruptions.inc({ backend }, 0);
    this.#failovers.inc({ backend }, 0);
    for (const result of dialResults) this.#dials.inc({ backend, result }, 0);
  }

  #removeBackend(backend: string): void {
    if (!this.#backends.delete(backend)) return;
    this.#backendInterruptions.remove({ backend });
    this.#failovers.remove({ backend });
    for (const result of dialResults) this.#dials.remove({ backend, result });
  }
}

/** `code` if it is in the list, which ends with 'other'. */
function known(codes: readonly string[], code: string): string {
  return codes.includes(code) ? code : 'other';
}
