/** How long to wait before the next try: full jitter, or a user's own function behind a guard. Pure. */
import type { BackoffFunction } from '../hooks.ts';

const longestMs = 86_400_000;

export interface FullJitterSettings {
  /** Upper bound of the first delay. */
  readonly baseMs: number;
  /** Upper bound of every delay. */
  readonly maxMs: number;
  /** Uniform in [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/**
 * Delay in ms before retry `attempt` (1 = first): uniform between 0 and min(maxMs, baseMs x 2^(attempt - 1)), so that pipes
 * that failed together do not come back together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 */
export function fullJitterBackoff({ baseMs, maxMs, random = Math.random }: FullJitterSettings): BackoffFunction {
  return (attempt) => random() * Math.min(maxMs, doubled(baseMs, attempt - 1));
}

/**
 * Guards a function of the user: an answer below 0 counts as 0, one above 86,400,000 (a day, Infinity too) as that. When it throws
 * or answers no number, `fallback` decides (default: full jitter, 50 ms to 2 s): taking NaN for 0 would make every waiting
 * pipe dial without a pause.
 */
export function checkedBackoff(
  own: BackoffFunction,
  fallback: BackoffFunction = fullJitterBackoff({ baseMs: 50, maxMs: 2000 }),
): BackoffFunction {
  return (attempt) => {
    const delayMs = answerOf(own, attempt);
    return Math.min(longestMs, Math.max(0, Number.isNaN(delayMs) ? fallback(attempt) : delayMs));
  };
}

function answerOf(own: BackoffFunction, attempt: number): number {
  try {
    const answer: unknown = own(attempt);
    return typeof answer === 'number' ? answer : Number.NaN;
  } catch {
    return Number.NaN;
  }
}

/** value x 2^times without overflow: times is held between 0 and 40 (2^40 ms are 34 years). */
export function doubled(value: number, times: number): number {
  return value * 2 ** Math.min(40, Math.max(0, times));
}
