/**
 * What happened in the last 1, 5 and 15 minutes, in memory that does not grow: a ring of 5-second buckets, each with its counts and
 * a small histogram of gap lengths, in three typed arrays (45 KiB). Pure: time is passed in, milliseconds that never go back.
 */
export const bucketMs = 5000;
const minuteMs = 60_000;
const longestMs = 15 * minuteMs;
/** One more than 15 minutes have: the newest is not full yet. */
const bucketCount = longestMs / bucketMs + 1;

/** What is counted. `failures` = interruptions nobody ordered. */
export const countNames = [
  'clientSent',
  'clientAnswered',
  'clientMissed',
  'clientTimeouts',
  'backendSent',
  'backendAnswered',
  'backendMissed',
  'backendTimeouts',
  'opened',
  'closed',
  'interruptions',
  'failures',
  'restored',
] as const;
export type CountName = (typeof countNames)[number];
export type Counts = Record<CountName, number>;

const at = Object.fromEntries(countNames.map((name, index) => [name, index])) as Readonly<Record<CountName, number>>;

/** Gap lengths: below 10 ms, then 46 steps of 25 %, then 300 s and more. A percentile is so exact. */
const shortestGapMs = 10;
const longestGapMs = 300_000;
const steps = 46;
export const gapBuckets = steps + 2;
const stepLog = Math.log(longestGapMs / shortestGapMs) / steps;

export interface GapSummary {
  readonly count: number;
  /** Null = there was no gap. Within 13 %. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
}

/** Gaps by length. Those of several gateways can be added up, which percentiles cannot. */
export interface GapCounts {
  /** One number for each step, from the shortest. */
  readonly counts: number[];
  readonly longestMs: number;
}

export interface WindowSums {
  readonly counts: Counts;
  readonly gaps: GapCounts;
}

export function noCounts(): Counts {
  return Object.fromEntries(countNames.map((name) => [name, 0])) as Counts;
}

export class Windows {
  readonly #beganAt: number;
  readonly #counts = new Uint32Array(bucketCount * countNames.length);
  readonly #gaps = new Uint32Array(bucketCount * gapBuckets);
  readonly #longest = new Float32Array(bucketCount);
  /** Number of the newest bucket, counted from the beginning. */
  #newest = 0;

  constructor(now: number) {
    this.#beganAt = now;
  }

  count(name: CountName, now: number): void {
    this.#advance(now);
    this.#counts[(this.#newest % bucketCount) * countNames.length + at[name]]! += 1;
  }

  /** The length of an interruption that is over. */
  gap(gapMs: number, now: number): void {
    this.#advance(now);
    const slot = this.#newest % bucketCount;
    this.#gaps[slot * gapBuckets + gapBucket(gapMs)]! += 1;
    if (gapMs > this.#longest[slot]!) this.#longest[slot] = gapMs;
  }

  /** The last `windowMs` (rounded up to 5 s, at most 15 minutes), without the last `skipMs` of them. */
  sum(windowMs: number, now: number, skipMs = 0): WindowSums {
    this.#advance(now);
    const counts = noCounts();
    const gaps = Array.from({ length: gapBuckets }, () => 0);
    let longest = 0;
    const last = this.#newest - Math.ceil(skipMs / bucketMs) - (skipMs > 0 ? 1 : 0);
    const first = Math.max(0, this.#newest - Math.ceil(windowMs / bucketMs), this.#newest - bucketCount + 1);
    for (let bucket = first; bucket <= last; bucket += 1) {
      const slot = bucket % bucketCount;
      for (const name of countNames) counts[name] += this.#counts[slot * countNames.length + at[name]]!;
      for (let gap = 0; gap < gapBuckets; gap += 1) gaps[gap]! += this.#gaps[slot * gapBuckets + gap]!;
      longest = Math.max(longest, this.#longest[slot]!);
    }
    return { counts, gaps: { counts: gaps, longestMs: longest } };
  }

  /** How much of `windowMs` there has been yet, less the `skipMs` at its end. */
  covered(windowMs: number, now: number, skipMs = 0): number {
    return Math.max(0, Math.min(windowMs, now - this.#beganAt) - skipMs);
  }

  #advance(now: number): void {
    const newest = Math.floor((now - this.#beganAt) / bucketMs);
    if (newest <= this.#newest) return;
    for (let bucket = Math.max(this.#newest + 1, newest - bucketCount + 1); bucket <= newest; bucket += 1) {
      const slot = bucket % bucketCount;
      this.#counts.fill(0, slot * countNames.length, (slot + 1) * countNames.length);
      this.#gaps.fill(0, slot * gapBuckets, (slot + 1) * gapBuckets);
      this.#longest[slot] = 0;
    }
    this.#newest = newest;
  }
}

function gapBucket(gapMs: number): number {
  if (gapMs < shortestGapMs) return 0;
  return Math.min(gapBuckets - 1, 1 + Math.floor(Math.log(gapMs / shortestGapMs) / stepLog));
}

export function addGaps(one: GapCounts, other: GapCounts): GapCounts {
  return {
    counts: one.counts.map((count, step) => count + (other.counts[step] ?? 0)),
    longestMs: Math.max(one.longestMs, other.longestMs),
  };
}

export function summarizeGaps({ counts, longestMs }: GapCounts): GapSummary {
  const count = counts.reduce((sum, one) => sum + one, 0);
  if (count === 0) return { count, p50Ms: null, p99Ms: null, maxMs: null };
  const round = (ms: number) => Math.round(ms * 10) / 10;
  const share = (part: number) => round(Math.min(longestMs, percentile(counts, Math.ceil(part * count))));
  return { count, p50Ms: share(0.5), p99Ms: share(0.99), maxMs: round(longestMs) };
}

/** The middle of the bucket in which the `rank`-th gap lies. */
function percentile(gaps: readonly number[], rank: number): number {
  let passed = 0;
  for (let bucket = 0; bucket < gapBuckets; bucket += 1) {
    passed += gaps[bucket]!;
    if (passed < rank) continue;
    if (bucket === 0) return shortestGapMs / 2;
    if (bucket === gapBuckets - 1) return Number.POSITIVE_INFINITY;
    return shortestGapMs * Math.exp((bucket - 0.5) * stepLog);
  }
  return Number.POSITIVE_INFINITY;
}
