/**
 * Writes every event as one line of the log: field `event` = its dotted name, then the fields of the event table. What is below
 * the logger's level costs one comparison.
 */
import { copyFields, eventTable, type LogLevel } from './event-table.ts';
import type { BeatName, EventName, EventSink, HoldfastEvents } from './events.ts';

/** What is needed of a pino logger. */
export type EventLogger = {
  readonly [L in LogLevel]: (fields: object, message: string) => void;
} & { isLevelEnabled?(level: LogLevel): boolean };

/**
 * A sink for EventStream.tap; `levels` in place of those of the table. Without isLevelEnabled (a host's own logger) heartbeat pings and pongs are not written: the logger
 * cannot say whether it wants 10,000 lines a second.
 */
export function eventLog(logger: EventLogger, levels: Partial<Record<EventName, LogLevel>> = {}): EventSink {
  const enabled =
    typeof logger.isLevelEnabled === 'function'
      ? (level: LogLevel) => logger.isLevelEnabled?.(level) === true
      : (level: LogLevel) => level !== 'trace';
  const write = <N extends EventName>(name: N, event: HoldfastEvents[N]): void => {
    const { message } = eventTable[name];
    const level = levels[name] ?? eventTable[name].level;
    if (!enabled(level)) return;
    logger[level](copyFields(name, event, { event: name }), message);
  };
  return Object.assign(write, { beat: (name: BeatName): boolean => enabled(eventTable[name].level) });
}
