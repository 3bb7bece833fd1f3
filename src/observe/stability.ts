/** Whether the last minute is far worse than the time before it. Pure. */
export interface StabilityInput {
  /** The last minute. */
  readonly recent: StabilityCounts;
  /** Up to 14 minutes before it. */
  readonly before: StabilityCounts & { readonly ms: number };
  readonly livePipes: number;
}

export interface StabilityCounts {
  /** Heartbeats sent. */
  readonly sent: number;
  /** Missed heartbeats and time-outs, both hops. */
  readonly missed: number;
  /** Interruptions nobody ordered. */
  readonly failures: number;
}

export interface Verdict {
  readonly unstable: boolean;
  /** What is far above the time before; null = nothing. */
  readonly reason: string | null;
}

const minuteMs = 60_000;
/** Less than this says nothing about what is usual. */
const leastBeforeMs = 15_000;
/** How many times the usual is far above it. */
const factor = 3;
/** Below these nothing is said: some phones are always in a tunnel. */
const leastMissed = 5;
const leastFailures = 3;
const leastShare = 0.005;

/**
 * The rule: unstable if, in the last minute,
 *
 * - at least 5 heartbeats were missed, and at least 0.5 % of those sent, and more than 3 times as many as in an average minute of the
 *   14 before; or
 * - at least 3 pipes lost their backend unordered, and at least 0.5 % of the live ones, and more than 3 times as many as in an average
 *   minute of the 14 before.
 *
 * The last minute is no part of what it is compared with. A gateway younger than 75 s is compared with nothing: the least counts alone
 * decide.
 */
export function judgeStability({ recent, before, livePipes }: StabilityInput): Verdict {
  const reasons: string[] = [];
  const minutes = before.ms >= leastBeforeMs ? before.ms / minuteMs : Number.POSITIVE_INFINITY;
  const check = (what: string, count: number, earlier: number, least: number): void => {
    const usual = earlier / minutes;
    if (count < least || count <= factor * usual) return;
    const average = Number.isFinite(minutes) ? `, ${Math.round(usual * 10) / 10} a minute before` : '';
    reasons.push(`${count} ${what} in the last minute${average}`);
  };
  check('missed heartbeats', recent.missed, before.missed, Math.max(leastMissed, leastShare * recent.sent));
  check('failures of backend links', recent.failures, before.failures, Math.max(leastFailures, leastShare * livePipes));
  return { unstable: reasons.length > 0, reason: reasons.length > 0 ? reasons.join('; ') : null };
}
