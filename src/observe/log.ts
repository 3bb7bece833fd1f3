/** Every event as one line of the log: its name as `event` and as the message, its fields beside it. */
import type { EventName, EventStream } from './events.ts';

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
type Write = (fields: object, message: string) => void;

/** The part of a pino logger that is needed here. */
export type EventLogger = Readonly<Record<Level, Write>> & { readonly level: string };

const levels: Readonly<Record<EventName, Level>> = {
  'gateway.started': 'info',
  'gateway.closing': 'info',
  'gateway.closed': 'info',
  'gateway.stalled': 'warn',
  'pipe.refused': 'warn',
  'pipe.opened': 'info',
  'pipe.interrupted': 'warn',
  'pipe.restored': 'info',
  'pipe.migrated': 'info',
  'pipe.closed': 'info',
  'pipe.violated': 'warn',
  'pipe.paused': 'debug',
  'pipe.resumed': 'debug',
  'backend.attempt': 'debug',
  'backend.attempt-failed': 'warn',
  'backend.attached': 'debug',
  'backend.detached': 'debug',
  'backend.awaited': 'warn',
  'backend.unacknowledging': 'warn',
  'backend.registered': 'info',
  'backend.updated': 'info',
  'backend.failed': 'warn',
  'backend.ejected': 'warn',
  'backend.recovered': 'info',
  'backend.draining': 'info',
  'backend.drained': 'info',
  'backend.removed': 'info',
  'heartbeat.ping': 'trace',
  'heartbeat.pong': 'trace',
  'heartbeat.missed': 'warn',
  'heartbeat.timeout': 'warn',
  'config.changed': 'info',
  'admin.refused': 'warn',
};

/** Writes all that happens from now on; the answer ends it. */
export function logEvents(events: EventStream, logger: EventLogger): () => void {
  return events.tap((name, event) => {
    const level = levels[name];
    // Two for each link and interval: not even an object for nothing.
    if (level === 'trace' && logger.level !== 'trace') return;
    logger[level]({ event: name, ...event }, name);
  });
}
