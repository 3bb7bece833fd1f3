/** The `holdfast` command with worker processes. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayPage } from '../../src/gateways/views.ts';
import { type Command, configFile, type Order, type RunningCommand, startCommand, temporaryFolder } from './command.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { until } from './wait.ts';

/** They know soon of each other, and one that is slow to beat on a busy machine is not taken for dead: of one that dies the primary knows. */
export const cluster = { beatMs: 100, memberTtlMs: 60_000 };
/** For what workers do: each of their processes has to start. */
export const patienceMs = 120_000;

export interface WorkersOrder extends Order {
  /** Default 2. */
  readonly count?: number;
  /** The config file. */
  readonly settings?: object;
  /** Whether all know of each other. Default: by GET /gateways on the clients' port. */
  readonly known?: () => Promise<boolean>;
  /** PEM, where it serves https. */
  readonly ca?: string;
}

export interface RunningWorkers extends RunningCommand {
  /** Path of the config file. */
  readonly file: string;
  /** Pids of all that were ever started, by the number of their place, the latest last. */
  pids(): Map<number, number[]>;
  /** The latest in this place. */
  pidOf(worker: number): number;
  /** In which place the pipe was opened, or came to, last. */
  workerOf(pipeId: string): number;
  /** Until a process that was not there before serves in this place. @returns its pid. */
  replaced(worker: number, before: number): Promise<number>;
  /** Names of the gateways, as GET /gateways has them. */
  gateways(): Promise<string[]>;
  /** Value of each series of GET /metrics, by its name with the labels. */
  metrics(): Promise<Map<string, number>>;
}

/** Resolves when all serve and know of each other. */
export async function startWorkers(t: OptionalOwner, order: WorkersOrder = {}): Promise<RunningWorkers> {
  const { count = 2, settings = {}, env, known, ca, ...rest } = order;
  const file = configFile(t, JSON.stringify({ cluster, ...settings }));
  let workers: RunningWorkers | undefined;
  // Before the command is waited for: one that a test has frozen holds its output open.
  endWith(t, () => {
    if (workers !== undefined) signalAll(workers, 'SIGCONT');
  });
  const command = await startCommand(t, {
    startMs: patienceMs,
    ...rest,
    args: ['--config', file, '--workers', String(count)],
    ...(env === undefined ? {} : { env }),
  });
  const started = () => command.log().filter(({ event }) => event === 'gateway.started');
  const running: RunningWorkers = Object.assign(command, {
    file,
    pids: () => {
      const pids = new Map<number, number[]>();
      for (const { worker, pid } of started())
        pids.set(Number(worker), [...(pids.get(Number(worker)) ?? []), Number(pid)]);
      return pids;
    },
    pidOf: (worker: number) => running.pids().get(worker)?.at(-1) ?? assert.fail(`no worker ${worker}`),
    workerOf: (pipeId: string) => {
      const line = command
        .log()
        .findLast((one) => one['pipeId'] === pipeId && /^pipe\.(opened|adopted)$/.test(one.event ?? ''));
      return Number(line?.['worker'] ?? assert.fail(`no worker of ${pipeId}`));
    },
    replaced: async (worker: number, before: number) => {
      const what = () => `another worker ${worker}\n${command.stdout}`;
      await until(() => running.pidOf(worker) !== before, { timeoutMs: patienceMs, what });
      return running.pidOf(worker);
    },
    gateways: async () => {
      const { body } = await command.admin('GET', '/gateways', undefined, ca);
      return (body as GatewayPage).gateways.map(({ name }) => name).sort();
    },
    metrics: async () => {
      const answer = await fetch(`${command.http}/metrics`, {
        headers: { authorization: 'Bearer command-test-token', connection: 'close' },
      });
      assert.equal(answer.status, 200);
      const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      return new Map(
        lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
      );
    },
  });
  workers = running;
  // No worker is left behind, whatever the test did to the primary process.
  process.once('exit', () => signalAll(running, 'SIGKILL'));
  // They answer in turn.
  const allKnow = async (): Promise<boolean> => {
    for (let turn = 0; turn < 2 * count; turn += 1) if ((await running.gateways()).length !== count) return false;
    return true;
  };
  await until(known ?? allKnow, {
    timeoutMs: patienceMs,
    what: () => `${count} workers that know each other\n${command.stdout}${command.stderr}`,
  });
  return running;
}

/** True while there is such a process, zombies aside. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Arguments of node, for an order: `code` runs first of all in every worker process. */
export function inWorkers(t: OptionalOwner, code: string): string[] {
  const file = join(temporaryFolder(t), 'preload.mjs');
  writeFileSync(file, `import cluster from 'node:cluster';\nif (cluster.isWorker) { ${code} }\n`);
  return ['--import', file];
}

/** For `inWorkers`: each worker tells when it was given its order, some hundred milliseconds before it serves. */
export const tellsStart = `process.on('message', (m) => {
  if (m?.body?.kind === 'begin') process.stderr.write('begun ' + process.pid + '\\n');
});`;

/**
 * For `inWorkers`: a worker that begins to listen while this file is there says 'held back', and does so when `release` says `go()`. Both are
 * code; in that of `release` is `existsSync` as well.
 */
export const holdBack = (file: string, release: string): string => `
  const { existsSync } = await import('node:fs');
  const { default: net } = await import('node:net');
  const { listen } = net.Server.prototype;
  net.Server.prototype.listen = function (...args) {
    const go = () => listen.apply(this, args);
    if (!existsSync(${JSON.stringify(file)})) return go();
    ${release}
    process.stderr.write('held back');
    return this;
  };`;

/** With `tellsStart`: pids of all that were given their order, in turn. */
export function begun({ stderr }: Pick<Command, 'stderr'>): number[] {
  return [...stderr.matchAll(/^begun (\d+)$/gm)].map(([, pid]) => Number(pid));
}

/** Until the `count`th worker since the start of the command was given its order. @returns its pid. */
export async function untilBegun(command: Command, count: number): Promise<number> {
  const what = () => `${count} workers to begin\n${command.stdout}${command.stderr}`;
  await until(() => begun(command).length >= count, { timeoutMs: patienceMs, what, intervalMs: 2 });
  return begun(command)[count - 1]!;
}

/** Pids of the worker processes there are now. */
export function processes({ pid }: Pick<Command, 'pid'>): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  return children.filter((child) => {
    try {
      return isAlive(child) && /worker-main/.test(readFileSync(`/proc/${child}/cmdline`, 'latin1'));
    } catch {
      return false;
    }
  });
}

function signalAll(workers: RunningWorkers, signal: NodeJS.Signals): void {
  for (const pid of [...workers.pids().values()].flat()) {
    try {
      // The number may have been given to somebody else since.
      if (/worker-main/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))) process.kill(pid, signal);
    } catch {}
  }
}
