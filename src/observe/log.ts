/**
 * Writes every event as one line of the log: field `event` = its dotted name, then the fields of the event table. What is below
 * the logger's level costs one comparison.
 */
import { TokenBucket } from '../limits/token-bucket.ts';
import { copyFields, eventTable, type LogLevel } from './event-table.ts';
import type { BeatName, EventName, EventSink, HoldfastEvents } from './events.ts';

/** What is needed of a pino logger. */
export type EventLogger = {
  readonly [L in LogLevel]: (fields: object, message: string) => void;
} & { isLevelEnabled?(level: LogLevel): boolean };

export interface EventLogOptions {
  /** In place of those of the table. */
  readonly levels?: Partial<Record<EventName, LogLevel>>;
  /** Lines per second, on average, of each event that strangers cause as often as they like. Default 0 = all. */
  readonly refusedLogsPerSecond?: number;
  /** Any monotonic clock, milliseconds. */
  readonly now?: () => number;
}

/** What anybody can cause who can connect. */
const causedByStrangers: readonly EventName[] = [
  'pipe.refused',
  'pipe.violated',
  'client.resume-refused',
  'audit.refused',
];
/** So many seconds' worth of lines may come at once. */
const burstSeconds = 5;

/**
 * A sink for EventStream.tap. Without isLevelEnabled (a host's own logger) heartbeat pings and pongs are not written: the logger
 * cannot say whether it wants 10,000 lines a second.
 */
export function eventLog(logger: EventLogger, options: EventLogOptions = {}): EventSink {
  const { levels = {}, refusedLogsPerSecond: perSecond = 0, now = () => performance.now() } = options;
  const bounded = new Map(
    causedByStrangers.map((name) => [
      name,
      { bucket: new TokenBucket({ perSecond, burst: perSecond * burstSeconds }), left: 0 },
    ]),
  );
  const enabled =
    typeof logger.isLevelEnabled === 'function'
      ? (level: LogLevel) => logger.isLevelEnabled?.(level) === true
      : (level: LogLevel) => level !== 'trace';
  const write = <N extends EventName>(name: N, event: HoldfastEvents[N]): void => {
    const { message } = eventTable[name];
    const level = levels[name] ?? eventTable[name].level;
    if (!enabled(level)) return;
    const bound = bounded.get(name);
    if (bound !== undefined && bound.bucket.take(now()) > 0) {
      bound.left += 1;
      return;
    }
    const fields = copyFields(name, event, { event: name });
    if (bound !== undefined && bound.left > 0) {
      fields['leftOut'] = bound.left;
      bound.left = 0;
    }
    logger[level](fields, message);
  };
  return Object.assign(write, { beat: (name: BeatName): boolean => enabled(eventTable[name].level) });
}
