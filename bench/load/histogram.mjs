// Round-trip times in buckets of 1.6 % width and less, so that recording costs a few nanoseconds and no memory.

const subBits = 6;
const subBuckets = 1 << subBits;
const unitsPerMs = 10_000;

export class Histogram {
  #counts = new Uint32Array(subBuckets * 28);
  count = 0;

  /** @param {number} ms @param {number} [times] */
  record(ms, times = 1) {
    this.#counts[bucketOf(Math.min(2 ** 31 - 1, Math.max(0, (ms * unitsPerMs) | 0)))] += times;
    this.count += times;
  }

  /** Milliseconds that so great a share of all did not exceed; NaN of none. @param {number} share 0 to 1 */
  at(share) {
    if (this.count === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(this.count * share));
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      left -= this.#counts[bucket];
      if (left <= 0) return middleOf(bucket) / unitsPerMs;
    }
    return Number.NaN;
  }
}

/** Values below 64 have a bucket each; above, each power of two has 64. @param {number} units */
function bucketOf(units) {
  if (units < subBuckets) return units;
  const shift = 31 - Math.clz32(units) - subBits;
  return (shift + 1) * subBuckets + (units >>> shift) - subBuckets;
}

/** @param {number} bucket */
function middleOf(bucket) {
  if (bucket < subBuckets) return bucket;
  const shift = Math.floor(bucket / subBuckets) - 1;
  const low = (subBuckets + (bucket % subBuckets)) * 2 ** shift;
  return low + (2 ** shift - 1) / 2;
}
