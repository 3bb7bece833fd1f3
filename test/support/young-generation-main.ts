/** The process behind memory-flags.test.ts: a young generation that V8 made small, then work whose garbage lives for a while. Run with --expose-gc. */
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import '../../src/command/memory-flags.ts';

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run it with --expose-gc');

/** Of both halves. */
function youngMebibytes(): number {
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  return (young?.space_size ?? Number.NaN) / 2 ** 20;
}

// V8 makes it small where little is allocated, less than 1,000 bytes a millisecond: at 50 ms what a turn itself allocates is about that.
for (let tries = 0; tries < 100 && youngMebibytes() > 2; tries += 1) {
  await sleep(200);
  await collect();
}
const idle = youngMebibytes();
let kept: object[] = [];
for (let turn = 0; turn < 60; turn += 1) {
  for (let n = 0; n < 60_000; n += 1) {
    kept.push({ n });
    if (kept.length > 30_000) kept = [];
  }
  await sleep(1);
}
process.stdout.write(JSON.stringify({ idle, busy: youngMebibytes() }));
