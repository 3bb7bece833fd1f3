/** A Redis of the bench, on the core of the load, and what it says of itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { External, freePort } from '../peers/external.ts';
import { versionOf } from './machine.ts';

/** Counted from the start of the server, but for keys and bytes. */
export interface RedisFigures {
  readonly at: number;
  readonly keys: number;
  readonly bytes: number;
  readonly cpuMs: number;
  /** What gateways write, keep and remove are scripts, one for each record; so is a beat. */
  readonly scripts: number;
  readonly published: number;
  /** Bytes that it sent. */
  readonly answered: number;
}

export class BenchRedis {
  readonly url: string;
  readonly version: string;
  readonly #server: External;
  readonly #client;
  readonly #folder: string;

  private constructor(port: number, version: string, server: External, folder: string) {
    this.url = `redis://127.0.0.1:${port}`;
    this.version = version;
    this.#server = server;
    this.#folder = folder;
    this.#client = createClient({ url: this.url });
    this.#client.on('error', () => {});
  }

  /** @throws where redis-server is not installed. */
  static async start(): Promise<BenchRedis> {
    const version = versionOf('redis-server', '--version');
    if (version === undefined)
      throw new Error('redis-server is not installed (apt-get install --no-install-recommends).');
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-redis-'));
    const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    const server = new External('redis-server', ['redis-server', ...settings], {}, 1);
    await server.listening(port);
    const redis = new BenchRedis(port, version, server, folder);
    await redis.#client.connect();
    return redis;
  }

  /** Empty, as before the first gateway. */
  async clear(): Promise<void> {
    await this.#client.flushAll();
  }

  async look(): Promise<RedisFigures> {
    const text = await this.#client.sendCommand(['INFO', 'everything']);
    const info = new Map(
      String(text)
        .split('\r\n')
        .map((line) => line.split(':', 2) as [string, string]),
    );
    const number = (name: string): number => Number(info.get(name));
    const calls = (command: string): number =>
      Number(/^calls=(\d+)/.exec(info.get(`cmdstat_${command}`) ?? '')?.[1] ?? 0);
    return {
      at: performance.now(),
      keys: Number(/^keys=(\d+)/.exec(info.get('db0') ?? '')?.[1] ?? 0),
      bytes: number('used_memory'),
      cpuMs: 1000 * (number('used_cpu_user_main_thread') + number('used_cpu_sys_main_thread')),
      scripts: calls('evalsha'),
      published: calls('publish'),
      answered: number('total_net_output_bytes'),
    };
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    await this.#server.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What lies between two looks. */
export function between(before: RedisFigures, after: RedisFigures): RedisFigures & { readonly seconds: number } {
  return {
    at: after.at,
    seconds: (after.at - before.at) / 1000,
    keys: after.keys - before.keys,
    bytes: after.bytes - before.bytes,
    cpuMs: after.cpuMs - before.cpuMs,
    scripts: after.scripts - before.scripts,
    published: after.published - before.published,
    answered: after.answered - before.answered,
  };
}
