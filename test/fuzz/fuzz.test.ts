/** The short form of `npm run fuzz`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFuzz, runFuzz } from './fuzz-run.ts';

test('ten seconds of frames and heads that are not as they should be harm neither the gateway nor a neighbour', async (t) => {
  const report = await runFuzz({ seed: 11, durationMs: 10_000 });
  t.diagnostic(describeFuzz(report));
  assert.deepEqual(report.violations, []);
});
