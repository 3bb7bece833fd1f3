/** Where not even the first worker process can be made the command says why. */
import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand, temporaryFolder } from '../support/command.ts';

for (const [errno, path] of [
  ['ELOOP', 'loop'],
  ['ENOENT', 'nothing'],
] as const) {
  test(`exit code 1 and one line with the reason: ${errno}`, async (t) => {
    const folder = temporaryFolder(t);
    const [preload, node] = [join(folder, 'preload.mjs'), join(folder, path)];
    symlinkSync('loop', join(folder, 'loop'));
    writeFileSync(preload, `process.execPath = ${JSON.stringify(node)};\n`);
    const env = { HOLDFAST_PORT: '0', HOLDFAST_WORKERS: '2', HOLDFAST_ADMIN_TOKEN: 'some-token' };
    const command = runCommand(t, { node: ['--import', preload], env });
    assert.equal(await command.ended(60_000), 1);
    assert.match(command.stderr, new RegExp(`^holdfast: no process could be made: spawn .*${errno}\\n$`));
  });
}
