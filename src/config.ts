/**
 * The settings of the `holdfast` command: defaults, over them the config file, over it the environment, all checked by one schema.
 * What is wrong is said in one line that names the key.
 */
import { readFileSync } from 'node:fs';
import { envSchema } from 'env-schema';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { HoldfastOptionsSchema, type HoldfastSettings, resolveOptions } from './options.ts';
import { backendUrlKey, parseBackendUrl } from './pool/backend-url.ts';
import { describeSchemaError } from './schema-error.ts';

const strict = { additionalProperties: false } as const;
const tokenPattern = '^[!-~]{8,}$';

/** Every key of the config file: the options of the plugin, and what only the command has. */
export const CommandSchema = Type.Object(
  {
    ...HoldfastOptionsSchema.properties,
    host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on; 0.0.0.0 = all.' }),
    port: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: 'Port; 0 = any that is free.' }),
    logLevel: Type.Enum(['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'], {
      default: 'info',
      description: 'Least level that is logged; trace has every heartbeat.',
    }),
    admin: Type.Object(
      {
        prefix: Type.String({
          default: '',
          pattern: '^(/[\\w.~-]+)*/?$',
          description: 'Put before every admin route, for instance /admin.',
        }),
        tokens: Type.Optional(
          Type.Array(Type.String({ pattern: tokenPattern }), {
            description: 'Bearer tokens, at least 8 characters each; left out: one is made up and printed.',
          }),
        ),
        publicMetrics: Type.Boolean({ default: false, description: 'GET /metrics asks for no token.' }),
      },
      { ...strict, default: {}, description: 'The admin REST API.' },
    ),
  },
  strict,
);

export interface CommandSettings {
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
  /** `tokens` undefined = none was given. */
  readonly admin: { readonly prefix: string; readonly tokens?: readonly string[]; readonly publicMetrics: boolean };
  /** Checked, without the defaults. */
  readonly options: HoldfastSettings;
}

/** The message is one line that names the key or the file. */
export class ConfigInvalid extends Error {
  override readonly name = 'ConfigInvalid';
}

interface Variable {
  readonly name: string;
  /** Where it goes, as dotted paths. */
  readonly keys: readonly string[];
  readonly schema: TSchema;
  readonly help: string;
}

const keys = HoldfastOptionsSchema.properties;
const command = CommandSchema.properties;
const heartbeat = keys.heartbeat.properties.client.properties;

export const variables: readonly Variable[] = [
  { name: 'HOLDFAST_HOST', keys: ['host'], schema: command.host, help: 'address to listen on (127.0.0.1)' },
  { name: 'HOLDFAST_PORT', keys: ['port'], schema: command.port, help: 'port, 0 = any (8080)' },
  { name: 'HOLDFAST_PATH', keys: ['path'], schema: keys.path, help: 'route of the clients (/ws)' },
  { name: 'HOLDFAST_BACKENDS', keys: ['backends'], schema: Type.String(), help: 'ws:// urls, comma separated' },
  {
    name: 'HOLDFAST_ADMIN_TOKEN',
    keys: ['admin.tokens'],
    schema: Type.String({ pattern: tokenPattern }),
    help: 'token of the admin API, at least 8 characters (one is made up and printed)',
  },
  {
    name: 'HOLDFAST_HEARTBEAT_INTERVAL_MS',
    keys: ['heartbeat.client.intervalMs', 'heartbeat.backend.intervalMs'],
    schema: heartbeat.intervalMs,
    help: 'milliseconds between pings, both hops, 0 = off (25000)',
  },
  {
    name: 'HOLDFAST_HEARTBEAT_TIMEOUT_MS',
    keys: ['heartbeat.client.timeoutMs', 'heartbeat.backend.timeoutMs'],
    schema: heartbeat.timeoutMs.anyOf[0],
    help: 'silence after which a link is given up, both hops (3 x interval)',
  },
  {
    name: 'HOLDFAST_BUFFER_MAX_BYTES_PER_PIPE',
    keys: ['buffer.maxBytesPerPipe'],
    schema: keys.buffer.properties.maxBytesPerPipe,
    help: 'most bytes kept of one client (5242880)',
  },
  {
    name: 'HOLDFAST_MAX_MESSAGE_BYTES',
    keys: ['maxMessageBytes'],
    schema: keys.maxMessageBytes,
    help: 'largest message (half of the buffer)',
  },
  {
    name: 'HOLDFAST_DELIVERY',
    keys: ['delivery'],
    schema: keys.delivery,
    help: 'at-least-once or at-most-once (at-least-once)',
  },
  {
    name: 'HOLDFAST_LOG_LEVEL',
    keys: ['logLevel'],
    schema: command.logLevel,
    help: 'trace to fatal, or silent (info)',
  },
];

/** Kubernetes adds these where a Service is called holdfast. */
const notOurs = /^HOLDFAST_(SERVICE_(HOST|PORT)|PORT_\d)/;

type Tree = { [key: string]: unknown };

/**
 * @param file path of a JSON file; undefined = none.
 * @throws ConfigInvalid
 */
export function loadSettings(file: string | undefined, env: NodeJS.ProcessEnv): CommandSettings {
  const fromFile = file === undefined ? {} : readConfig(file);
  const settings = structuredClone(fromFile);
  const sources = new Map<string, string>();
  for (const [variable, value] of readEnvironment(env)) {
    for (const key of variable.keys) {
      setKey(settings, key, value);
      sources.set(key, variable.name);
    }
  }
  const filled = checked(settings, 'the configuration');
  const { host, port, logLevel, admin } = filled;
  if (admin.tokens?.length === 0) throw new ConfigInvalid('admin.tokens is empty. Give a token, or leave the key out.');
  const { host: _host, port: _port, logLevel: _level, admin: _admin, ...options } = settings;
  try {
    checkBackends(resolveOptions(options as HoldfastSettings).backends);
  } catch (error) {
    throw new ConfigInvalid(withSource((error as Error).message, sources));
  }
  return { host, port, logLevel, admin, options: options as HoldfastSettings };
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
function checked(value: unknown, what: string): Static<typeof CommandSchema> {
  const whole = `${what} as a whole`;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigInvalid(`${whole} must be an object.`);
  const filled: unknown = Value.Default(CommandSchema, structuredClone(value));
  if (Value.Check(CommandSchema, filled)) return filled;
  const problem = describeSchemaError(CommandSchema, filled, { whole, unknownKey: 'is not an option' });
  throw new ConfigInvalid(problem.startsWith(whole) ? problem : `${what}: ${problem}`);
}

function readEnvironment(env: NodeJS.ProcessEnv): [Variable, unknown][] {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('HOLDFAST_') || notOurs.test(name) || value === undefined) continue;
    if (!variables.some((variable) => variable.name === name)) {
      const known = variables.map((variable) => variable.name.slice('HOLDFAST_'.length)).join(', ');
      throw new ConfigInvalid(`${name} is not a setting. Known: HOLDFAST_ and one of ${known}.`);
    }
    given[name] = value;
  }
  const values = coerced(given);
  return variables.flatMap((variable): [Variable, unknown][] => {
    const value = values[variable.name];
    if (value === undefined) return [];
    if (variable.name === 'HOLDFAST_BACKENDS') return [[variable, listOf(String(value))]];
    return [[variable, variable.name === 'HOLDFAST_ADMIN_TOKEN' ? [value] : value]];
  });
}

/** Numbers as numbers. @throws ConfigInvalid that names the variable, never its value. */
function coerced(given: Record<string, string>): Tree {
  const properties = Object.fromEntries(variables.map(({ name, schema }) => [name, withoutDefault(schema)]));
  try {
    return envSchema<Tree>({ schema: { type: 'object', properties }, data: given, env: false });
  } catch (error) {
    const [problem] = (error as { errors?: { instancePath: string }[] }).errors ?? [];
    const name = problem?.instancePath.split('/')[1];
    const variable = variables.find((one) => one.name === name);
    if (variable === undefined) throw error;
    const text = given[variable.name] ?? '';
    const hint = text.startsWith('tcp://')
      ? ' Kubernetes sets it for a Service of that name: set enableServiceLinks: false, or name the Service otherwise.'
      : '';
    const value = text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    const schema = Type.Object({ [variable.name]: variable.schema });
    throw new ConfigInvalid(describeSchemaError(schema, { [variable.name]: value }) + hint);
  }
}

/** The defaults come last, below the file: env-schema must not fill them in. */
function withoutDefault(schema: TSchema): object {
  const { default: _default, ...rest } = schema as TSchema & { default?: unknown };
  return rest;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
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

/** The pool would refuse these too; here the key can be named. */
function checkBackends(backends: readonly { readonly url: string; readonly id?: string | undefined }[]): void {
  const urls = new Map<string, number>();
  const ids = new Map<string, number>();
  for (const [index, { url, id }] of backends.entries()) {
    const name = `backends[${index}]`;
    let key: string;
    try {
      key = backendUrlKey(parseBackendUrl(url));
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
  const named = [...new Set([...sources].filter(([key]) => message.includes(key)).map(([, name]) => name))];
  const text = message.replaceAll(/\s*\n\s*/g, ' ');
  return named.length === 0 ? text : `${text} (${named.join(', ')})`;
}
