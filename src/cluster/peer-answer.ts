/** What is in an answer to another gateway: what was asked for, or why there is none. */
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { PeerFailed, peerError } from '../errors.ts';
import { PeerAnswer } from './records.ts';

type Fits = (value: unknown) => boolean;
const compiled = new WeakMap<TSchema, Fits>();

/** As Value.Check, compiled once for each schema: an answer may have a thousand rows (1.2 us each instead of 40). */
export function fits(schema: TSchema, value: unknown): boolean {
  let check = compiled.get(schema);
  if (check === undefined) {
    const validator = Compile(schema);
    check = (one) => validator.Check(one);
    compiled.set(schema, check);
  }
  return check(value);
}

/** @throws what the other gateway threw; HOLDFAST_ERR_PEER_FAILED for what makes no sense. */
export function unwrap<A extends TSchema>(gateway: string, schema: A, body: unknown): Static<A> {
  if (!Value.Check(PeerAnswer, body)) throw new PeerFailed(gateway, 'its answer makes no sense');
  if ('error' in body) throw peerError(body.error);
  if (!fits(schema, body.answer)) throw new PeerFailed(gateway, 'its answer does not fit its schema');
  return body.answer as Static<A>;
}

/** What the asking gateway is told of an error: as it is where it is meant for callers. */
export function refusal(error: unknown): Extract<PeerAnswer, { error: unknown }> {
  const { code, statusCode, message } = error instanceof Error ? (error as Partial<Error & PeerError>) : {};
  const told = { code: code ?? '', statusCode: statusCode ?? 500, message: (message ?? '').slice(0, 1024) };
  const wrapped = { error: told };
  if (told.statusCode !== 500 && Value.Check(PeerAnswer, wrapped)) return wrapped;
  return {
    error: { code: 'HOLDFAST_ERR_PEER_FAILED', statusCode: 502, message: 'the other gateway failed to answer' },
  };
}

type PeerError = { code: string; statusCode: number };
