/**
 * How the command's process trades memory for work: settings of V8 for a process that holds many idle connections. What a connection needs while it is
 * set up outlives V8's young generation, and would lie in the old one, as large again as what lives, until somebody collects it.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** The old generation is collected when it has grown by so much since the last time; V8's own choice is up to 300. */
const growthPercent = 20;
/** Of each half of the young generation. Twice as much takes twice as long to collect, and meanwhile nobody is served; a quarter has to be moved more often than it dies. */
const youngBytes = 4 * 2 ** 20;

setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
// A site whose first objects lived on would have all later ones in the old generation from the beginning; and with each of them lives, until
// that is collected, all it refers to. One request of a flood would so keep the next: each collection of the young had four times as much to move.
setFlagsFromString('--no-allocation-site-pretenuring');

// V8 makes the young generation larger the more of it lives, and as small as it can be, 1 MiB, when nothing happens for a while.
let growth = 0;
function boundYoung(): void {
  const { space_size: bothHalves = 0 } = getHeapSpaceStatistics().find((one) => one.space_name === 'new_space') ?? {};
  // A whole number, and 1 = it stays as it is.
  const next = Math.max(1, Math.floor(youngBytes / Math.max(bothHalves / 2, 2 ** 20)));
  if (next === growth) return;
  growth = next;
  setFlagsFromString(`--semi-space-growth-factor=${next}`);
}
boundYoung();
new PerformanceObserver(boundYoung).observe({ entryTypes: ['gc'] });
