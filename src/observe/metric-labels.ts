/** The values of bounded labels, as far as they are no words of events, and the bounds of the histograms. */
import type { EventName } from './events.ts';
import { dialFailures, resumeRefusals } from './vocabulary.ts';

export const dialResults = ['ok', ...dialFailures] as const;
export const resumeResults = ['ok', ...resumeRefusals] as const;
/** Codes with which an upgrade is refused; any other, for instance one of a host's own hook, counts as 'other'. */
export const refusalCodes = [
  'HOLDFAST_ERR_CLIENT_ID_IN_USE',
  'HOLDFAST_ERR_CLIENT_ID_INVALID',
  'HOLDFAST_ERR_CLIENT_GONE',
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
export const checkResults = ['passed', 'failed'] as const;
export const hops = ['client', 'backend'] as const;
export const hopLabels = { client: { hop: 'client' }, backend: { hop: 'backend' } } as const;
export const directions = ['toBackend', 'toClient'] as const;
/** The label `change` by event. */
export const poolChanges = {
  'backend.registered': 'registered',
  'backend.updated': 'updated',
  'backend.ejected': 'ejected',
  'backend.recovered': 'recovered',
  'backend.unhealthy': 'unhealthy',
  'backend.healthy': 'healthy',
  'backend.draining': 'draining',
  'backend.drained': 'drained',
  'backend.rebalanced': 'rebalanced',
  'backend.removed': 'removed',
} as const satisfies Partial<Record<EventName, string>>;

export const rttSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
export const dialSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
export const gapSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
