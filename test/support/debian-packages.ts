import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @throws with what is missing and how to install it; with CI=true or HOLDFAST_INSTALL=1, as root, it is installed. */
export function needDebianPackages(...names: readonly string[]): void {
  const script = fileURLToPath(new URL('../../scripts/debian-packages.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, ...names], { encoding: 'utf8', timeout: 300_000 });
  if (status !== 0) throw new Error(stderr.trim() || `debian-packages.mjs ended with ${status}`);
}
