// The numbered messages of the chaos runs, made and checked in plain child processes. `who` = the client, or the backend connection.
// Short ones are `<who>:<n>` (10 bytes or so); longer ones `<who>:<n>:<length>:<crc32 of the filler>:<filler>`.
import { crc32 } from 'node:zlib';

/** A generator of its own for each purpose: the same seed gives the same schedule, whatever the timing. @param {number} seed */
export function seeded(seed) {
  let state = seed >>> 0;
  /** Uniform in [0, 1): mulberry32. */
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

const maxBytes = 1_048_576;
const random = seeded(1);
const filler = Buffer.alloc(2 * maxBytes);
for (let at = 0; at < filler.length; at += 1) filler[at] = 48 + Math.floor(random() * 75);
const headBytes = 48;

/** Sizes from 10 bytes to 1 MiB, few of them large: 6 KB on average. @param {() => number} random */
export function drawBytes(random) {
  const kind = random();
  const between = (/** @type {number} */ least, /** @type {number} */ most) =>
    Math.floor(least + random() * (most - least));
  if (kind < 0.3) return 10;
  if (kind < 0.6) return between(64, 256);
  if (kind < 0.9) return between(256, 4096);
  if (kind < 0.99) return between(4096, 65_536);
  if (kind < 0.9993) return between(65_536, 262_144);
  return maxBytes;
}

/** @param {string} who @param {number} n @param {number} bytes @returns {Buffer} */
export function makeMessage(who, n, bytes) {
  if (bytes <= headBytes) return Buffer.from(`${who}:${n}`);
  const start = (n * 7919) % maxBytes;
  const rest = filler.subarray(start, start + bytes - headBytes);
  return Buffer.concat([Buffer.from(`${who}:${n}:${rest.length}:${crc32(rest)}:`), rest]);
}

/**
 * @param {Buffer} data
 * @returns {{ who: string, n: number, whole: boolean } | null} null = none of ours.
 */
export function readMessage(data) {
  const head = data.toString('latin1', 0, Math.min(data.length, 64));
  const match = /^([^:]+):(\d+)(?:$|:(\d+):(\d+):)/.exec(head);
  if (match === null) return null;
  const [all, who = '', n, length, sum] = match;
  if (length === undefined) return { who, n: Number(n), whole: data.length === all.length };
  const rest = data.subarray(all.length);
  return { who, n: Number(n), whole: rest.length === Number(length) && crc32(rest) === Number(sum) };
}
