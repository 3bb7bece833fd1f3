/**
 * npm run soak -- [--minutes 30] [--seed N] [--per-second 15] [--checkpoint-minutes 5]
 * Without a seed one is drawn; it is printed first.
 */
import { parseArgs } from 'node:util';
import { describeCheckpoint, describeSoak, runSoak } from './soak-run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    'per-second': { type: 'string', default: '15' },
    'checkpoint-minutes': { type: 'string', default: '5' },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
const durationMs = Number(values.minutes) * 60_000;
console.log(`soak: seed ${seed}, ${values.minutes} minutes, ${values['per-second']} new clients a second`);
const report = await runSoak({
  seed,
  durationMs,
  warmUpMs: Math.min(60_000, durationMs),
  checkpointMs: Number(values['checkpoint-minutes']) * 60_000,
  perSecond: Number(values['per-second']),
  onCheckpoint: (checkpoint) => console.log(describeCheckpoint(checkpoint)),
});
console.log(describeSoak(report));
process.exit(report.violations.length > 0 ? 1 : 0);
