/** RFC 6455 frame by frame, from a raw backend: as it says, and as without the gateway. See README.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unusedDifferences } from './report.ts';
import { testSide } from './side-test.ts';

test('what a raw backend sends has the outcome that RFC 6455 says, the same as without the gateway', async (t) => {
  const used = await testSide(t, 'backend');
  assert.deepEqual(unusedDifferences(used, 'backend'), [], 'differences that are none any more');
});
