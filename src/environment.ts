/** Reads the settings that the environment gives to the `holdfast` command. */
import { envSchema } from 'env-schema';
import { type TSchema, Type } from 'typebox';
import { ConfigInvalid } from './command-schema.ts';
import { describeSchemaError } from './schema-error.ts';
import { type Variable, variables } from './variables.ts';

/** Kubernetes adds these where a Service is called holdfast, or holdfast-admin. */
const notOurs = /^HOLDFAST_(ADMIN_)?(SERVICE_(HOST|PORT)|PORT_\d)/;

/** @throws ConfigInvalid that names the variable, never its value. */
export function readEnvironment(env: NodeJS.ProcessEnv): [Variable, unknown][] {
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
    return [[variable, variable.read === undefined ? value : variable.read(String(value), variable.name)]];
  });
}

/** Numbers as numbers. */
function coerced(given: Record<string, string>): Record<string, unknown> {
  const properties = Object.fromEntries(variables.map(({ name, schema }) => [name, withoutDefault(schema)]));
  try {
    return envSchema<Record<string, unknown>>({ schema: { type: 'object', properties }, data: given, env: false });
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
