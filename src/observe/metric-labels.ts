/** The values of bounded labels, each list complete by its type, and the bounds of the histograms. */
import type { CloseReason, DialFailure, EventName, HoldfastEvents, Initiator, InterruptionReason } from './events.ts';

/** Keys of an object that TypeScript checks to be complete. */
const all = <K extends string>(names: Readonly<Record<K, true>>): K[] => Object.keys(names) as K[];

export const interruptionReasons = all<InterruptionReason>({
  lost: true,
  closed: true,
  'protocol-error': true,
  'heartbeat-timeout': true,
  'no-progress': true,
  'no-pong': true,
  operator: true,
  drain: true,
  removed: true,
  moved: true,
});
export const dialResults = all<DialFailure | 'ok'>({
  ok: true,
  refused: true,
  timeout: true,
  status: true,
  'bad-handshake': true,
  subprotocol: true,
  aborted: true,
  blocked: true,
  'attach-hook': true,
  lost: true,
  tls: true,
});
/** Who can close for which reason. */
export const closers: Readonly<Record<CloseReason, readonly Initiator[]>> = {
  closed: ['client', 'backend'],
  lost: ['client'],
  'handshake-failed': ['client'],
  'refused-by-backend': ['backend'],
  'buffer-full': ['gateway'],
  'interruption-too-long': ['gateway'],
  poison: ['gateway'],
  'protocol-error': ['gateway'],
  'message-too-big': ['gateway'],
  'limit-exceeded': ['gateway'],
  'heartbeat-timeout': ['gateway'],
  'no-progress': ['gateway'],
  replaced: ['gateway'],
  operator: ['gateway'],
  shutdown: ['gateway'],
  'resume-window-over': ['client'],
  moved: ['gateway'],
  'hand-over-failed': ['gateway'],
};
/** Codes with which an upgrade is refused; any other, for instance one of a host's own hook, counts as 'other'. */
export const refusalCodes = [
  'HOLDFAST_ERR_CLIENT_ID_IN_USE',
  'HOLDFAST_ERR_CLIENT_ID_INVALID',
  'HOLDFAST_ERR_GATEWAY_FULL',
  'HOLDFAST_ERR_ADDRESS_FULL',
  'HOLDFAST_ERR_TOO_MANY_HANDSHAKES',
  'HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS',
  'HOLDFAST_ERR_HOOKS_TIMEOUT',
  'HOLDFAST_ERR_ORIGIN_NOT_ALLOWED',
  'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
  'HOLDFAST_ERR_GATEWAY_CLOSING',
  'HOLDFAST_ERR_NO_BACKEND_IN_TIME',
  'HOLDFAST_ERR_BACKEND_REFUSED',
  'HOLDFAST_ERR_HANDSHAKE',
  'HOLDFAST_ERR_UPGRADE_REQUIRED',
  'other',
] as const;
/** Codes with which the admin API refuses a caller or a change; any other counts as 'other'. */
export const adminRefusalCodes = [
  'HOLDFAST_ERR_UNAUTHORIZED',
  'HOLDFAST_ERR_FORBIDDEN',
  'HOLDFAST_ERR_TOO_MANY_FAILURES',
  'HOLDFAST_ERR_CROSS_SITE',
  'HOLDFAST_ERR_BACKEND_NOT_ALLOWED',
  'HOLDFAST_ERR_VALIDATION',
  'HOLDFAST_ERR_SHARED_CONFLICT',
  'HOLDFAST_ERR_STORE_UNAVAILABLE',
  'other',
] as const;
export const hops = ['client', 'backend'] as const;
export const hopLabels = { client: { hop: 'client' }, backend: { hop: 'backend' } } as const;
export const directions = ['toBackend', 'toClient'] as const;
export const migrationCauses = all<HoldfastEvents['pipe.migrated']['cause']>({ drain: true, rebalance: true });
export const detachReasons = all<HoldfastEvents['client.detached']['reason']>({
  lost: true,
  'heartbeat-timeout': true,
  'no-progress': true,
  replaced: true,
});
export const resumeResults = all<HoldfastEvents['client.resume-refused']['reason'] | 'ok'>({
  ok: true,
  unknown: true,
  token: true,
  counts: true,
  'gateway-gone': true,
  'hand-over-failed': true,
});
export const lookupResults = all<HoldfastEvents['discovery.answered']['result']>({
  ok: true,
  empty: true,
  partial: true,
  failed: true,
});
export const sections = all<HoldfastEvents['config.changed']['section']>({ heartbeat: true, buffer: true });
/** The label `change` by event. */
export const poolChanges = {
  'backend.registered': 'registered',
  'backend.updated': 'updated',
  'backend.ejected': 'ejected',
  'backend.recovered': 'recovered',
  'backend.draining': 'draining',
  'backend.drained': 'drained',
  'backend.rebalanced': 'rebalanced',
  'backend.removed': 'removed',
} as const satisfies Partial<Record<EventName, string>>;

export const rttSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
export const dialSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
export const gapSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
