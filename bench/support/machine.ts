/** The machine a bench runs on: its cores, its limits, what it is. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, setPriority, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** One minute's, when the bench began. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** @throws where /proc has no schedstat: CPU could not be told. */
export function needProc(): void {
  try {
    readFileSync('/proc/self/schedstat');
  } catch {
    throw new Error('The bench reads CPU times from /proc/<pid>/schedstat: it needs Linux with schedstats.');
  }
}

/** All threads of a process to one core; false where that cannot be done. */
export function pinTo(core: number, pid: number): boolean {
  if (!canPin()) return false;
  try {
    execFileSync('taskset', ['-apc', String(core), String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Subjects on core 0, the load on core 1: with one core, or without taskset, all share what there is. */
export function canPin(): boolean {
  if (cpus().length < 2) return false;
  try {
    execFileSync('taskset', ['-pc', String(process.pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Everything started from now on goes before what else this machine does, which has to wait meanwhile.
 * @returns false where this user may not.
 */
export function takePriority(): boolean {
  const nice = -15;
  try {
    setPriority(nice);
  } catch {
    return false;
  }
  // Where the kernel shares time out between sessions, niceness counts only within one.
  const session = '/proc/self/autogroup';
  const before = existsSync(session) ? / nice (-?\d+)/.exec(readFileSync(session, 'latin1'))?.[1] : undefined;
  if (before !== undefined) {
    writeFileSync(session, `${nice}`);
    process.on('exit', () => writeFileSync(session, before));
  }
  return true;
}

/** How many files one process may have open. */
export function descriptorLimit(): number {
  const limit = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit ?? 1024);
}

/** So many pipes, or as many as the limit allows at `each` descriptors for one in one process; says so if fewer. */
export function affordablePipes(wanted: number, each = 2, limit = descriptorLimit()): number {
  const most = Math.floor((limit - 500) / each);
  if (wanted <= most) return wanted;
  console.log(`${wanted} pipes need more than the ${limit} descriptors allowed here (ulimit -n): ${most} are taken.`);
  return most;
}

/** What a program says of its version, or undefined if it is not installed. */
export function versionOf(program: string, ...flags: readonly string[]): string | undefined {
  try {
    const text = execFileSync('sh', ['-c', `exec "$0" "$@" 2>&1`, program, ...flags], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /\d+\.\d+(\.\d+)?/.exec(text)?.[0];
  } catch {
    return undefined;
  }
}

/** Of a package in node_modules. */
export function packageVersion(name: string): string {
  return versionIn(`node_modules/${name}/package.json`);
}

/** Of the gateway. */
export function ownVersion(): string {
  return versionIn('package.json');
}

function versionIn(file: string): string {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export function commit(): string {
  try {
    const revision = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
    const changed = execFileSync('git', ['status', '--porcelain', '--', 'src', 'plugins', 'routes'], {
      encoding: 'utf8',
    });
    return changed === '' ? revision : `${revision} with changes`;
  } catch {
    return 'unknown';
  }
}
