/** When a failing backend is left out, and for how long. Pure: figures in, a decision out. */
import type { ResolvedOptions } from '../options.ts';
import { doubled } from './backoff.ts';

type EjectionOptions = Pick<
  ResolvedOptions['pool'],
  'ejectAfter' | 'ejectBaseMs' | 'ejectMaxMs' | 'maxEjectionPercent'
>;

export interface EjectionCase {
  /** Failures of this backend since it last proved itself, this one included. */
  readonly consecutiveFailures: number;
  /** Ejections of this backend since it last proved itself. */
  readonly earlierEjections: number;
  /** Enabled backends in the pool, this one included. */
  readonly enabled: number;
  /** Of these, how many are left out now: ejected, or unhealthy by their checks. */
  readonly leftOut: number;
}

/** Time left out in ms: ejectBaseMs x 2^earlierEjections, at most ejectMaxMs. */
export function ejectionMs(
  earlierEjections: number,
  { ejectBaseMs, ejectMaxMs }: Pick<EjectionOptions, 'ejectBaseMs' | 'ejectMaxMs'>,
): number {
  return Math.min(ejectMaxMs, doubled(ejectBaseMs, earlierEjections));
}

/** Most backends left out at one time; rounded down, so at 50 % a pool of one is never without a backend. */
export function maxLeftOut(enabled: number, maxEjectionPercent: number): number {
  return Math.floor((enabled * maxEjectionPercent) / 100);
}

/** Milliseconds for which a backend that has just failed is left out; 0 = it stays in. */
export function decideEjection(given: EjectionCase, options: EjectionOptions): number {
  if (options.ejectAfter === 0 || given.consecutiveFailures < options.ejectAfter) return 0;
  if (given.leftOut >= maxLeftOut(given.enabled, options.maxEjectionPercent)) return 0;
  return ejectionMs(given.earlierEjections, options);
}
