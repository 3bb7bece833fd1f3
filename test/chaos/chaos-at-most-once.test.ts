/** The other delivery mode, shorter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAsProcess } from './run-as-process.ts';

test('100 clients and the same chaos at most once: nothing comes twice', async () => {
  const { code, output } = await runAsProcess(
    ...['--seconds', '15', '--clients', '100', '--seed', '20262', '--delivery', 'at-most-once'],
  );
  console.log(output);
  assert.equal(code, 0, output);
  assert.match(output, / 0 twice/);
});
