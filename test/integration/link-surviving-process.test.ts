/** A host may live on after an exception that nothing caught; node:net and we must not read to different places from then on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('../support/surviving-main.mjs', import.meta.url));

for (const where of ['read', 'tick']) {
  test(`an exception in a ${where} of a large message ends its connection; no bytes of others, and no message twice over, are handed on`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, where], {
      timeout: 20_000,
    });
    assert.deepEqual(JSON.parse(stdout), { caught: 1, clean: false, whole: false, handedOn: 0, foreign: false });
  });
}
