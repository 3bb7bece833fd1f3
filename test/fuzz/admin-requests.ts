/** Requests to every route of an OpenAPI document, right ones and wrong ones, for fast-check. */
import fc from 'fast-check';
import { fitting, type JsonSchema, nearlyFitting } from './schema-arbitrary.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: JsonSchema;
}
interface Media {
  readonly schema: JsonSchema;
}
export interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}
export interface Route {
  readonly method: string;
  /** With {name} for parameters. */
  readonly path: string;
  readonly operation: Operation;
}

export interface AdminRequest {
  readonly route: Route;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload?: string | undefined;
}

/** Replaced by the id of a live pipe when the request is made. */
export const livePipe = 'LIVE-PIPE';

/** Every operation of the document, schemas without $ref. */
export function routesOf(document: { paths: Record<string, Record<string, unknown>>; components: unknown }): Route[] {
  const whole = inline(document, document) as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(whole.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(
        ([method, operation]) =>
          /^(get|put|post|patch|delete|head|options)$/.test(method) && !('101' in operation.responses),
      )
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

function inline(node: unknown, document: unknown): unknown {
  if (Array.isArray(node)) return node.map((one) => inline(one, document));
  if (typeof node !== 'object' || node === null) return node;
  const { $ref } = node as { $ref?: string };
  if (typeof $ref === 'string') {
    const found = $ref
      .slice('#/'.length)
      .split('/')
      .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
    return inline(found, document);
  }
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inline(value, document)]));
}

const oddTexts = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.constantFrom(
    '',
    '..',
    '.',
    'null',
    '-1',
    '1e3',
    '9'.repeat(40),
    'x'.repeat(3000),
    '\u0000',
    '%',
    '\u2028',
    'a/b',
    '__proto__',
  ),
);
const backendIds = fc.constantFrom('a', 'b', 'c', 'd');

export interface RequestWorld {
  /** Addresses that may be registered: all of them this machine's. */
  readonly urls: readonly string[];
  /** Those that count; the first may do everything. */
  readonly tokens: readonly [string, ...string[]];
}

export function anyRequest(routes: readonly Route[], world: RequestWorld): fc.Arbitrary<AdminRequest> {
  return fc.oneof(...routes.map((route) => requestOf(route, world)));
}

function requestOf(route: Route, { urls, tokens }: RequestWorld): fc.Arbitrary<AdminRequest> {
  const { parameters = [], requestBody } = route.operation;
  const own = { url: fc.constantFrom(...urls), id: backendIds };
  const textOf = ({ name, schema }: Parameter): fc.Arbitrary<string> => {
    const fits = name === 'url' ? own.url : fitting(schema).map(String);
    return fc.oneof({ weight: 3, arbitrary: fits }, { weight: 1, arbitrary: oddTexts });
  };
  const ids = fc.oneof(
    { weight: 4, arbitrary: route.path.startsWith('/pipes') ? fc.constant(livePipe) : backendIds },
    { weight: 1, arbitrary: oddTexts },
  );
  const path = ids.map((id) => route.path.replace('{id}', encodeURIComponent(id)));
  const queries = fc.tuple(
    ...parameters
      .filter((parameter) => parameter.in === 'query')
      .map((parameter) =>
        fc
          .option(fc.array(textOf(parameter), { minLength: 1, maxLength: 2 }), { nil: [], freq: 3 })
          .map((values) => values.map((value) => `${parameter.name}=${encodeURIComponent(value)}`)),
      ),
    fc.constantFrom([], [], [], [], ['unknown=1'], ['%ff'], ['a[b]=c']),
  );
  const contentType = fc.constantFrom(
    'application/json',
    'application/json',
    'application/json; charset=utf-8',
    'text/plain',
    '',
  );
  const headers = fc.record({
    authorization: fc.oneof(
      { weight: 12, arbitrary: fc.constant(`Bearer ${tokens[0]}`) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          '',
          'Bearer wrong-token-0123456789',
          'Basic Og==',
          ...tokens.map((token) => `Bearer ${token}`),
        ),
      },
    ),
    type: fc.oneof({ weight: 5, arbitrary: fc.constant('application/json') }, { weight: 1, arbitrary: contentType }),
    ifMatch: fc.constantFrom('', '', '', '"1"', '*', '"x"', 'W/"2"'),
  });
  const schema = requestBody?.content['application/json']?.schema;
  const fits = fitting(schema ?? {}, own);
  const json = (values: fc.Arbitrary<unknown>): fc.Arbitrary<string> => values.map((value) => JSON.stringify(value));
  const bodies = fc.oneof(
    { weight: schema === undefined ? 0 : 6, arbitrary: json(fits) },
    { weight: schema === undefined ? 0 : 4, arbitrary: json(nearlyFitting(fits)) },
    { weight: schema === undefined ? 8 : 1, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: json(fc.jsonValue()) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '{',
        '{"a":1,}',
        '{}',
        '[]',
        'null',
        '"',
        '{"__proto__":{"x":1}}',
        `[${'[],'.repeat(2000)}[]]`,
        'x'.repeat(70_000),
      ),
    },
  );
  return fc.tuple(path, queries, headers, bodies).map(([target, query, { authorization, type, ifMatch }, payload]) => {
    const text = query.flat().join('&');
    const hasBody = payload !== '' && route.method !== 'GET';
    return {
      route,
      method: route.method,
      url: text === '' ? target : `${target}?${text}`,
      headers: {
        ...(authorization === '' ? {} : { authorization }),
        ...(hasBody && type !== '' ? { 'content-type': type } : {}),
        ...(ifMatch === '' ? {} : { 'if-match': ifMatch }),
      },
      ...(hasBody ? { payload } : {}),
      // The route is a long read in a counterexample.
      [fc.toStringMethod]: () => JSON.stringify({ method: route.method, target, text, authorization, type, payload }),
    };
  });
}
