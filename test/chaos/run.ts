/**
 * npm run chaos -- [--minutes 1] [--seconds 60] [--seed N] [--delivery at-least-once|at-most-once] [--clients 300] [--runs 1]
 * Without a seed one is drawn; it is printed first, so that a run can be repeated.
 */
import { parseArgs } from 'node:util';
import { describeRun, runChaos } from './chaos-run.ts';
import type { Delivery } from './stage.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    delivery: { type: 'string', default: 'at-least-once' },
    clients: { type: 'string', default: '300' },
    runs: { type: 'string', default: '1' },
  },
});

const durationMs = values.minutes === undefined ? Number(values.seconds ?? 60) * 1000 : Number(values.minutes) * 60_000;
const first = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
const delivery = values.delivery as Delivery;
if (!['at-least-once', 'at-most-once'].includes(delivery)) throw new Error(`--delivery ${delivery} is not known`);

let violated = 0;
for (let run = 0; run < Number(values.runs); run += 1) {
  const seed = first + run;
  console.log(`chaos: seed ${seed}, ${delivery}, ${durationMs / 1000} s, ${values.clients} clients`);
  const report = await runChaos({ seed, durationMs, delivery, clients: Number(values.clients) });
  console.log(describeRun(report));
  violated += report.violations.length;
}
process.exit(violated > 0 ? 1 : 0);
