import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { IpcChannel } from '../../src/cluster/ipc/ipc-store.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { until, WaitError, withTimeout } from './wait.ts';

export interface ForkOptions {
  /** File beside this one; a .ts file is run by tsx. */
  readonly module: string;
  readonly env?: Record<string, string>;
  /** Default 'json', as in Node. */
  readonly serialization?: 'json' | 'advanced';
}

export interface TestWorker {
  readonly worker: Worker;
  /** What it has sent that is no message of a store. */
  readonly told: { readonly event: string; readonly data?: unknown }[];
  waitFor(event: string): Promise<unknown>;
}

/** A worker process of node:cluster: this process is its primary. Resolves when it says that it is ready. */
export async function forkWorker(
  t: OptionalOwner,
  { module, env, serialization = 'json' }: ForkOptions,
): Promise<TestWorker> {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(module, import.meta.url)),
    execArgv: module.endsWith('.ts') ? ['--import', 'tsx'] : [],
    serialization,
    silent: false,
  });
  // Of the test run: it would count the worker as a test.
  const worker = cluster.fork({ ...env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined, NODE_V8_COVERAGE: undefined });
  const told: { event: string; data?: unknown }[] = [];
  let ready = false;
  worker.on('message', (message: { ready?: true; event?: string; data?: unknown }) => {
    if (message.ready || message.event === 'ready') ready = true;
    if (message.event !== undefined) told.push({ event: message.event, data: message.data });
  });
  worker.on('error', () => {});
  endWith(t, () => killWorker(worker));
  await until(
    () => {
      if (worker.isDead()) throw new WaitError(`the worker ${module} ended`);
      return ready;
    },
    { what: `the worker ${module} to start`, timeoutMs: 10_000 },
  );
  const find = (event: string) => told.find((one) => one.event === event);
  const waitFor = async (event: string): Promise<unknown> => {
    await until(() => find(event) !== undefined, {
      what: () => `'${event}' of a worker, which said ${JSON.stringify(told)}`,
    });
    const found = find(event)!;
    told.splice(told.indexOf(found), 1);
    return found.data;
  };
  return { worker, told, waitFor };
}

/** Resolves when it is gone, also when it was. */
export async function killWorker(worker: Worker, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (worker.isDead()) return;
  const gone = new Promise((resolve) => worker.once('exit', resolve));
  worker.process.kill(signal);
  await withTimeout(gone, 5000, 'a worker process to end');
}

/** The channel that a store in the worker would have: everything goes through that process (ipc-relay-main.mjs). */
export function channelThrough({ worker }: TestWorker): IpcChannel {
  const listeners = new Map<unknown, (message: unknown) => void>();
  return {
    get connected() {
      return worker.isConnected();
    },
    send(message, _handle, _options, sent) {
      return worker.send({ down: message }, (error) => sent?.(error));
    },
    on(event: 'message' | 'disconnect', listener: ((message: unknown) => void) | (() => void)) {
      const own = (message: unknown): void => {
        if (event === 'disconnect') (listener as () => void)();
        else if (isUp(message)) listener(message.up);
      };
      listeners.set(listener, own);
      worker.on(event, own);
    },
    off(event: 'message' | 'disconnect', listener: ((message: unknown) => void) | (() => void)) {
      worker.off(event, listeners.get(listener) ?? (() => {}));
    },
  };
}

function isUp(message: unknown): message is { up: unknown } {
  return typeof message === 'object' && message !== null && 'up' in message;
}
