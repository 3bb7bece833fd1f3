// Is what npm would publish fit to be used? publint reads package.json against the files, attw resolves the types as consumers do.
import { spawnSync } from 'node:child_process';

const run = (command, args) => {
  console.log(`> ${command} ${args.join(' ')}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
};

run('npm', ['run', 'build']);
run('publint', ['--strict']);
run('attw', ['--pack', '.', '--profile', 'esm-only']);
