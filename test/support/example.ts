import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './clean-environment.ts';

/** Runs a file of examples/ as a user would, at most 60 s. @returns the lines it printed. @throws unless it ends with 0. */
export function runExample(path: string): Promise<string[]> {
  const file = fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
  const options = { timeout: 60_000, env: cleanEnvironment() };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', file], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim().split('\n'));
      else reject(new Error(`${path}: ${error.message}\n${stdout}\n${stderr}`));
    });
  });
}
