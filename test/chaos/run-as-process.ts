/** `npm run chaos` from a test: in a process of its own, which ends when the run does, whatever a broken network has left in it. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from '../support/clean-environment.ts';

/** @returns what it printed and how it ended; 0 = nothing was violated. */
export function runAsProcess(...flags: string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const file = fileURLToPath(new URL('./run.ts', import.meta.url));
  return new Promise((resolve) => {
    const options = { timeout: 170_000, env: cleanEnvironment(), maxBuffer: 16 * 1024 * 1024 };
    const child = execFile(process.execPath, ['--import', 'tsx', file, ...flags], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, output: stdout + stderr });
    });
  });
}
