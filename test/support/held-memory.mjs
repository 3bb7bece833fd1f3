// What a process holds. It is asked in processes of their own, which are not type-checked: plain JavaScript.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
/** Blocks that nobody needs (src/wire/byte-blocks.ts) are let go at the second turn of their timer, and the timer turns once a second. */
const spareMs = 2200;
const maxRounds = 5;

async function collect() {
  for (let round = 0; round < 4; round += 1) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heldBytes: heapUsed + external, heapUsed, external, rss };
}

/** After several garbage collections, and when no more memory that waits for use is let go: a burst that has just ended holds some MiB. */
export async function heldMemory() {
  let held = await collect();
  for (let round = 0; round < maxRounds; round += 1) {
    const before = held.heldBytes;
    await new Promise((resolve) => setTimeout(resolve, spareMs));
    held = await collect();
    if (held.heldBytes > before * 0.99) break;
  }
  return held;
}
