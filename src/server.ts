#!/usr/bin/env node
/** The `holdfast` command: reads its settings, listens, and ends without losing what it holds. */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { AdminTokens } from './admin/admin-tokens.ts';
import type { ClusterStore } from './cluster/store.ts';
import { ConfigInvalid, type RedisSettings } from './command-schema.ts';
import { type CommandSettings, endingTimeMs, loadSettings } from './config.ts';
import { variables } from './environment.ts';
import { ListenerTls } from './link/listener-tls.ts';
import { readTls } from './link/tls-files.ts';

const { version } = createRequire(import.meta.url)('fastify-holdfast/package.json') as { version: string };

const help = `holdfast ${version}: a WebSocket gateway that keeps clients connected while backends come and go.

  holdfast [--config file.json]

  -c, --config <file>  settings as JSON, the options of the plugin; the environment goes over them
  -h, --help           this text
  -v, --version        the version

Environment (defaults in brackets):

${variables.map(({ name, help: text }) => `  ${name.padEnd(36)}${text}`).join('\n')}

Register a backend while it runs:

  curl -H "Authorization: Bearer $HOLDFAST_ADMIN_TOKEN" -H 'Content-Type: application/json' \\
    -d '{"url":"ws://127.0.0.1:9000"}' http://127.0.0.1:8080/backends

All routes: http://127.0.0.1:8080/docs
`;

/** With a listener in JavaScript the processor would meet the same fault again and again, for ever: let the process die, and be started anew. */
const faults = ['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const;
const startedAtTerminal = process.stdin.isTTY === true;
/** One Ctrl-C under npm arrives twice: from the terminal and from npm. */
const sameKeypressMs = 250;

/** Ends the process with one line on stderr: code 2 = the settings are wrong, 1 = anything else. */
function fail(code: 1 | 2, line: string): never {
  process.stderr.write(`holdfast: ${line.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  process.exit(code);
}

interface Flags {
  readonly config?: string | undefined;
  readonly help?: boolean | undefined;
  readonly version?: boolean | undefined;
}

function readFlags(): Flags {
  try {
    const options = {
      config: { type: 'string', short: 'c' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    } as const;
    return parseArgs({ options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ');
    throw new ConfigInvalid(`${sentence?.replace(/\.$/, '')}. See holdfast --help.`);
  }
}

async function build(settings: CommandSettings, tokens: AdminTokens): Promise<FastifyInstance> {
  // Not before the settings are known to be good: it takes most of the time of a start.
  const { buildApp } = await import('./app.ts');
  try {
    const tls = settings.tls === undefined ? undefined : new ListenerTls(settings.tls, 'clients', 'tls');
    const store = settings.redis === undefined ? undefined : await makeStore(settings.redis);
    return await buildApp({ ...settings, tls, store, admin: { ...settings.admin, tokens } });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'FST_ERR_DUPLICATED_ROUTE') {
      const { path = '/ws' } = settings.options;
      throw new ConfigInvalid(`path (${path}) is also a route of the admin API. Change path or admin.prefix.`);
    }
    if (code === 'HOLDFAST_ERR_ADMIN_LISTEN') return fail(1, message);
    if (code?.startsWith('HOLDFAST_ERR_')) throw new ConfigInvalid(message);
    throw error;
  }
}

/** The files of `redis.tls` are read once: a new certificate needs a new start. */
async function makeStore({ tls, ...redis }: RedisSettings): Promise<ClusterStore> {
  const { servername, rejectUnauthorized = true, ...sources } = tls ?? {};
  const names = {
    ca: 'redis.tls.ca',
    cert: 'redis.tls.cert',
    key: 'redis.tls.key',
    passphrase: 'redis.tls.passphrase',
  };
  const { options } = readTls(sources, names);
  const secure = { ...options, rejectUnauthorized, ...(servername === undefined ? {} : { servername }) };
  try {
    const { redisStore } = await import('./cluster/redis/index.ts');
    return redisStore({ ...redis, ...(tls === undefined ? {} : { tls: secure }) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ConfigInvalid('redis.url (HOLDFAST_REDIS_URL) needs the package redis: npm install redis.');
  }
}

/** @returns the address. */
async function listen(app: FastifyInstance, { host, port, tls }: CommandSettings): Promise<string> {
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
    return fail(1, `cannot listen on ${host}:${port}: ${reasons[code ?? ''] ?? message} (${code}).`);
  } finally {
    app.log.level = level;
  }
  const { address, family, port: actual } = app.server.address() as AddressInfo;
  return `${tls === undefined ? 'http' : 'https'}://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}

/** @returns what a signal does: the first one ends in good order, a second one at once. */
function endGracefully(app: FastifyInstance): (signal: NodeJS.Signals) => void {
  const grace = closeWithGrace(
    {
      delay: endingTimeMs(app.pipeManager.options),
      skip: ['SIGINT', 'SIGTERM', 'SIGHUP', ...faults],
      logger: false,
      onTimeout: (ms) => app.log.error(`not everything was closed within ${ms} ms: the process ends now`),
      onSecondError: (err) => app.log.fatal({ err }, 'a second error while ending'),
    },
    async ({ err, signal }) => {
      if (err !== undefined) app.log.fatal({ err }, 'an error that nothing caught: the gateway ends');
      else if (signal !== undefined) app.log.info({ signal }, 'ending');
      // First the clients, while HTTP still answers: readyz and new upgrades get their 503 from us.
      await app.pipeManager.close();
      await app.close();
      app.log.info('ended');
    },
  );
  let first: { readonly signal: string; readonly at: number } | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (first === undefined) {
      first = { signal, at: now };
      app.log.info({ signal }, `${signal}: closing the clients; a second signal ends the process at once`);
      grace.close();
      return;
    }
    if (signal === 'SIGINT' && first.signal === 'SIGINT' && now - first.at < sameKeypressMs) return;
    app.log.warn({ signal }, 'a second signal: the process ends now');
    process.exit(1);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return onSignal;
}

/** SIGHUP also comes when the terminal that the command was started at is closed: then nobody is left to end it. */
function lostItsTerminal(): boolean {
  if (!startedAtTerminal) return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}

/**
 * SIGHUP: new certificates for connections to come, and the admin tokens as the file and the files named in the environment have them now. What
 * went wrong is in the log, and the old ones stay in use.
 */
function reloadOnHangup(
  app: FastifyInstance,
  config: string | undefined,
  tokens: AdminTokens,
  end: (signal: NodeJS.Signals) => void,
): void {
  const reload = (): void => {
    const parts = app.pipeManager.reloadTls();
    if (parts.length === 0) app.log.info('SIGHUP: there are no certificates to read anew');
    try {
      const { tokens: given } = loadSettings(config, process.env).admin;
      if (given === undefined) return;
      tokens.replace(given, 'admin.tokens');
      app.log.info({ tokens: tokens.identities }, 'SIGHUP: the admin tokens were read anew');
    } catch (error) {
      app.log.error({ reason: (error as Error).message }, 'SIGHUP: the admin tokens stay as they are');
    }
  };
  let ending = false;
  process.on('SIGHUP', (signal) => {
    // It comes twice, as to the shell and to the group in front.
    if (ending) return;
    ending = lostItsTerminal();
    if (!ending) return reload();
    // After the log's own listener: what node does then asserts that it can restore the terminal, and spins where it cannot.
    process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
    end(signal);
  });
}

async function main(): Promise<void> {
  const flags = readFlags();
  if (flags.help) return void process.stdout.write(help);
  if (flags.version) return void process.stdout.write(`${version}\n`);
  const settings = loadSettings(flags.config, process.env);
  const madeUp = settings.admin.tokens === undefined ? randomBytes(24).toString('base64url') : undefined;
  const tokens = new AdminTokens(
    settings.admin.tokens ?? [{ name: 'made-up', role: 'write', token: madeUp! }],
    'admin.tokens',
  );
  const app = await build(settings, tokens);
  const address = await listen(app, settings);
  const end = endGracefully(app);
  reloadOnHangup(app, flags.config, tokens, end);
  if (madeUp !== undefined) {
    process.stderr.write(`holdfast: HOLDFAST_ADMIN_TOKEN is not set; the admin token of this run is ${madeUp}\n`);
  }
  const { path } = app.pipeManager.options;
  app.log.info({ address, path, version, backends: app.pipeManager.backends().length }, `listening on ${address}`);
}

main().catch((error: unknown) => {
  if (error instanceof ConfigInvalid) fail(2, error.message);
  fail(
    1,
    error instanceof Error ? `${error.message} (${error.stack?.split('\n')[1]?.trim() ?? 'no stack'})` : String(error),
  );
});
