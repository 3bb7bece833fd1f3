/** One side of the suite as a test: a subtest for each section, the summary as a diagnostic. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type DifferenceCounts, describeFailures, runSide, type Side, table } from './report.ts';

/** @returns how often each listed difference was seen. */
export async function testSide(t: TestContext, side: Side): Promise<DifferenceCounts> {
  const used: DifferenceCounts = new Map();
  const report = await runSide(t, side, used);
  for (const line of table(report)) t.diagnostic(line);
  for (const section of report.sections) {
    await t.test(`${section.title}: ${section.played} cases`, () => {
      assert.equal(describeFailures(section), '');
      assert.ok(section.played > 0);
    });
  }
  assert.ok(report.sections.length > 0);
  assert.deepEqual(report.wrong, []);
  return used;
}
