/**
 * Whether the gateway has become slower: its CPU per message to that of a bare TCP relay in Node, measured in turns in the same run.
 *
 *     npm run bench:smoke -- [--gateway <folder or git revision>] [--json file]
 *
 * Absolute times differ from machine to machine and from minute to minute; this ratio does not much. Ends with 1 if it is over the limit. The figures
 * behind the limit are in docs/PERFORMANCE.md; measure them again when the hot path has changed: `npm run bench:smoke` prints what to write here.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeCell, measureRelays } from './groups/relay.ts';
import { holdfast, nodePeers } from './peers/subject.ts';
import { subject } from './report/tables.ts';
import { buildGateway } from './support/build.ts';
import { canPin, needProc, ownVersion, takePriority } from './support/machine.ts';
import { judge, type SmokeLimit } from './support/verdict.ts';

const relayName = 'net relay';

/** What is expected of each cell; change it when the hot path has changed for good. */
const limits: readonly SmokeLimit[] = [
  { cell: { connections: 50, inFlight: 4, bytes: 128 }, expected: 1.0 },
  { cell: { connections: 50, inFlight: 1, bytes: 128 }, expected: 0.98 },
  // It hangs on what else uses the machine's memory: 0.38 to 0.76 of the same build on other days. Where memory is not used again it is three times as much.
  { cell: { connections: 20, inFlight: 4, bytes: 16_384 }, expected: 0.41, slack: 2.4 },
];
const plan = { rounds: 8, slices: 2, sliceMs: 250, keepSlices: true };

const { values } = parseArgs({ options: { gateway: { type: 'string' }, json: { type: 'string' } } });
needProc();
if (!canPin()) console.log('One core, or no taskset: the ratio is less steady.');
const gateway = holdfast(buildGateway(values.gateway), ownVersion(), {}, subject);
// Where it may, as in most containers of CI: it takes less than a minute, and a busy machine would make the figures of a larger program worse.
takePriority();
const relay = nodePeers.filter(({ name }) => name === relayName);
const results = await measureRelays([gateway, ...relay], { cells: limits.map(({ cell }) => cell), ...plan });
const verdicts = limits.map((limit, index) => judge(limit, results[index]!.samples, subject, relayName));
for (const { cell, ratio, expected, most, tooSlow } of verdicts) {
  const found = `${ratio.median.toFixed(3)} (quartiles ${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`;
  console.log(`${describeCell(cell)}: CPU ${found} of a TCP relay; expected ${expected}, at most ${most.toFixed(3)}`);
  if (tooSlow)
    console.error(`The gateway takes ${((ratio.median / expected - 1) * 100).toFixed(0)} % more CPU than expected.`);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(verdicts)}\n`);
process.exit(verdicts.some(({ tooSlow }) => tooSlow) ? 1 : 0);
