/** How routes declare what they answer: one helper for results, one for failures, both with examples. */
import type { FastifyError } from 'fastify';
import { type TSchema, Type } from 'typebox';
import {
  BodyInvalid,
  CrossSite,
  Forbidden,
  SharedConflict,
  StoreUnavailable,
  TooManyFailures,
  Unauthorized,
} from '../../src/errors.ts';
import {
  answerFor,
  BodyEmpty,
  BodyLengthWrong,
  BodyTooLarge,
  BodyUnexpected,
  Internal,
  JsonInvalid,
  MediaTypeUnsupported,
} from '../error-answer.ts';

/** The one shape of every error. */
export const ErrorAnswerSchema = Type.Object(
  {
    statusCode: Type.Integer({ description: 'The HTTP status.' }),
    code: Type.String({ description: 'Stable name of the error; compare this one.' }),
    error: Type.String({ description: 'Name of the HTTP status.' }),
    message: Type.String({ description: 'What is wrong and what to do; may change.' }),
  },
  { $id: 'Error', description: 'The one shape of every error.' },
);

interface Header {
  readonly type: 'string';
  readonly description: string;
}

/** One answer of a route as Fastify and @fastify/swagger take it. */
export interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header>>;
  readonly type?: 'null';
  readonly content?: Readonly<
    Record<
      string,
      { readonly schema: TSchema; readonly examples: Readonly<Record<string, { readonly value: unknown }>> }
    >
  >;
}

/** A JSON answer with its example. */
export function result(
  description: string,
  schema: TSchema,
  example: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    description,
    ...withHeaders(headers),
    content: { 'application/json': { schema, examples: { example: { value: example } } } },
  };
}

/** An answer without a body. */
export function nothing(description: string): Answer {
  return { description, type: 'null' };
}

/** The error answers of a route: each example is an error as it is thrown, grouped by status. */
export function failures(...errors: readonly FastifyError[]): Record<number, Answer> {
  const answers: Record<number, Answer> = {};
  for (const status of new Set(errors.map((error) => error.statusCode ?? 500))) {
    const those = errors.filter((error) => (error.statusCode ?? 500) === status);
    answers[status] = {
      description: statusDescriptions[status] ?? 'The request failed.',
      ...withHeaders(statusHeaders[status] ?? {}),
      content: {
        'application/json': {
          schema: ErrorAnswerSchema,
          examples: Object.fromEntries(those.map((error) => [error.code, { value: answerFor(error) }])),
        },
      },
    };
  }
  return answers;
}

const statusHeaders: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  401: { 'WWW-Authenticate': 'The scheme to use: Bearer.' },
  429: { 'Retry-After': 'Seconds to wait.' },
};

const statusDescriptions: Readonly<Record<number, string>> = {
  400: 'The request is not valid; nothing was changed.',
  401: 'The admin token is missing or wrong.',
  403: 'The caller is known, and may not do this; nothing was changed.',
  404: 'There is no such thing.',
  409: 'It does not fit the present state; nothing was changed.',
  412: 'The configuration has changed meanwhile; nothing was changed now.',
  413: 'The body is over 64 KiB, or the pool that several gateways share would be too big.',
  415: 'The body is not sent as JSON.',
  429: 'Too many wrong tokens came from this address.',
  500: 'A defect of the gateway; its log says more.',
  502: 'Another gateway could not answer.',
  503: 'Not now: the gateway is shutting down, the store that several gateways share cannot be used, or they have too much to ask each other.',
  504: 'Another gateway did not answer in time.',
};

/** What every route behind the token can answer, `badQuery` being its example of a wrong query string. */
export function guarded(badQuery: string): FastifyError[] {
  return [new BodyInvalid(badQuery), new Unauthorized(), new TooManyFailures(42), new Internal()];
}

/**
 * The same for a route that changes something.
 * @param wrongBody example of a body that does not fit; without it the route takes none.
 */
export function guardedChange(badQuery: string, wrongBody?: string): FastifyError[] {
  const ofBody =
    wrongBody === undefined
      ? [new BodyUnexpected()]
      : [new BodyInvalid(wrongBody), new JsonInvalid(), new BodyEmpty(), new BodyLengthWrong()];
  return [
    ...guarded(badQuery),
    new Forbidden('grafana'),
    new CrossSite(),
    ...ofBody,
    new BodyTooLarge(),
    new MediaTypeUnsupported(),
  ];
}

/** What a change of what all gateways share can answer besides. */
export function sharedChange(what: string): FastifyError[] {
  return [new SharedConflict(what, 1_795_321_496_036_748), new StoreUnavailable('it did not answer in time')];
}

/** An id in the path: what is longer Fastify's router refuses before any route (maxParamLength). */
export const idInPath = (description: string, example: string) =>
  Type.String({ minLength: 1, maxLength: 100, description, examples: [example] });

/** A route without query parameters: any is refused. */
export const NoQuery = Type.Object({}, { additionalProperties: false });
export const noQueryExample = 'verbose is not a known key. Known here: none.';

function withHeaders(headers: Readonly<Record<string, string>>): { headers?: Record<string, Header> } {
  const entries = Object.entries(headers).map(
    ([name, description]) => [name, { type: 'string', description }] as const,
  );
  return entries.length === 0 ? {} : { headers: Object.fromEntries(entries) };
}
