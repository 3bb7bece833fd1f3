/** Values that fit a JSON schema, and values that nearly do, for fast-check. */
import fc from 'fast-check';

/** The words that our schemas use; others are an error, so that none is overlooked. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** @param own arbitraries in place of the schema's, by the name of a property. */
export function fitting(
  schema: JsonSchema,
  own: Readonly<Record<string, fc.Arbitrary<unknown>>> = {},
): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => fitting(one, own)));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => fitting({ ...schema, type }, own)));
  switch (schema.type) {
    case 'integer': {
      const { minimum = -(2 ** 40), maximum = 2 ** 40 } = schema;
      return fc.oneof(
        fc.maxSafeInteger().map((n) => Math.min(maximum, Math.max(minimum, n))),
        fc.constantFrom(minimum, maximum),
      );
    }
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
    case 'string': {
      const { minLength = 0, maxLength = 40, pattern } = schema;
      return pattern === undefined
        ? fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 40) })
        : fc.stringMatching(new RegExp(pattern));
    }
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fitting(schema.items ?? {}, own), {
        minLength: schema.minItems ?? 0,
        maxLength: schema.maxItems ?? 4,
      });
    case 'object':
      return fittingObject(schema, own);
    case undefined:
      return fc.jsonValue();
    default:
      throw new Error(`a schema of the type ${String(schema.type)}`);
  }
}

function fittingObject(
  schema: JsonSchema,
  own: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], patternProperties = {}, minProperties = 0 } = schema;
  const known = Object.fromEntries(
    Object.entries(properties).map(([key, one]) => [key, own[key] ?? fitting(one, own)]),
  );
  const named = fc.record(known, { requiredKeys: required.filter((key) => key in known) });
  const free = Object.entries(patternProperties).map(([pattern, one]) =>
    fc.dictionary(fc.stringMatching(new RegExp(pattern)), fitting(one, own), { maxKeys: 3 }),
  );
  return fc
    .tuple(named, ...free)
    .map((parts): Record<string, unknown> => Object.assign({}, ...parts))
    .filter((value) => Object.keys(value).length >= minProperties);
}

/** One place of a fitting value made something else: a key too many, a key less, another type, an odd number or text. */
export function nearlyFitting(fits: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(null, '', '0', -1, 0.5, 1e21, 2 ** 53, [], {}, [[]], true, 'x'.repeat(5000), '\u0000', '__proto__'),
  );
  return fc.tuple(fits, fc.nat(), fc.constantFrom('replace', 'remove', 'add'), odd).map(([value, at, how, other]) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return other;
    const copy: Record<string, unknown> = { ...value };
    const keys = Object.keys(copy);
    const key = keys[at % Math.max(1, keys.length)];
    if (how === 'add' || key === undefined) copy[['extra', '__proto__', 'constructor', 'toString'][at % 4]!] = other;
    else if (how === 'remove') delete copy[key];
    else copy[key] = other;
    return copy;
  });
}
