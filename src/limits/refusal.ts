/** What an error of a limit carries besides its code and status. */
import type { LimitName } from './limit-tally.ts';

export interface Refusal extends Error {
  readonly code: string;
  readonly limit: LimitName;
  readonly retryAfterMs: number;
}

export function refuse(error: Error & { readonly code: string }, limit: LimitName, retryAfterMs: number): Refusal {
  return Object.assign(error, { limit, retryAfterMs });
}

export function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && 'limit' in error && 'retryAfterMs' in error;
}
