import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cleanEnvironment } from '../support/clean-environment.ts';

test('the young generation of the command grows again after an idle time, and no further than 4 MiB a half', async () => {
  const main = fileURLToPath(new URL('../support/young-generation-main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', '--expose-gc', main], {
    env: cleanEnvironment(),
    timeout: 60_000,
  });
  const { idle, busy } = JSON.parse(stdout) as { readonly idle: number; readonly busy: number };
  assert.ok(idle <= 2, `V8 made it no smaller than ${idle} MiB`);
  // V8 rounds, each version in its way. By itself it goes to 32.
  assert.ok(busy >= 6 && busy <= 10, `${busy} MiB in both halves`);
});
