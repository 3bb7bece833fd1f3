/**
 * Validator of the admin scope. Bodies are taken as they are; in query strings and paths only the digits of an integer become
 * a number. (TypeBox's Convert would also take 1.5, 0x10 and true for an integer.)
 */
import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { BodyInvalid } from '../src/errors.ts';
import { describeSchemaError } from '../src/schema-error.ts';

const names: Readonly<Record<string, string>> = {
  body: 'The body',
  querystring: 'The query string',
  params: 'The path',
  headers: 'The headers',
};

export const strictValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const compiled = Compile(schema);
  const words = { whole: names[httpPart ?? 'body'] ?? 'The request', unknownKey: 'is not a known key' };
  return (given: unknown) => {
    const value = httpPart === 'body' ? given : readIntegers(schema, given);
    if (compiled.Check(value)) return { value };
    return { error: new BodyInvalid(describeSchemaError(schema, value, words)) };
  };
};

function readIntegers(schema: TSchema, given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return given;
  const { properties = {} } = schema as { properties?: Record<string, { type?: string }> };
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => {
      const digits = typeof value === 'string' && /^-?\d{1,15}$/.test(value);
      return [key, digits && properties[key]?.type === 'integer' ? Number(value) : value];
    }),
  );
}
