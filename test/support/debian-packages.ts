import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * Whether Debian packages are there; with CI=true or HOLDFAST_INSTALL=1, as root, they are installed. Elsewhere the test is skipped with a
 * message that names them, so that `npm test` needs nothing but Node and npm.
 * @throws in CI, where nothing may be skipped.
 */
export function needDebianPackages(t: TestContext, ...names: readonly string[]): boolean {
  const script = fileURLToPath(new URL('../../scripts/debian-packages.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, ...names], { encoding: 'utf8', timeout: 300_000 });
  if (status === 0) return true;
  const message = stderr.trim() || `debian-packages.mjs ended with ${status}`;
  if (process.env['CI'] === 'true') throw new Error(message);
  t.skip(message);
  return false;
}
