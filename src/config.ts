/**
 * The settings of the `holdfast` command: defaults, over them the config file, over it the environment, all checked by one schema.
 * What is wrong is said in one line that names the key.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Value } from 'typebox/value';
import { AdminTokens } from './admin/admin-tokens.ts';
import { type AdminSettings, type AdminToken, resolveAdminSettings } from './admin/settings.ts';
import { type CommandKeys, CommandSchema, ConfigInvalid, type RedisSettings } from './command-schema.ts';
import { readEnvironment } from './environment.ts';
import { BackendNotAllowed } from './errors.ts';
import { AddressList } from './limits/address-list.ts';
import type { ListenerTlsSettings } from './link/tls-settings.ts';
import { type HoldfastSettings, type ResolvedOptions, resolveOptions } from './options.ts';
import { AllowedBackends } from './pool/allowed-backends.ts';
import { backendUrlKey, backendUrlText, parseBackendUrl } from './pool/backend-url.ts';
import { describeSchemaError } from './schema-error.ts';
import { readWorkers } from './variable-texts.ts';

export interface CommandSettings {
  readonly host: string;
  readonly port: number;
  /** Processes that serve the clients; 0 = the one that was started does it all. */
  readonly workers: number;
  readonly logLevel: string;
  /** `tokens` undefined = none was given. */
  readonly admin: AdminSettings & { readonly tokens?: readonly (string | AdminToken)[] };
  /** Of the port; undefined = plain HTTP. */
  readonly tls: ListenerTlsSettings | undefined;
  /** What several gateways share; undefined = this one is alone. */
  readonly redis: RedisSettings | undefined;
  readonly trustProxy: boolean | readonly string[];
  readonly http: { readonly headersTimeoutMs: number; readonly requestTimeoutMs: number };
  /** Checked, without the defaults. */
  readonly options: HoldfastSettings;
}

type Tree = { [key: string]: unknown };

/** What the command line says; it goes over the environment. */
export interface CommandFlags {
  readonly workers?: string | undefined;
}

/**
 * @param file path of a JSON file; undefined = none.
 * @throws ConfigInvalid
 */
export function loadSettings(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  flags: CommandFlags = {},
): CommandSettings {
  const fromFile = file === undefined ? {} : readConfig(file);
  const settings = structuredClone(fromFile);
  const sources = new Map<string, string>();
  for (const [variable, value] of readEnvironment(env)) {
    for (const key of variable.keys) {
      // Two variables of one list add up; together they take the place of what the file says.
      const other = sources.get(key);
      if (other !== undefined && !Array.isArray(value))
        throw new ConfigInvalid(`${other} and ${variable.name} are both set; give one of them.`);
      setKey(
        settings,
        key,
        other === undefined ? value : [...(getKey(settings, key) as unknown[]), ...(value as unknown[])],
      );
      sources.set(key, other === undefined ? variable.name : `${other}, ${variable.name}`);
    }
  }
  if (flags.workers !== undefined) setKey(settings, 'workers', readWorkers(flags.workers, '--workers'));
  const filled = checked(settings, 'the configuration', sources);
  const { host, port, logLevel, admin, tls, redis, trustProxy, http } = filled;
  const workers = filled.workers === 'auto' ? availableParallelism() : filled.workers;
  checkAdmin(admin, sources);
  if (http.requestTimeoutMs < http.headersTimeoutMs)
    throw new ConfigInvalid(
      `http.requestTimeoutMs (${http.requestTimeoutMs}) is below http.headersTimeoutMs (${http.headersTimeoutMs}).`,
    );
  const {
    host: _host,
    port: _port,
    workers: _workers,
    logLevel: _level,
    admin: _admin,
    tls: _tls,
    redis: _redis,
    trustProxy: _trust,
    http: _http,
    ...options
  } = settings;
  try {
    if (typeof trustProxy !== 'boolean') new AddressList(trustProxy, 'trustProxy');
    checkBackends(resolveOptions(options as HoldfastSettings));
  } catch (error) {
    throw new ConfigInvalid(withSource((error as Error).message, sources));
  }
  return { host, port, workers, logLevel, admin, tls, redis, trustProxy, http, options: options as HoldfastSettings };
}

/** What the closing of HTTP connections may take after the last client. */
const httpCloseMs = 3000;

/** How long the command may take to end after SIGTERM; whoever started it must wait for longer. */
export function endingTimeMs(options: Pick<ResolvedOptions, 'shutdown' | 'closing' | 'drain'>): number {
  const { shutdown, closing, drain } = options;
  // A pipe that goes to another gateway has its backend read out first, and one that it left just before as well.
  return shutdown.spreadMs + Math.max(closing.lingerMs, 2 * drain.tailMs) + closing.handshakeMs + httpCloseMs;
}

function readConfig(file: string): Tree {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigInvalid(`--config ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    // The parser's own message repeats a piece of the file, which may hold a token.
    const position = / position (\d+)/.exec((error as Error).message)?.[1];
    const line = position === undefined ? '' : ` (line ${text.slice(0, Number(position)).split('\n').length})`;
    throw new ConfigInvalid(`--config ${file} is not valid JSON${line}.`);
  }
  checked(value, `--config ${file}`);
  return value as Tree;
}

/** @returns `value` with the defaults filled in. */
function checked(value: unknown, what: string, sources: ReadonlyMap<string, string> = new Map()): CommandKeys {
  const whole = `${what} as a whole`;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigInvalid(`${whole} must be an object.`);
  const filled: unknown = Value.Default(CommandSchema, structuredClone(value));
  if (Value.Check(CommandSchema, filled)) return filled;
  const problem = describeSchemaError(CommandSchema, filled, { whole, unknownKey: 'is not an option' });
  throw new ConfigInvalid(withSource(problem.startsWith(whole) ? problem : `${what}: ${problem}`, sources));
}

function setKey(tree: Tree, key: string, value: unknown): void {
  const parts = key.split('.');
  const last = parts.pop()!;
  let node = tree;
  for (const part of parts) {
    node[part] ??= {};
    node = node[part] as Tree;
  }
  node[last] = value;
}

function getKey(tree: Tree, key: string): unknown {
  return key.split('.').reduce<unknown>((node, part) => (node as Tree)[part], tree);
}

/** The admin plugin would refuse these too; here the variable can be named. */
function checkAdmin({ tokens, ...settings }: CommandSettings['admin'], sources: ReadonlyMap<string, string>): void {
  if (tokens?.length === 0) throw new ConfigInvalid('admin.tokens is empty. Give a token, or leave the key out.');
  try {
    if (tokens !== undefined) new AdminTokens(tokens, 'admin.tokens');
    const { trustProxy = false } = resolveAdminSettings(settings).listen ?? {};
    if (typeof trustProxy !== 'boolean') new AddressList(trustProxy, 'admin.listen.trustProxy');
  } catch (error) {
    throw new ConfigInvalid(withSource((error as Error).message, sources));
  }
}

/** The pool would refuse these too; here the key can be named. */
function checkBackends({ backends, allowedBackends }: ResolvedOptions): void {
  const allowed = new AllowedBackends(allowedBackends);
  const urls = new Map<string, number>();
  const ids = new Map<string, number>();
  for (const [index, { url, id }] of backends.entries()) {
    const name = `backends[${index}]`;
    let key: string;
    try {
      const parsed = parseBackendUrl(url);
      const refused = allowed.refuseUrl(parsed);
      if (refused !== null) throw new BackendNotAllowed(backendUrlText(parsed), refused);
      key = backendUrlKey(parsed);
    } catch (error) {
      throw new ConfigInvalid(`${name}: ${(error as Error).message}`);
    }
    if (urls.has(key)) throw new ConfigInvalid(`${name} has the url of backends[${urls.get(key)}].`);
    if (id !== undefined && ids.has(id)) throw new ConfigInvalid(`${name} has the id of backends[${ids.get(id)}].`);
    urls.set(key, index);
    if (id !== undefined) ids.set(id, index);
  }
}

function withSource(message: string, sources: ReadonlyMap<string, string>): string {
  const named = [...new Set([...sources].filter(([key]) => names(message, key)).map(([, name]) => name))];
  const text = message.replaceAll(/\s*\n\s*/g, ' ');
  return named.length === 0 ? text : `${text} (${named.join(', ')})`;
}

/** True where the key stands there as a whole: `port` is not named by admin.listen.port. Or where one beside it is missing. */
function names(message: string, key: string): boolean {
  const pattern = key.replaceAll('.', '\\.');
  const beside = pattern.replace(/\w+$/, '\\w+ is missing');
  return new RegExp(`(?<![\\w.])(?:${pattern}(?!\\w|\\.\\w)|${beside})`).test(message);
}
