/** The `holdfast` command: reads its settings, listens, and ends without losing what it holds. */
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { AdminTokens } from './admin/admin-tokens.ts';
import type { AdminToken } from './admin/settings.ts';
import { takeOver } from './command/early-signals.ts';
import { type EndLog, endOf, onEndSignals, onHangup } from './command/ending.ts';
import { fail } from './command/exit.ts';
import { LogOutput } from './command/log-output.ts';
import { describeFailure, startGateway } from './command/start.ts';
import { ConfigInvalid } from './command-schema.ts';
import { type CommandSettings, loadSettings } from './config.ts';
import { variables } from './variables.ts';
import { Primary } from './workers/primary.ts';

const { version } = createRequire(import.meta.url)('fastify-holdfast/package.json') as { version: string };

const help = `holdfast ${version}: a WebSocket gateway that keeps clients connected while backends come and go.

  holdfast [--config file.json] [--workers n]

  -c, --config <file>  settings as JSON, the options of the plugin; the environment goes over them
  -w, --workers <n>    processes that serve the clients; auto = one for each core
  -h, --help           this text
  -v, --version        the version

Environment (defaults in brackets):

${variables.map(({ name, help: text }) => `  ${name.padEnd(36)}${text}`).join('\n')}

Register a backend while it runs:

  curl -H "Authorization: Bearer $HOLDFAST_ADMIN_TOKEN" -H 'Content-Type: application/json' \\
    -d '{"url":"ws://127.0.0.1:9000"}' http://127.0.0.1:8080/backends

All routes: http://127.0.0.1:8080/docs
`;

interface Flags {
  readonly config?: string | undefined;
  readonly workers?: string | undefined;
  readonly help?: boolean | undefined;
  readonly version?: boolean | undefined;
}

function readFlags(): Flags {
  try {
    const options = {
      config: { type: 'string', short: 'c' },
      workers: { type: 'string', short: 'w' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    } as const;
    return parseArgs({ options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ');
    throw new ConfigInvalid(`${sentence?.replace(/\.$/, '')}. See holdfast --help.`);
  }
}

/** What the settings say of tokens; one that is made up is printed once the gateway listens. */
interface GivenTokens {
  readonly tokens: readonly (string | AdminToken)[];
  /** Null = none had to be. */
  readonly madeUp: string | null;
}

function tokensOf({ admin }: CommandSettings): GivenTokens {
  if (admin.tokens !== undefined) return { tokens: admin.tokens, madeUp: null };
  const madeUp = randomBytes(24).toString('base64url');
  return { tokens: [{ name: 'made-up', role: 'write', token: madeUp }], madeUp };
}

function tellToken(madeUp: string | null): void {
  if (madeUp === null) return;
  process.stderr.write(`holdfast: HOLDFAST_ADMIN_TOKEN is not set; the admin token of this run is ${madeUp}\n`);
}

/** Of SIGHUP and SIGUSR2. @returns null = the tokens there are stay. */
type Renewal = (signal: string, settings: CommandSettings) => GivenTokens['tokens'] | null;

/** The admin tokens as the settings have them now. That none are there any more takes none back: nobody could get in. */
function renewalOf({ madeUp }: GivenTokens, log: Log): Renewal {
  let given = madeUp === null;
  return (signal, { admin }) => {
    if (admin.tokens === undefined && given)
      log.error({}, `${signal}: the admin tokens stay as they are: there are none in the settings`);
    given ||= admin.tokens !== undefined;
    return admin.tokens ?? null;
  };
}

/** Of SIGHUP: the tokens as the file, and the files named in the environment, have them now. @returns null = those there are stay. */
function readTokens(reread: () => CommandSettings, renewal: Renewal, log: Log): GivenTokens['tokens'] | null {
  try {
    return renewal('SIGHUP', reread());
  } catch (error) {
    log.error({ reason: (error as Error).message }, 'SIGHUP: the admin tokens stay as they are');
    return null;
  }
}

interface Log extends EndLog {
  error(fields: object, message: string): void;
}

/** This process serves by itself. */
async function serveAlone(settings: CommandSettings, reread: () => CommandSettings): Promise<void> {
  const given = tokensOf(settings);
  const tokens = new AdminTokens(given.tokens, 'admin.tokens');
  const output = new LogOutput();
  const { app, address } = await startGateway(settings, tokens, output);
  const { pipeManager: manager, log } = app;
  const end = onEndSignals({ log, begin: endOf(app, output, { skip: ['SIGUSR2'] }), atOnce: () => process.exit(1) });
  const renewal = renewalOf(given, log);
  // What went wrong is in the log, and the old certificates and tokens stay in use.
  onHangup(() => {
    if (manager.reloadTls().length === 0) log.info('SIGHUP: there are no certificates to read anew');
    const anew = readTokens(reread, renewal, log);
    if (anew === null) return;
    tokens.replace(anew, 'admin.tokens');
    log.info({ tokens: tokens.identities }, 'SIGHUP: the admin tokens were read anew');
  }, end);
  // Of nodemon, which waits for the end before it starts us anew; there are no workers to replace.
  takeOver('SIGUSR2', end);
  tellToken(given.madeUp);
  const { path } = manager.options;
  log.info({ address, path, version, backends: manager.backends().length }, `listening on ${address}`);
}

/** Worker processes serve; this one keeps them going. */
async function serveByWorkers(settings: CommandSettings, reread: () => CommandSettings): Promise<void> {
  if (cluster.isWorker)
    throw new ConfigInvalid('workers: this process is a worker itself (of pm2, or another). Leave one of the two out.');
  const given = tokensOf(settings);
  const output = new LogOutput();
  const log = pino({ level: settings.logLevel }, output);
  output.log = log;
  const primary = new Primary(settings, given.tokens, log);
  const renewal = renewalOf(given, log);
  const atOnce = (): never => {
    primary.kill();
    return process.exit(1);
  };
  const end = onEndSignals({ log, begin: () => primary.end(), atOnce });
  onHangup(
    () => primary.reload(readTokens(reread, renewal, log)),
    (signal) => {
      primary.end(true);
      end(signal);
    },
  );
  takeOver('SIGUSR2', () => {
    try {
      const anew = reread();
      primary.reload(renewal('SIGUSR2', anew));
      primary.roll(anew);
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'SIGUSR2: the workers stay as they are');
    }
  });
  const serving = await primary.start();
  if (serving !== null) {
    tellToken(given.madeUp);
    const { address, path, backends } = serving;
    const { workers } = settings;
    log.info({ address, path, version, backends, workers }, `listening on ${address}, ${workers} workers`);
  }
  const code = await primary.ended;
  log.info({}, 'ended');
  await output.settled();
  process.exit(code);
}

async function main(): Promise<void> {
  const flags = readFlags();
  if (flags.help) return void process.stdout.write(help);
  if (flags.version) return void process.stdout.write(`${version}\n`);
  const read = (): CommandSettings => loadSettings(flags.config, process.env, flags);
  const settings = read();
  await (settings.workers === 0 ? serveAlone(settings, read) : serveByWorkers(settings, read));
}

main().catch((error: unknown) => {
  const { code, line } = describeFailure(error);
  fail(code, line);
});
