/** One line that says what is wrong with a value and names the key, for options, config files and bodies alike. Pure. */
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';

/** The parts of a JSON schema that `describeSchemaError` reads. */
interface SchemaNode {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly propertyNames?: SchemaNode;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** What a value is called in messages: `whole` where no key can be named, `unknownKey` after the name of a key too many. */
export interface SchemaErrorWords {
  readonly whole: string;
  readonly unknownKey: string;
}
const optionWords: SchemaErrorWords = { whole: 'The value', unknownKey: 'is not an option' };

/** One line that names the first key that does not fit, as a dotted path, and says what is allowed there. Never shows a value. */
export function describeSchemaError(schema: TSchema, value: unknown, words: SchemaErrorWords = optionWords): string {
  return describeNode(schema as SchemaNode, value, '', words) ?? `${words.whole} does not fit.`;
}

function describeNode(node: SchemaNode, value: unknown, path: string, words: SchemaErrorWords): string | undefined {
  if (Value.Check(node as TSchema, value)) return undefined;
  const subject = path || words.whole;
  if (node.anyOf !== undefined) {
    // Only an object or an array can be wrong inside: say where, against the branch that was meant.
    const meant = node.anyOf.find((branch) => hasParts(branch, value));
    return meant === undefined ? `${subject} must be ${expected(node)}.` : describeNode(meant, value, path, words);
  }
  if (!hasParts(node, value)) return `${subject} must be ${expected(node)}.`;
  return Array.isArray(value)
    ? describeItems(node, value, path, words)
    : describeKeys(node, value as Record<string, unknown>, path, words);
}

function hasParts(node: SchemaNode, value: unknown): boolean {
  if (Array.isArray(value)) return node.type === 'array';
  return node.type === 'object' && typeof value === 'object' && value !== null;
}

function describeItems(node: SchemaNode, value: unknown[], path: string, words: SchemaErrorWords): string | undefined {
  for (const [index, item] of value.entries()) {
    const found = describeNode(node.items ?? {}, item, `${path}[${index}]`, words);
    if (found !== undefined) return found;
  }
  const least = node.minItems ?? 0;
  if (value.length < least)
    return `${path || words.whole} must have at least ${least} ${least === 1 ? 'entry' : 'entries'}.`;
  return undefined;
}

function describeKeys(
  node: SchemaNode,
  value: Record<string, unknown>,
  path: string,
  words: SchemaErrorWords,
): string | undefined {
  const known = node.properties ?? {};
  const patterns = Object.entries(node.patternProperties ?? {});
  const keyPath = (key: string) => (path === '' ? printable(key) : `${path}.${printable(key)}`);
  for (const [key, inner] of Object.entries(value)) {
    const child = Object.hasOwn(known, key)
      ? known[key]
      : patterns.find(([pattern]) => new RegExp(pattern).test(key))?.[1];
    if (child === undefined && (node.additionalProperties === false || node.propertyNames !== undefined)) {
      const allowed = patterns.length > 0 ? `names that match ${patterns[0]?.[0]}` : Object.keys(known).join(', ');
      return `${keyPath(key)} ${words.unknownKey}. Known here: ${allowed || 'none'}.`;
    }
    if (child === undefined || (inner === undefined && !node.required?.includes(key))) continue;
    const found = describeNode(child, inner, keyPath(key), words);
    if (found !== undefined) return found;
  }
  for (const key of node.required ?? []) {
    if (!Object.hasOwn(value, key)) return `${keyPath(key)} is missing; it must be ${expected(known[key] ?? {})}.`;
  }
  const size = Object.keys(value).length;
  if (size < (node.minProperties ?? 0)) {
    return `${path || words.whole} must have at least ${node.minProperties} of ${Object.keys(known).join(', ')}.`;
  }
  if (size > (node.maxProperties ?? size))
    return `${path || words.whole} must have at most ${node.maxProperties} keys.`;
  return undefined;
}

/** What a schema allows, in words that follow "must be". */
function expected(node: SchemaNode): string {
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(expected))].join(' or ');
  if (node.enum !== undefined) return `one of ${node.enum.join(', ')}`;
  if (node.const !== undefined) return JSON.stringify(node.const);
  switch (node.type) {
    case 'integer':
      return `an integer${range(node.minimum, node.maximum)}`;
    case 'string': {
      if (node.pattern !== undefined) return `a string that matches ${node.pattern}`;
      const length = range(node.minLength, node.maxLength);
      return length === '' ? 'a string' : `a string${length} characters`;
    }
    case 'boolean':
      return 'true or false';
    case 'object':
    case 'array':
      return `an ${node.type}`;
    default:
      return node.type ?? 'left out';
  }
}

function range(least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  if (least !== undefined) return ` of at least ${least}`;
  return most === undefined ? '' : ` of at most ${most}`;
}

/** A key of the caller's, fit for one line of log. */
function printable(key: string): string {
  return /^[\w./-]{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64));
}
