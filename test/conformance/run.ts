/** Prints the report of the whole suite: `npm run conformance:rfc`. */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import {
  type DifferenceCounts,
  describeFailures,
  differenceTable,
  runSide,
  type Side,
  sides,
  table,
  unusedDifferences,
} from './report.ts';

const usage = `npm run conformance:rfc -- [--side <side>] [--only <word>]

Plays the RFC 6455 suite against a gateway in this process. Sides: ${sides.join(', ')}; default all.
--only: sections whose title has this word. Exit code: 0 = all as it must be, 1 = not, 2 = wrong arguments.`;

const { version } = createRequire(import.meta.url)('ws/package.json') as { version: string };

function readArguments(): { readonly side?: string | undefined; readonly only?: string | undefined } {
  try {
    const { values } = parseArgs({ options: { side: { type: 'string' }, only: { type: 'string' } } });
    if (values.side === undefined || sides.includes(values.side as Side)) return values;
  } catch {}
  console.error(usage);
  process.exit(2);
}

async function main(): Promise<void> {
  const { side: wanted, only } = readArguments();
  const used: DifferenceCounts = new Map();
  const startedAt = performance.now();
  let [played, failed] = [0, 0];
  console.log(`RFC 6455 through the gateway; without it: ws ${version}; Node ${process.version}\n`);
  for (const side of sides.filter((one) => wanted === undefined || one === wanted)) {
    const endings: (() => void | Promise<void>)[] = [];
    const owner = { after: (fn: () => void | Promise<void>) => void endings.push(fn) };
    const report = await runSide(owner, side, used, (title) => only === undefined || title.includes(only));
    console.log(`${table(report).join('\n')}\n`);
    for (const section of report.sections.filter(({ failures }) => failures.length > 0)) {
      console.log(`${section.title}\n${describeFailures(section, 20)}\n`);
    }
    for (const line of report.wrong) console.log(line);
    played += report.sections.reduce((sum, one) => sum + one.played, 0);
    failed += report.sections.reduce((sum, one) => sum + one.failures.length, report.wrong.length);
    for (const end of endings.reverse()) await end();
  }
  console.log(differenceTable(used).join('\n'));
  const stale = wanted === undefined && only === undefined ? unusedDifferences(used) : [];
  for (const name of stale) console.log(`No case shows this difference any more: ${name}`);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`\n${played} cases played, ${failed} failed, ${seconds} s`);
  process.exitCode = failed > 0 || stale.length > 0 || played === 0 ? 1 : 0;
}

await main();
