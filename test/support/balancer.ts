/** HAProxy or nginx as a child, with the recipe of deploy/ and the addresses of a test in place of those in it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWith, type OptionalOwner } from './owner.ts';
import { freePort } from './redis-server.ts';
import { deferred, until, WaitError, withTimeout } from './wait.ts';

export type BalancerKind = 'haproxy' | 'nginx';

export interface Balancer {
  readonly port: number;
  /** ws://127.0.0.1:port/ws */
  readonly url: string;
  readonly log: string;
  /** HAProxy only: what its stats socket answers. */
  command(text: string): Promise<string>;
  /** HAProxy only: UP, DOWN and so on; gateways are called gateway-1, gateway-2, ... */
  status(gateway: string): Promise<string>;
  dispose(): Promise<void>;
}

// Only processes started here are ever killed, each by its own pid, and none outlives us.
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const recipes = {
  haproxy: { file: 'haproxy/haproxy.cfg', listen: 'bind :80\n' },
  nginx: { file: 'nginx/holdfast.conf', listen: 'listen 80;\n' },
} as const;

export function recipe(kind: BalancerKind): string {
  return readFileSync(fileURLToPath(new URL(`../../deploy/${recipes[kind].file}`, import.meta.url)), 'utf8');
}

/** Needs the Debian package haproxy, or nginx-light: needDebianPackages(t, ...). `gateways`: two or more ports on 127.0.0.1. */
export async function startBalancer(
  t: OptionalOwner,
  kind: BalancerKind,
  gateways: readonly [number, number, ...number[]],
): Promise<Balancer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${kind}-`));
  const socket = join(folder, 'admin.sock');
  const listen = kind === 'haproxy' ? `bind 127.0.0.1:${port}\n` : `listen 127.0.0.1:${port};\n`;
  const changes: [string, string][] = [
    [recipes[kind].listen, listen],
    ['10.0.0.11:8080', `127.0.0.1:${gateways[0]}`],
  ];
  if (kind === 'haproxy') changes.push(['/run/haproxy/admin.sock', socket], ['maxconn 100000\n', 'maxconn 1000\n']);
  let text = recipe(kind);
  // One line for each gateway behind the first, as that of the second.
  const [second = ''] = /^.*10\.0\.0\.12:8080.*$/m.exec(text) ?? [];
  const lineOf = (one: number, index: number) =>
    second.replace('gateway-2', `gateway-${index + 2}`).replace('10.0.0.12:8080', `127.0.0.1:${one}`);
  changes.push([second, gateways.slice(1).map(lineOf).join('\n')]);
  for (const [from, to] of changes) {
    assert.equal(text.split(from).length, 2, `${recipes[kind].file} has "${from.trim()}" once`);
    text = text.replace(from, to);
  }
  const file = join(folder, 'balancer.conf');
  writeFileSync(file, kind === 'haproxy' ? text : nginxMain(folder, text));
  const child =
    kind === 'haproxy'
      ? spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
      : spawn('nginx', ['-p', folder, '-c', file, '-e', join(folder, 'error.log')], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
  running.add(child);
  const gone = deferred();
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      log += more;
    });
  child.on('error', (error) => {
    log += error.message;
    gone.resolve();
  });
  child.on('exit', () => {
    running.delete(child);
    gone.resolve();
  });
  const balancer: Balancer = {
    port,
    url: `ws://127.0.0.1:${port}/ws`,
    get log() {
      return log;
    },
    command: (command) =>
      new Promise((resolve, reject) => {
        let answer = '';
        connect(socket)
          .setEncoding('utf8')
          .on('error', reject)
          .on('data', (more: string) => {
            answer += more;
          })
          .on('end', () => resolve(answer))
          .end(`${command}\n`);
      }),
    status: async (gateway) => {
      const lines = (await balancer.command('show stat')).split('\n').map((line) => line.split(','));
      const column = lines[0]!.indexOf('status');
      return lines.find(([proxy, server]) => proxy === 'gateways' && server === gateway)?.[column] ?? 'none';
    },
    dispose: async () => {
      // nginx has no workers of its own here, so nobody is left behind.
      child.kill('SIGKILL');
      await withTimeout(gone.promise, 5000, `${kind} to end`);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  endWith(t, balancer.dispose);
  await until(
    async () => {
      if (gone.settled) throw new WaitError(`${kind} ended:\n${log}`);
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
      return answer?.status === 404;
    },
    { what: () => `${kind} to answer\n${log}`, intervalMs: 20 },
  );
  return balancer;
}

/** The file around conf.d: one process, everything in `folder`. */
function nginxMain(folder: string, included: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
access_log off;
${paths.join('\n')}
${included}
}
`;
}
