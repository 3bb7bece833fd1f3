/**
 * The one table of how events are shown: level and message of the log line, and for each field how its value is written. Log and
 * histories write what is listed here and nothing else, so a field that was added to an event cannot leak by accident. The table
 * in docs/OPERATIONS.md is compared with it by a test.
 */
import type { EventName, HoldfastEvents } from './events.ts';
import { scrubProtocol, scrubText } from './scrub.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/**
 * word = from a fixed list; name = an id, address or route of ours or checked by us; number = a count, code or setting; ms = rounded to
 * 0.1; text = free text, scrubbed; protocol = a subprotocol, in which some clients hide a token; settings = an object of ours.
 */
export type FieldKind = 'word' | 'name' | 'number' | 'ms' | 'text' | 'protocol' | 'settings';

export interface EventRow<N extends EventName> {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: { readonly [K in keyof Required<HoldfastEvents[N]>]: FieldKind };
}

const pipe = { pipeId: 'name', clientId: 'name', clientIp: 'name' } as const;
const backend = { backendId: 'name', backendUrl: 'name' } as const;
const link = { ...pipe, ...backend };
const hop = { ...pipe, hop: 'word', ...backend } as const;

export const eventTable: { readonly [N in EventName]: EventRow<N> } = {
  'gateway.started': { level: 'info', message: 'gateway started', fields: { path: 'name', backends: 'number' } },
  'gateway.closing': { level: 'info', message: 'gateway closing', fields: { pipes: 'number', spreadMs: 'ms' } },
  'gateway.closed': { level: 'info', message: 'gateway closed', fields: { pipes: 'number' } },
  'gateway.stalled': { level: 'warn', message: 'event loop stood still', fields: { stalledMs: 'ms' } },

  'pipe.refused': {
    level: 'info',
    message: 'upgrade refused',
    fields: { clientId: 'name', clientIp: 'name', statusCode: 'number', code: 'name' },
  },
  'limit.reached': {
    level: 'warn',
    message: 'limit reached',
    fields: { limit: 'word', times: 'number', ...link },
  },
  'pipe.opened': { level: 'info', message: 'pipe opened', fields: { ...pipe, protocol: 'protocol' } },
  'pipe.adopted': {
    level: 'info',
    message: 'pipe came from another gateway',
    fields: { ...pipe, generation: 'number', messages: 'number', bytes: 'number' },
  },
  'pipe.interrupted': {
    level: 'warn',
    message: 'pipe interrupted',
    fields: { ...link, reason: 'word', closeCode: 'number', journalMessages: 'number', journalBytes: 'number' },
  },
  'pipe.restored': {
    level: 'info',
    message: 'pipe restored',
    fields: { ...link, gapMs: 'ms', attempt: 'number', generation: 'number', replayed: 'number' },
  },
  'client.detached': {
    level: 'info',
    message: 'client away',
    fields: { ...pipe, reason: 'word', windowMs: 'ms' },
  },
  'client.resumed': {
    level: 'info',
    message: 'client came back',
    fields: { ...pipe, awayMs: 'ms', replayed: 'number' },
  },
  'client.resume-refused': {
    level: 'warn',
    message: 'resume refused',
    fields: { ...pipe, reason: 'word' },
  },
  'pipe.migrated': {
    level: 'info',
    message: 'pipe migrated',
    fields: { ...link, fromBackendId: 'name', generation: 'number', durationMs: 'ms', cause: 'word' },
  },
  'pipe.closed': {
    level: 'info',
    message: 'pipe closed',
    fields: {
      ...pipe,
      backendId: 'name',
      reason: 'word',
      initiator: 'word',
      closeCode: 'number',
      durationMs: 'ms',
      interruptions: 'number',
      generation: 'number',
      messagesToBackend: 'number',
      messagesToClient: 'number',
      bytesToBackend: 'number',
      bytesToClient: 'number',
      undelivered: 'number',
    },
  },
  'pipe.violated': {
    level: 'warn',
    message: 'protocol violated',
    fields: { ...pipe, hop: 'word', backendId: 'name', closeCode: 'number', detail: 'text' },
  },
  'pipe.paused': {
    level: 'debug',
    message: 'reading paused',
    fields: { ...pipe, direction: 'word', bufferedBytes: 'number' },
  },
  'pipe.resumed': {
    level: 'debug',
    message: 'reading resumed',
    fields: { ...pipe, direction: 'word', pausedMs: 'ms' },
  },

  'backend.attempt': {
    level: 'info',
    message: 'dialling backend',
    fields: { ...link, attempt: 'number', generation: 'number', reason: 'word' },
  },
  'backend.attempt-failed': {
    level: 'warn',
    message: 'dial failed',
    fields: { ...link, attempt: 'number', failure: 'word', detail: 'text', statusCode: 'number', dialMs: 'ms' },
  },
  'backend.blocked': {
    level: 'warn',
    message: 'backend leads where it may not (allowedBackends)',
    fields: { ...backend, detail: 'text' },
  },
  'backend.attached': {
    level: 'info',
    message: 'backend attached',
    fields: { ...link, attempt: 'number', generation: 'number', dialMs: 'ms' },
  },
  'backend.detached': {
    level: 'debug',
    message: 'backend detached',
    fields: { ...link, closeCode: 'number', attachedMs: 'ms' },
  },
  'backend.awaited': {
    level: 'info',
    message: 'waiting for a usable backend',
    fields: { ...pipe, attempt: 'number', retryMs: 'ms' },
  },
  'backend.unacknowledging': {
    level: 'warn',
    message: 'backend answers no pings: its link is at-most-once (heartbeat.backend.timeoutMs)',
    fields: { ...link, timeoutMs: 'ms' },
  },

  'backend.registered': {
    level: 'info',
    message: 'backend registered',
    fields: { ...backend, weight: 'number', maxConnections: 'number' },
  },
  'backend.updated': {
    level: 'info',
    message: 'backend updated',
    fields: { ...backend, before: 'settings', after: 'settings' },
  },
  'backend.failed': {
    level: 'warn',
    message: 'backend failed',
    fields: { ...backend, consecutiveFailures: 'number', detail: 'text' },
  },
  'backend.ejected': {
    level: 'warn',
    message: 'backend ejected',
    fields: { ...backend, ejectedMs: 'ms', consecutiveFailures: 'number' },
  },
  'backend.recovered': { level: 'info', message: 'backend recovered', fields: { ...backend, downMs: 'ms' } },
  'backend.checked': {
    level: 'debug',
    message: 'backend checked',
    fields: { ...backend, passed: 'word', detail: 'text', checkMs: 'ms' },
  },
  'backend.unhealthy': {
    level: 'warn',
    message: 'backend unhealthy',
    fields: { ...backend, failedChecks: 'number', detail: 'text' },
  },
  'backend.healthy': { level: 'info', message: 'backend healthy again', fields: { ...backend, downMs: 'ms' } },
  'backend.draining': {
    level: 'info',
    message: 'backend draining',
    fields: { ...backend, pipes: 'number', timeoutMs: 'ms' },
  },
  'backend.drained': {
    level: 'info',
    message: 'backend drained',
    fields: { ...backend, durationMs: 'ms', migrated: 'number', failedOver: 'number' },
  },
  'backend.rebalanced': {
    level: 'info',
    message: 'backend rebalanced',
    fields: { ...backend, planned: 'number', moved: 'number', durationMs: 'ms' },
  },
  'backend.removed': {
    level: 'info',
    message: 'backend removed',
    fields: { ...backend, cause: 'word', connections: 'number' },
  },

  'discovery.answered': {
    level: 'debug',
    message: 'DNS answered',
    fields: {
      dnsName: 'name',
      result: 'word',
      found: 'number',
      skipped: 'number',
      backends: 'number',
      lookupMs: 'ms',
    },
  },
  'discovery.changed': {
    level: 'info',
    message: 'backends changed by DNS',
    fields: { dnsName: 'name', added: 'number', returned: 'number', removed: 'number', backends: 'number' },
  },
  'discovery.failed': {
    level: 'warn',
    message: 'DNS has no whole answer: backends are kept',
    fields: { dnsName: 'name', detail: 'text', backends: 'number' },
  },
  'discovery.recovered': {
    level: 'info',
    message: 'DNS answers again',
    fields: { dnsName: 'name', failedMs: 'ms', backends: 'number' },
  },
  'discovery.skipped': {
    level: 'warn',
    message: 'addresses found by DNS are not taken',
    fields: { dnsName: 'name', skipped: 'number', detail: 'text' },
  },

  'heartbeat.ping': { level: 'trace', message: 'ping sent', fields: { ...hop, form: 'word' } },
  'heartbeat.pong': { level: 'trace', message: 'pong received', fields: { ...hop, form: 'word', rttMs: 'ms' } },
  'heartbeat.missed': {
    level: 'warn',
    message: 'heartbeat missed',
    fields: { ...hop, silentMs: 'ms', timeoutMs: 'ms' },
  },
  'heartbeat.timeout': {
    level: 'warn',
    message: 'heartbeat timed out',
    fields: { ...hop, silentMs: 'ms', timeoutMs: 'ms', cause: 'word' },
  },

  'config.changed': {
    level: 'info',
    message: 'configuration changed',
    fields: { section: 'word', revision: 'number', before: 'settings', after: 'settings', pipes: 'number' },
  },
  'tls.reloaded': { level: 'info', message: 'certificates read anew', fields: { part: 'word', validTo: 'name' } },
  'tls.reload-failed': {
    level: 'error',
    message: 'certificates kept: the new ones cannot be used',
    fields: { part: 'word', detail: 'text' },
  },
  'cluster.degraded': { level: 'error', message: 'shared store lost', fields: { reason: 'word' } },
  'cluster.recovered': {
    level: 'info',
    message: 'shared store back',
    fields: { degradedMs: 'ms', gateways: 'number' },
  },
  'cluster.joined': { level: 'info', message: 'another gateway came', fields: { gatewayId: 'name' } },
  'cluster.left': { level: 'info', message: 'another gateway is gone', fields: { gatewayId: 'name' } },
  'audit.changed': {
    level: 'info',
    message: 'changed by an operator',
    fields: {
      actor: 'name',
      role: 'word',
      actorIp: 'name',
      action: 'name',
      target: 'name',
      pipeId: 'name',
      before: 'settings',
      after: 'settings',
      statusCode: 'number',
    },
  },
  'audit.refused': {
    level: 'warn',
    message: 'admin request refused',
    fields: { actor: 'name', actorIp: 'name', method: 'word', route: 'name', statusCode: 'number', code: 'name' },
  },
};

/** The same, as lists: walked for every line. */
const fieldLists = Object.fromEntries(
  Object.entries(eventTable).map(([name, row]) => [name, Object.entries<FieldKind>(row.fields)]),
) as unknown as Readonly<Record<EventName, readonly (readonly [string, FieldKind])[]>>;

/** Longest id, address or route that is shown. */
const maxNameLength = 300;

/** Copies the fields of the table into `target`, fit to be shown; `skip` is left out. */
export function copyFields<N extends EventName>(
  name: N,
  event: HoldfastEvents[N],
  target: Record<string, unknown>,
  skip?: ReadonlySet<string>,
): Record<string, unknown> {
  const source = event as Readonly<Record<string, unknown>>;
  for (const [field, kind] of fieldLists[name]) {
    const value = source[field];
    if (value === undefined || skip?.has(field) === true) continue;
    target[field] = shown(kind, value);
  }
  return target;
}

/** The fields of the table by event, in its order; `skip` is left out. */
export function fieldsWithout(
  skip: ReadonlySet<string>,
): Readonly<Record<EventName, readonly (readonly [string, FieldKind])[]>> {
  const lists = Object.entries(fieldLists).map(([name, fields]) => [
    name,
    fields.filter(([field]) => !skip.has(field)),
  ]);
  return Object.fromEntries(lists);
}

/** A value of a field of that kind, fit to be shown. */
export function shown(kind: FieldKind, value: unknown): unknown {
  if (kind === 'ms') return typeof value === 'number' ? Math.round(value * 10) / 10 : null;
  if (kind === 'text') return scrubText(String(value));
  if (kind === 'protocol') return scrubProtocol(String(value));
  if (kind === 'name' && typeof value === 'string' && value.length > maxNameLength)
    return `${value.slice(0, maxNameLength)}...`;
  return value;
}
