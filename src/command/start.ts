/** The start of a process that serves clients: the app is built, and listens. */
import type { AddressInfo } from 'node:net';
import type { AdminTokens } from '../admin/admin-tokens.ts';
import type { App, AppSettings } from '../app.ts';
import { ConfigInvalid } from '../command-schema.ts';
import type { CommandSettings } from '../config.ts';
import { ListenerTls } from '../link/listener-tls.ts';
import { CannotStart, oneLine } from './exit.ts';
import type { LogOutput } from './log-output.ts';
import { makeRedisStore } from './redis-store.ts';

/** What a worker process has besides. */
export type WorkerParts = Pick<AppSettings, 'worker' | 'metrics' | 'store'>;

export interface Started {
  readonly app: App;
  /** Where the clients connect: http://host:port. */
  readonly address: string;
}

/** @throws ConfigInvalid, CannotStart */
export async function startGateway(
  settings: CommandSettings,
  tokens: AdminTokens,
  output: LogOutput,
  parts: WorkerParts = {},
): Promise<Started> {
  const app = await build(settings, { ...parts, logStream: output, admin: { ...settings.admin, tokens } });
  output.log = app.log;
  return { app, address: await listen(app, settings) };
}

/** @throws what is wrong, as a line for stderr and the exit code that goes with it. */
export function describeFailure(error: unknown): { readonly code: 1 | 2; readonly line: string } {
  if (error instanceof ConfigInvalid) return { code: 2, line: oneLine(error.message) };
  if (error instanceof CannotStart) return { code: 1, line: oneLine(error.message) };
  const line =
    error instanceof Error ? `${error.message} (${error.stack?.split('\n')[1]?.trim() ?? 'no stack'})` : String(error);
  return { code: 1, line: oneLine(line) };
}

type AppParts = WorkerParts & Pick<AppSettings, 'admin' | 'logStream'>;

async function build(settings: CommandSettings, parts: AppParts): Promise<App> {
  // Not before the settings are known to be good: it takes most of the time of a start.
  const { buildApp } = await import('../app.ts');
  try {
    const tls = settings.tls === undefined ? undefined : new ListenerTls(settings.tls, 'clients', 'tls');
    const store = settings.redis === undefined ? parts.store : await makeRedisStore(settings.redis);
    return await buildApp({ ...settings, ...parts, tls, store });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'FST_ERR_DUPLICATED_ROUTE') {
      const { path = '/ws' } = settings.options;
      throw new ConfigInvalid(`path (${path}) is also a route of the admin API. Change path or admin.prefix.`);
    }
    if (code === 'HOLDFAST_ERR_ADMIN_LISTEN') throw new CannotStart(message);
    if (code?.startsWith('HOLDFAST_ERR_')) throw new ConfigInvalid(message);
    throw error;
  }
}

/** @returns the address. @throws CannotStart */
async function listen(app: App, { host, port, tls }: CommandSettings): Promise<string> {
  const { level } = app.log;
  // Fastify's own lines, one for each network interface.
  app.log.level = 'silent';
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = {
      EADDRINUSE: 'the port is taken; give another as HOLDFAST_PORT or port',
      EACCES: 'this user may not open that port',
      EADDRNOTAVAIL: 'this machine does not have that address',
      ENOTFOUND: 'there is no such host',
    };
    throw new CannotStart(`cannot listen on ${host}:${port}: ${reasons[code ?? ''] ?? message} (${code}).`);
  } finally {
    app.log.level = level;
  }
  const { address, family, port: actual } = app.server.address() as AddressInfo;
  return `${tls === undefined ? 'http' : 'https'}://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}
