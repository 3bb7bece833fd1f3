/**
 * npm run fuzz -- [--seconds 60] [--seed N] [--only <case>] [--concurrency 12]
 * Without a seed one is drawn; it is printed first, so that a run, or one case of it, can be repeated.
 */
import { parseArgs } from 'node:util';
import { describeFuzz, runFuzz } from './fuzz-run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    only: { type: 'string' },
    concurrency: { type: 'string', default: '12' },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
console.log(`fuzz: seed ${seed}${values.only === undefined ? `, ${values.seconds} s` : `, case ${values.only}`}`);
const report = await runFuzz({
  seed,
  durationMs: Number(values.seconds) * 1000,
  concurrency: Number(values.concurrency),
  ...(values.only === undefined ? {} : { only: Number(values.only) }),
});
console.log(describeFuzz(report));
process.exit(report.violations.length > 0 ? 1 : 0);
