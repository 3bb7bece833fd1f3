import { isRetryable } from './close-codes.ts';
import type { HoldfastSocketOptions } from './types.ts';

/** Until the gateway says another. */
export const defaultBufferBytes = 5_242_880;

const defaults = {
  resume: true,
  overflow: 'refuse',
  maxAttempts: 10,
  minBackoffMs: 500,
  maxBackoffMs: 20_000,
  minUptimeMs: 5_000,
  connectTimeoutMs: 10_000,
  helloTimeoutMs: 5_000,
  retry: isRetryable,
} as const;

export type ResolvedOptions = HoldfastSocketOptions & Required<Pick<HoldfastSocketOptions, keyof typeof defaults>>;

/** An option given as undefined is not given. */
export function resolveOptions(options: HoldfastSocketOptions): ResolvedOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...(Object.fromEntries(given) as HoldfastSocketOptions) };
}
