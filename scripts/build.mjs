// Builds dist/ from the TypeScript sources.
import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
const run = (command, ...args) => {
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
};
run('tsc', '-p', 'tsconfig.build.json');
run('node', 'scripts/build-client.mjs');
chmodSync('dist/src/server.js', 0o755);
