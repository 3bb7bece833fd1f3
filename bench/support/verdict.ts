/** Whether a ratio measured now is more than noise above the one expected. */
import type { Cell, Sample } from '../groups/relay.ts';
import { pairedRatio, type Ratio } from './statistics.ts';

export interface SmokeLimit {
  readonly cell: Cell;
  /** CPU per message of the gateway to that of the relay. */
  readonly expected: number;
  /** The most is so many times what is expected. Default 1.25. */
  readonly slack?: number;
}

export interface Verdict extends SmokeLimit {
  readonly ratio: Ratio;
  readonly most: number;
  readonly tooSlow: boolean;
}

/** Catches a regression of 30 %. On a busy machine the same build has measured up to 1.18 times what is expected. */
export const slack = 1.25;

/** By the median of the rounds: half of them may be spoilt by whatever else the machine does. @throws with fewer than three rounds. */
export function judge(
  limit: SmokeLimit,
  samples: Readonly<Record<string, readonly Sample[]>>,
  of: string,
  to: string,
): Verdict {
  const costs = (name: string): number[] => (samples[name] ?? []).map(({ cpuUs }) => cpuUs);
  const ratio = pairedRatio(costs(of), costs(to));
  if (ratio.rounds < 3) throw new Error(`${ratio.rounds} rounds are too few to judge`);
  const most = limit.expected * (limit.slack ?? slack);
  return { ...limit, ratio, most, tooSlow: ratio.median > most };
}
