import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import type { KeyPair } from './certificates.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { deferred, until, WaitError, withTimeout } from './wait.ts';

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Served on `port` in place of plain TCP. With `client`, clients need a certificate of the same CA, as this one. */
  readonly tls?: KeyPair & { readonly ca: string; readonly client?: KeyPair };
  /** Of the user `default`. */
  readonly password?: string;
  /** More users, as lines of an ACL file behind `user `. */
  readonly users?: readonly string[];
  readonly maxmemory?: string;
  /** Port of another server here. */
  readonly replicaOf?: number;
  /** One server that is a whole Redis Cluster. */
  readonly cluster?: boolean;
}

// Only processes started here are ever killed, each by its own pid, and none outlives us.
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Debian's redis-server as a child, that keeps nothing on disk. */
export class RedisServer {
  readonly port: number;
  /** Without user and password. */
  readonly url: string;
  readonly options: RedisServerOptions;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #exited = deferred();

  constructor(child: ChildProcess, port: number, options: RedisServerOptions, folder: string) {
    this.#child = child;
    this.port = port;
    this.options = options;
    this.#folder = folder;
    this.url = `${options.tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`;
    running.add(child);
    child.on('exit', () => {
      running.delete(child);
      this.#exited.resolve();
    });
  }

  get running(): boolean {
    return !this.#exited.settled;
  }

  /** What it wrote. */
  get log(): string {
    return readFileSync(join(this.#folder, 'redis.log'), 'utf8');
  }

  /** Runs one command on a connection of its own. */
  async command(...words: string[]): Promise<unknown> {
    const { tls, password } = this.options;
    const client = createClient({
      url: this.url,
      socket: {
        reconnectStrategy: false,
        ...(tls === undefined ? {} : { tls: true as const, ca: tls.ca, ...tls.client }),
      },
      ...(password === undefined ? {} : { password }),
    });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  }

  /** Resolves when it is gone, also when it was. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await withTimeout(this.#exited.promise, 5000, 'redis-server to die');
  }

  async freeze(): Promise<void> {
    this.#child.kill('SIGSTOP');
    const stopped = () => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1'));
    await until(stopped, { what: 'redis-server to stop', intervalMs: 1 });
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Kills it, and starts an empty one at its address. */
  async restartEmpty(t: OptionalOwner, changes: RedisServerOptions = {}): Promise<RedisServer> {
    await this.kill();
    return startRedis(t, { ...this.options, port: this.port, ...changes });
  }

  async dispose(): Promise<void> {
    if (this.running) await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Needs the Debian package redis-server: needDebianPackages(t, 'redis-server'). */
export async function startRedis(t: OptionalOwner, options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const lines = [
    'bind 127.0.0.1',
    'save ""',
    'appendonly no',
    'repl-diskless-sync-delay 0',
    `dir ${folder}`,
    `logfile ${join(folder, 'redis.log')}`,
  ];
  const { tls } = options;
  if (tls === undefined) {
    lines.push(`port ${port}`);
  } else {
    lines.push('port 0', `tls-port ${port}`, `tls-auth-clients ${tls.client === undefined ? 'no' : 'yes'}`);
    lines.push(`tls-cert-file ${file('cert.pem', tls.cert)}`, `tls-key-file ${file('key.pem', tls.key)}`);
    lines.push(`tls-ca-cert-file ${file('ca.pem', tls.ca)}`);
  }
  if (options.password !== undefined) lines.push(`requirepass ${options.password}`);
  for (const user of options.users ?? []) lines.push(`user ${user}`);
  if (options.maxmemory !== undefined) lines.push(`maxmemory ${options.maxmemory}`, 'maxmemory-policy noeviction');
  if (options.replicaOf !== undefined) lines.push(`replicaof 127.0.0.1 ${options.replicaOf}`);
  if (options.cluster === true) lines.push('cluster-enabled yes', 'cluster-require-full-coverage no');
  const child = spawn('redis-server', [file('redis.conf', `${lines.join('\n')}\n`)], { stdio: 'ignore' });
  const server = new RedisServer(child, port, options, folder);
  endWith(t, () => server.dispose());
  await until(
    async () => {
      if (!server.running) throw new WaitError(`redis-server ended:\n${server.log}`);
      return (await server.command('PING')) === 'PONG';
    },
    { what: () => `redis-server to answer on port ${port}`, intervalMs: 10 },
  );
  if (options.cluster === true) {
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await until(async () => String(await server.command('CLUSTER', 'INFO')).includes('cluster_state:ok'), {
      what: 'the cluster to have all its slots',
    });
  }
  return server;
}
