/** The gateway as it is shipped: compiled, to be run by its command. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commit } from './machine.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Ignored by git, inside the repository so that packages are found from there. */
const builds = join(root, '.bench');
const sources = ['src', 'plugins', 'routes', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];

export interface Build {
  /** What was asked for. */
  readonly name: string;
  /** The `holdfast` command. */
  readonly command: string;
  /** The revision it was made from, as far as that is known. */
  readonly commit: string;
}

/**
 * Compiles this checkout (default), another one, or a git revision of this one; a folder that has been built already is taken as it is.
 * @param what a folder or a revision.
 * @throws if it is neither, or does not compile.
 */
export function buildGateway(what?: string): Build {
  const name = what ?? 'here';
  if (what !== undefined && existsSync(what)) {
    const folder = resolve(what);
    if (!existsSync(join(folder, 'tsconfig.build.json'))) {
      const command = [join(folder, 'src/server.js'), join(folder, 'dist/src/server.js')].find(existsSync);
      if (command === undefined) throw new Error(`${what} has neither sources of the gateway nor a build of it.`);
      return { name, command, commit: name };
    }
    return { name, command: compileCopy(name, (to) => copySources(folder, to)), commit: name };
  }
  if (what === undefined) return { name, command: compileCopy(name, (to) => copySources(root, to)), commit: commit() };
  let revision: string;
  try {
    revision = execFileSync('git', ['rev-parse', '--verify', '--quiet', `${what}^{commit}`], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
  } catch {
    throw new Error(`${what} is neither a folder nor a revision of this repository.`);
  }
  const command = compileCopy(revision.slice(0, 12), (to) => checkOut(revision, to));
  return { name, command, commit: revision.slice(0, 7) };
}

function copySources(from: string, to: string): void {
  for (const source of sources) cpSync(join(from, source), join(to, source), { recursive: true });
}

function checkOut(revision: string, to: string): void {
  const archive = execFileSync('git', ['archive', revision, ...sources], { cwd: root, maxBuffer: 2 ** 28 });
  execFileSync('tar', ['-x', '-C', to], { input: archive });
}

/** From a copy, so that an edit meanwhile does no harm. @returns the command. */
function compileCopy(name: string, fill: (folder: string) => void): string {
  const folder = join(builds, name.replaceAll(/[^\w-]/g, '_'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  fill(folder);
  const settings = JSON.parse(readFileSync(join(folder, 'tsconfig.build.json'), 'utf8')) as {
    compilerOptions: Record<string, unknown>;
  };
  settings.compilerOptions['declaration'] = false;
  settings.compilerOptions['types'] = ['node'];
  settings.compilerOptions['typeRoots'] = [join(root, 'node_modules/@types')];
  writeFileSync(join(folder, 'tsconfig.build.json'), JSON.stringify(settings));
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    throw new Error(`${name} does not compile:\n${(error as { stdout?: string }).stdout ?? ''}`);
  }
  const command = join(folder, 'dist/src/server.js');
  chmodSync(command, 0o755);
  return command;
}
