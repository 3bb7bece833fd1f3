/** The metrics that events count as they happen. */
import type { Hop } from '../heartbeat/settings.ts';
import type { BeatName, EventName, EventSink, HoldfastEvents } from './events.ts';
import {
  adminRefusalCodes,
  checkResults,
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
import type { MetricSet } from './metric-set.ts';
import type { LatestEvents } from './scrape.ts';
import {
  closers,
  type DialFailure,
  detachReasons,
  interruptionReasons,
  lookupResults,
  migrationCauses,
  tunedSections,
} from './vocabulary.ts';

export class EventCounts implements LatestEvents {
  lookup: HoldfastEvents['discovery.answered'] | null = null;
  /** Backends that have series: an event of one that has left the pool must not bring its series back. */
  readonly #backends = new Set<string>();
  readonly #closed;
  readonly #refused;
  readonly #rtt;
  readonly #interruptions;
  readonly #gaps;
  readonly #backendInterruptions;
  readonly #failovers;
  readonly #dials;
  readonly #dialTime;
  readonly #checks;
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

  constructor(set: Pick<MetricSet<unknown>, 'counter' | 'counterBy' | 'histogram'>) {
    this.#closed = set.counter('pipes_closed_total', 'Pipes that ended, by who ended them and why.', [
      'initiator',
      'reason',
    ]);
    for (const [reason, initiators] of Object.entries(closers))
      for (const initiator of initiators) this.#closed.inc({ initiator, reason }, 0);
    this.#refused = set.counterBy(
      'pipes_refused_total',
      'Upgrades that were turned away, by error code.',
      'code',
      refusalCodes,
    );
    this.#rtt = set.histogram('heartbeat_rtt_seconds', 'Round trip of answered pings.', ['hop'], rttSeconds);
    for (const hop of hops) this.#rtt.zero({ hop });
    this.#violations = set.counterBy('violations_total', 'Peers that broke RFC 6455 or a size limit.', 'hop', hops);
    this.#pauses = set.counterBy('pauses_total', 'Times reading stopped at a bound.', 'direction', directions);

    this.#interruptions = set.counterBy(
      'interruptions_total',
      'Pipes that lost their backend link, by reason.',
      'reason',
      interruptionReasons,
    );
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
    this.#checks = set.counter('backend_checks_total', 'Health checks, by how they ended.', ['backend', 'result']);
    this.#migrations = set.counterBy(
      'migrations_total',
      'Pipes moved without an interruption.',
      'cause',
      migrationCauses,
    );

    this.#detached = set.counterBy(
      'client_detaches_total',
      'Resumable clients that went away.',
      'reason',
      detachReasons,
    );
    this.#resumes = set.counterBy(
      'client_resumes_total',
      'Resumes asked for, by how they ended.',
      'result',
      resumeResults,
    );

    this.#poolChanges = set.counterBy(
      'pool_changes_total',
      'Changes of the pool.',
      'change',
      Object.values(poolChanges),
    );
    this.#lookups = set.counterBy(
      'discovery_lookups_total',
      'Lookups of discovery.dns, by how they ended.',
      'result',
      lookupResults,
    );
    this.#configChanges = set.counterBy(
      'config_changes_total',
      'Changes of settings while running.',
      'section',
      tunedSections,
    );
    this.#adminChanges = set.counter('admin_changes_total', 'Changes made through the admin API.', []);
    this.#adminRefused = set.counterBy(
      'admin_refused_total',
      'Admin requests and changes that were refused, by error code.',
      'code',
      adminRefusalCodes,
    );
  }

  /** A sink for EventStream.tap. */
  readonly sink: EventSink = Object.assign(
    <N extends EventName>(name: N, event: HoldfastEvents[N]): void => this.#hear(name, event),
    { beat: (name: BeatName, hop: Hop, rttMs: number): boolean => this.#observeBeat(name, hop, rttMs) },
  );

  /** From now on its series are there. */
  addBackend(backend: string): void {
    if (this.#backends.has(backend)) return;
    this.#backends.add(backend);
    this.#backendInterruptions.inc({ backend }, 0);
    this.#failovers.inc({ backend }, 0);
    for (const result of dialResults) this.#dials.inc({ backend, result }, 0);
    for (const result of checkResults) this.#checks.inc({ backend, result }, 0);
  }

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
      case 'pipe.refused':
        this.#refused.inc({ code: known(refusalCodes, given.event.code) });
        return;
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
      case 'backend.checked':
        if (this.#backends.has(given.event.backendId))
          this.#checks.inc({ backend: given.event.backendId, result: given.event.passed ? 'passed' : 'failed' });
        return;
      case 'discovery.answered':
        this.lookup = given.event;
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
        this.addBackend(given.event.backendId);
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

  #dialed(backend: string, result: DialFailure | 'ok'): void {
    if (this.#backends.has(backend)) this.#dials.inc({ backend, result });
  }

  #removeBackend(backend: string): void {
    if (!this.#backends.delete(backend)) return;
    this.#backendInterruptions.remove({ backend });
    this.#failovers.remove({ backend });
    for (const result of dialResults) this.#dials.remove({ backend, result });
    for (const result of checkResults) this.#checks.remove({ backend, result });
  }
}

/** `code` if it is in the list, which ends with 'other'. */
function known(codes: readonly string[], code: string): string {
  return codes.includes(code) ? code : 'other';
}
