/** A worker process of the command: one gateway of several that share a port, told what to do by the primary process. */
import { Registry } from 'prom-client';
import { AdminTokens } from '../admin/admin-tokens.ts';
import type { App } from '../app.ts';
import { IpcStore } from '../cluster/ipc/ipc-store.ts';
import { endOf, endWithoutTerminal } from '../command/ending.ts';
import { LogOutput } from '../command/log-output.ts';
import { describeFailure, startGateway } from '../command/start.ts';
import type { CommandSettings } from '../config.ts';
import type { MetricJson, ToWorker } from './messages.ts';
import { PrimaryChannel } from './primary-channel.ts';
import { startMs } from './settings.ts';

/** They also come from the terminal, to the whole group: the primary process deals with them. */
const notOurs = ['SIGINT', 'SIGHUP', 'SIGUSR2'] as const;
/** How long another worker has to take the place of this one: it may be slow to start, and the port is to stay open. */
const replacedMs = startMs + 10_000;
/** Who was let in before the port was closed has so long to say what it wants: nobody is turned away where another worker has the place. */
const arrivingMs = 250;
const maxNameLength = 48;

type Given<K extends ToWorker['kind']> = Extract<ToWorker, { kind: K }>;

interface Running {
  readonly app: App;
  /** Gateways of other machines share its store: the pipes can go to them, also where all workers end. */
  readonly hasHeirs: boolean;
  end(): void;
}

const registry = new Registry();
/** Null = nothing was ordered yet. */
let tokens: AdminTokens | null = null;
let running: Running | null = null;
/** Certificates may have been read before they were renewed. */
let reloadDue = false;
let leaving = false;
const channel = new PrimaryChannel({ said: obey, gone: endAsOrphan });
for (const signal of notOurs) process.on(signal, () => {});
process.on('SIGTERM', leave);

/** In one step as far as the tokens: the next order may take them back. */
async function begin({ index, settings, tokens: given }: Given<'begin'>): Promise<void> {
  try {
    tokens = new AdminTokens(given, 'admin.tokens');
    await serve(index, settings as CommandSettings, tokens);
  } catch (error) {
    await channel.say({ kind: 'failed', ...describeFailure(error) });
    process.exit(1);
  }
}

async function serve(worker: number, settings: CommandSettings, adminTokens: AdminTokens): Promise<void> {
  const own = { ...settings, options: { ...settings.options, cluster: named(settings.options.cluster, worker) } };
  const metrics = { registry, page: async () => ({ contentType: registry.contentType, body: await channel.page() }) };
  const output = new LogOutput();
  const { app, address } = await startGateway(own, adminTokens, output, { worker, metrics, store: new IpcStore() });
  const lastly = async () => channel.say({ kind: 'final', metrics: await counted() });
  running = { app, hasHeirs: settings.redis !== undefined, end: endOf(app, output, { lastly, skip: notOurs }) };
  if (reloadDue) app.pipeManager.reloadTls();
  const { options } = app.pipeManager;
  const backends = app.pipeManager.backends().length;
  app.log.debug({ address }, 'this worker listens');
  await channel.say({ kind: 'serving', address, path: options.path, backends });
}

/** As one gateway among others it has the number of its place besides. */
function named(cluster: CommandSettings['options']['cluster'], worker: number) {
  const suffix = `-${worker}`;
  const name = cluster?.name ?? 'gateway';
  return { ...cluster, name: `${name.slice(0, maxNameLength - suffix.length)}${suffix}` };
}

function obey(message: ToWorker): void {
  switch (message.kind) {
    case 'begin':
      void begin(message);
      return;
    case 'end':
      if (message.noTerminal) endWithoutTerminal();
      end(message.replaced);
      return;
    case 'reload':
      reload(message.tokens);
      return;
    case 'collect':
      void counted().then((metrics) => channel.say({ kind: 'collected', id: message.id, metrics }));
      return;
    default:
  }
}

/** Also while the app is made: tokens count anew at once. */
function reload(given: Given<'reload'>['tokens']): void {
  if (given !== null) tokens?.replace(given, 'admin.tokens');
  if (running === null) {
    reloadDue = true;
    return;
  }
  const { app } = running;
  app.pipeManager.reloadTls();
  if (given === null || tokens === null) return;
  app.log.info({ tokens: tokens.identities }, 'the admin tokens were read anew');
}

/** SIGTERM of this worker alone: the primary puts another one in its place, and says when this one may go. */
function leave(): void {
  if (leaving) process.exit(1);
  leaving = true;
  if (running === null) process.exit(0);
  running.app.log.info(
    { signal: 'SIGTERM' },
    'SIGTERM: this worker ends when another one has its place; a second signal ends it at once',
  );
  void channel.say({ kind: 'leaving' });
  setTimeout(() => end(true), replacedMs).unref();
}

/** The other workers end as well; the store is gone with it, unless it is that of several machines. */
function endAsOrphan(): void {
  if (running === null) process.exit(1);
  running.app.log.error('the primary process is gone: this worker ends');
  process.exitCode = 1;
  end(false);
}

/** @param replaced other workers have the port, and get the pipes. */
function end(replaced: boolean): void {
  if (running === null) process.exit(0);
  const { app, hasHeirs, end: endApp } = running;
  const close = (): void => {
    void app.pipeManager.close({ handOver: replaced || hasHeirs });
    endApp();
  };
  if (!replaced) {
    close();
    return;
  }
  stopListening(app);
  setTimeout(close, arrivingMs);
}

/** The others have the port: new clients are theirs, and the probes too. */
function stopListening({ server, adminServer }: App): void {
  server.close();
  adminServer?.server.close();
}

async function counted(): Promise<MetricJson[]> {
  return (await registry.getMetricsAsJSON()) as unknown as MetricJson[];
}
