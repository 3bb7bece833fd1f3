/** What many noisy figures say. */

/** The middle one, or between the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Between the two nearest; `share` from 0 to 1. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

export interface Ratio {
  /** The median of the rounds' ratios. */
  readonly median: number;
  /** Quartiles. */
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

/**
 * Of two figures measured in turns: each round's ratio, then their median. What slows a machine for seconds slows both of a round.
 * Rounds in which one is missing do not count.
 */
export function pairedRatio(of: readonly (number | undefined)[], to: readonly (number | undefined)[]): Ratio {
  const ratios: number[] = [];
  for (const [round, value] of of.entries()) {
    const other = to[round];
    if (value !== undefined && other !== undefined && other > 0) ratios.push(value / other);
  }
  return {
    median: median(ratios),
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    rounds: ratios.length,
  };
}

/**
 * The exponent k of `y = c * x^k` that fits best (least squares of the logarithms): 0 = constant, 1 = linear, 2 = square.
 * @throws with fewer than two points, or one that is not positive.
 */
export function growthExponent(points: readonly (readonly [x: number, y: number])[]): number {
  if (points.length < 2 || points.some(([x, y]) => x <= 0 || y <= 0))
    throw new Error('growth needs two points or more, all positive');
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length;
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / logs.length;
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return covariance / variance;
}
